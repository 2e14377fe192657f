"""What the way to DynamoDB raises inside a client, in the terms of botocore."""

from __future__ import annotations

from botocore.exceptions import ConnectTimeoutError, HTTPClientError


class Amiss(Exception):
    """What keeps a shortcut off, in words."""


class LostReplyError(HTTPClientError):  # type: ignore[misc]  # botocore carries no types
    """What came back is not a whole reply of DynamoDB's; inside, and under PynamoDB's own errors after a request.

    `is_foreign` says that it is whole, and somebody else's: a web server's, or a login page.
    """

    fmt = "{operation} at {endpoint_url}: the reply is not DynamoDB's: {reason}"

    @property
    def is_foreign(self) -> bool:
        """Say whether somebody else has answered."""
        return bool(self.kwargs.get("is_foreign"))


class TimeIsUpError(ConnectTimeoutError):  # type: ignore[misc]  # botocore carries no types
    """A request was not sent, because the deadline had passed."""

    fmt = 'No time was left to send a request to "{endpoint_url}"'
