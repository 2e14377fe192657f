"""Errors that a client raises besides botocore's own."""

from __future__ import annotations

from botocore.exceptions import ConnectTimeoutError, HTTPClientError


class ShortcutError(Exception):
    """The reason why a shortcut stays off."""


class LostReplyError(HTTPClientError):  # type: ignore[misc]  # botocore carries no types
    """The response is not a complete reply from DynamoDB. PynamoDB raises its own error from this one.

    `is_foreign` is true if the response is complete but comes from another server, such as a proxy or a login page.
    """

    fmt = "{operation} at {endpoint_url}: the reply is not DynamoDB's: {reason}"

    @property
    def is_foreign(self) -> bool:
        """Whether another server has sent the response."""
        return bool(self.kwargs.get("is_foreign"))


class TimeIsUpError(ConnectTimeoutError):  # type: ignore[misc]  # botocore carries no types
    """The request was not sent because the deadline had passed."""

    fmt = 'No time was left to send a request to "{endpoint_url}"'
