"""The wire's headers look as botocore's do, whatever is done with them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSRequestPreparer, HeadersDict
from botocore.compat import HTTPHeaders
from hypothesis import given
from hypothesis import strategies as st

from pipemodels.wire import headers

_names = st.sampled_from(["X-A", "x-a", "X-B", "Content-Length", "transfer-encoding", "Ä"])
_values = st.sampled_from(["a", "é", "\udce9", b"b", 5, ""])
_pairs = st.lists(st.tuples(_names, _values), max_size=5)
_steps = st.lists(
    st.tuples(st.just("set"), _names, _values)
    | st.tuples(st.sampled_from(["delete", "get", "pop", "in", "setdefault"]), _names)
    | st.tuples(st.sampled_from(["list", "copy", "show"])),
    max_size=12,
)


def done(kept: Any, steps: list[tuple[Any, ...]]) -> list[Any]:
    """Return what each step gives, or raises."""
    ways: dict[str, Callable[..., Any]] = {
        "set": kept.__setitem__,
        "delete": kept.__delitem__,
        "get": lambda name: (kept.get(name), kept[name]),
        "pop": kept.pop,
        "in": kept.__contains__,
        "setdefault": lambda name: kept.setdefault(name, "new"),
        "list": lambda: (list(kept), list(kept.items()), list(kept.keys()), list(kept.values()), len(kept)),
        "copy": lambda: list(kept.copy().items()),
        "show": lambda: (repr(kept), kept == dict(kept.items()), kept == {}),
    }
    seen: list[Any] = []
    for step, *given_ in steps:
        try:
            seen.append(ways[step](*given_))
        except KeyError:
            seen.append(KeyError)
    return [*seen, list(kept.items())]


@given(_pairs, _steps)
def test_the_headers_that_are_sent_are_kept_as_botocore_keeps_them(pairs: Any, steps: Any) -> None:
    """Every step gives the same."""
    assert done(headers.WireHeaders(pairs), steps) == done(HeadersDict(pairs), steps)


def test_a_copy_is_one_s_own() -> None:
    """What is done with it does not reach the original."""
    original = headers.WireHeaders([("X-A", "1")])
    copied = original.copy()
    copied["x-a"] = "2"
    assert (dict(original), dict(copied), type(copied)) == ({"X-A": "1"}, {"X-A": "2"}, headers.WireHeaders)


@given(_pairs)
def test_a_message_lists_its_headers_as_http_client_s_does(pairs: Any) -> None:
    """Also those that e-mail would write in another way."""
    theirs, ours = HTTPHeaders(), headers.WireMessage()
    for name, value in pairs:
        theirs[name] = ours[name] = value
    assert [(name, str(value), type(value)) for name, value in ours.items()] == [
        (name, str(value), type(value)) for name, value in theirs.items()
    ]


@given(
    st.sampled_from(["POST", "POST", "GET"]),
    st.binary(max_size=3) | st.binary(max_size=3) | st.sampled_from([None, "text", {"a": "b"}, bytearray(b"a")]),
    _pairs,
)
def test_a_request_is_prepared_as_botocore_does(method: str, body: Any, pairs: Any) -> None:
    """With the same headers in the same order, and the same length."""
    prepared = []
    for ours in (False, True):
        request = AWSRequest(method, "https://x.test/", data=body, params={"a": "b"})
        if ours:
            headers._use_wire_headers(request)
        for name, value in pairs:
            request.headers.add_header(name, str(value))
        made = request.prepare()
        prepared.append((made.method, made.url, list(made.headers.items()), made.body, made.stream_output))
    assert prepared[0] == prepared[1]


class OtherHeaders(HTTPHeaders):  # type: ignore[misc]  # botocore carries no types
    """Headers of somebody's own, made on top of botocore's."""


class OtherPreparer(AWSRequestPreparer):  # type: ignore[misc]  # botocore carries no types
    """A preparer likewise."""


@pytest.mark.parametrize(("kept", "preparer"), [(HeadersDict(), object()), (OtherHeaders(), OtherPreparer())])
def test_what_is_not_botocore_s_own_stays(kept: Any, preparer: Any) -> None:
    """Headers and preparer of a request that a handler has replaced before."""
    request = AWSRequest("POST", "https://x.test/", data=BytesIO(b"a"))
    request.headers, request._request_preparer = kept, preparer
    kinds = type(request.headers), type(request._request_preparer)
    headers._use_wire_headers(request)
    assert (type(request.headers), type(request._request_preparer)) == kinds
