"""Headers: those of a request on its way through botocore, and of a reply, without e-mail's care for each value.

botocore keeps the headers of a request in a message of e-mail until it is signed, and in a dict that knows no case
until it is sent; http.client reads those of a reply into a message of e-mail. A request is copied from the one to the
other four times, and every value is looked at each time. Here they look as they did, and are copied as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, KeysView
from functools import lru_cache
from typing import Any

from botocore.awsrequest import AWSRequestPreparer, HeadersDict
from botocore.compat import HTTPHeaders

_is_plain = lru_cache(maxsize=64)(re.compile("[A-Za-z0-9-]+").fullmatch)


class WireMessage(HTTPHeaders):  # type: ignore[misc]  # botocore carries no types
    """A message of e-mail whose headers, if they are plain text or bytes, are listed as they stand."""

    def __setitem__(self, name: str, value: Any) -> None:
        if _is_plain(name):
            self._headers.append((name, value))
        else:
            super().__setitem__(name, value)

    def items(self) -> Any:
        """Return the pairs of name and value."""
        pairs = self._headers.copy()
        for _, value in pairs:
            if isinstance(value, str) and not value.isascii():
                return super().items()
        return pairs


class WireHeaders(HeadersDict):  # type: ignore[misc]  # botocore carries no types
    """botocore's dict that knows no case; under a lower-case name it keeps the name as first given, and the value."""

    def __init__(self, pairs: Iterable[tuple[str, Any]] = ()) -> None:
        self._dict: dict[str, tuple[str, Any]] = {}
        for name, value in pairs:
            key = name.lower()
            self._dict[key] = self._dict[key][0] if key in self._dict else name, value

    def __getitem__(self, name: str) -> Any:
        return self._dict[name.lower()][1]

    def __setitem__(self, name: str, value: Any) -> None:
        key = name.lower()
        self._dict[key] = self._dict[key][0] if key in self._dict else name, value

    def __delitem__(self, name: str) -> None:
        del self._dict[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._dict

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._dict.values()])

    def __repr__(self) -> str:
        return repr(dict(self._dict.values()))

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default."""
        return self._dict.get(name.lower(), (None, default))[1]

    def items(self) -> Any:
        """Return the pairs of name and value."""
        return dict(self._dict.values()).items()

    def lower_names(self) -> KeysView[str]:
        """Return the names in lower case."""
        return self._dict.keys()

    def copy(self) -> WireHeaders:
        """Return a copy."""
        copied = WireHeaders()
        copied._dict = self._dict.copy()
        return copied


class WirePreparer(AWSRequestPreparer):  # type: ignore[misc]  # botocore carries no types
    """Makes of a request what is sent."""

    def _prepare_headers(self, original: Any, prepared_body: Any = None) -> Any:
        headers = WireHeaders(original.headers.items())
        if type(prepared_body) is not bytes or original.method != "POST" or _FRAMING & headers.lower_names():
            return super()._prepare_headers(original, prepared_body)
        headers["Content-Length"] = str(len(prepared_body))
        return headers


_FRAMING = {"content-length", "transfer-encoding"}


def _use_wire_headers(request: Any, **_: Any) -> None:
    """Have a request that was just created keep its headers so."""
    if type(request.headers) is HTTPHeaders:
        request.headers.__class__ = WireMessage
    if type(request._request_preparer) is AWSRequestPreparer:
        request._request_preparer = WirePreparer()


def install(client: Any) -> None:
    """Have a client's requests keep their headers so, by the first handler of botocore's `request-created`."""
    events, name = client.meta.events, "pipemodels-wire-headers"
    events.register_first("request-created.dynamodb", _use_wire_headers, unique_id=name)
