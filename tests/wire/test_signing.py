"""The wire's signatures are botocore's, byte for byte, whatever is signed."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import example, given
from hypothesis import strategies as st

from pipemodels.transport.per_call import signing

_urls = st.sampled_from([
    "https://dynamodb.eu-central-1.amazonaws.com/", "http://127.0.0.1:8000/", "https://x.test:443/", "http://[::1]:80/",
    "https://user@x.test/", "https://X.test", "https://x.test/a/../b c/", "https://x.test/?b=1&a=2", "https://x.test/?",
])  # fmt: skip
_names = st.sampled_from([
    "X-Amz-Target", "x-mine", "Host", "User-Agent", "Expect", "Date", "Content-Type", "X-Amzn-Trace-Id", "x-amz-date",
    "X-Amz-Content-SHA256", "Authorization", "X-Amz-Security-Token",
])  # fmt: skip
_headers = st.lists(st.tuples(_names, st.sampled_from(["a", "a  b ", "é", "", "a,b", "\ta"])), max_size=3)
_contexts = st.fixed_dictionaries(
    {},
    optional={
        "payload_signing_enabled": st.booleans(),
        "checksum": st.sampled_from([{}, {"request_algorithm": {"in": "trailer"}}, {"request_algorithm": "md5"}]),
    },
)
_made_of = st.tuples(*[st.sampled_from(["a", "b"])] * 3)


def signed(signer: SigV4Auth, request: AWSRequest) -> Any:
    """Return what is signed, and the headers of the signed request, in their order; or what was raised."""
    try:
        signer._modify_request_before_signing(request)
        canonical = signer.canonical_request(request)
        signature = signer.signature(signer.string_to_sign(request, canonical), request)
        signer._inject_signature_to_request(request, signature)
    except Exception as error:
        return type(error), str(error)
    return canonical, request.headers.items(), request.body


@given(
    st.lists(_made_of, min_size=1, max_size=4),
    st.sampled_from(["POST", "POST", "POST", "GET", "post"]),
    st.just("https://x.test/") | _urls,
    st.binary(max_size=9) | st.binary(max_size=9) | st.sampled_from([None, "text", {"a": "b"}]),
    st.sampled_from([None, None, {}, {"b": "1", "a": "é"}]),
    st.sampled_from([None, "token", "", " a  b", "é", "\udce9"]),
    _headers,
    _contexts,
)
@example([("a", "a", "a")], "POST", "https://x.test/", b"{}", None, None, [("X-Amz-Content-SHA256", "a")], {})
@example([("a", "a", "a")], "POST", "https://x.test/", b"{}", {"b": "1"}, None, [], {})
@example([("a", "a", "a")], "POST", "https://x.test/", b"{}", None, "\udce9", [], {})
@example([("a", "a", "a")], "POST", "http://x.test/", b"{}", None, "t", [("Host", "h"), ("host", "i  j")], {})
def test_a_signature_is_botocore_s(
    made_of: list[tuple[str, str, str]],
    method: str,
    url: str,
    body: Any,
    parameters: Any,
    token: str | None,
    headers: list[tuple[str, str]],
    context: dict[str, Any],
) -> None:
    """Whatever secret, day and region come after each other, and whatever is signed."""
    for secret, day, region in made_of:
        found = []
        for kind in (SigV4Auth, signing.FastSigner):
            request = AWSRequest(method, url, data=body, params=parameters)
            for name, value in headers:
                request.headers.add_header(name, value)
            request.context.update(context, timestamp=f"2026010{ord(day) - 96}T000000Z")
            found.append(signed(kind(Credentials("key", secret, token), "dynamodb", region), request))
        assert found[0] == found[1]


def test_a_body_that_is_read_is_left_where_it_was() -> None:
    """And is signed as by botocore."""
    found = []
    for kind in (SigV4Auth, signing.FastSigner):
        request = AWSRequest("POST", "https://x.test/", data=(body := BytesIO(b"body")))
        request.context["timestamp"] = "20260101T000000Z"
        found.append((*signed(kind(Credentials("a", "b"), "dynamodb", "r"), request)[:2], body.read()))
    assert found[0] == found[1]
    assert found[0][-1] == b"body"


def test_a_signer_signs_again_with_what_has_changed() -> None:
    """The headers of the first time are not those of the second."""
    requests = []
    for kind in (SigV4Auth, signing.FastSigner):
        request = AWSRequest("POST", "https://x.test/", data=b"{}")
        request.context["timestamp"] = "20260101T000000Z"
        signer = kind(Credentials("key", "secret"), "dynamodb", "eu-central-1")
        for value in ("1", "2"):
            request.headers["X-Mine"] = value
            requests.append(signed(signer, request))
    assert requests[:2] == requests[2:]


@pytest.mark.parametrize("kind", [SigV4Auth, S3SigV4Auth])
def test_only_the_usual_signer_is_replaced(kind: type[SigV4Auth]) -> None:
    """Another of botocore's stays as it is."""
    chosen = kind(Credentials("a", "b"), "dynamodb", "r")
    client = SimpleNamespace(_request_signer=SimpleNamespace(get_auth_instance=lambda *_: chosen))
    signing.install(client)
    signer = client._request_signer.get_auth_instance("dynamodb", "r")
    assert type(signer) is (signing.FastSigner if kind is SigV4Auth else S3SigV4Auth)
    assert vars(signer) == vars(chosen)


@pytest.mark.falls_back
def test_what_fails_is_signed_by_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was, and however far it had come."""
    monkeypatch.setattr(signing.FastSigner, "signature", lambda *_: 1 / 0)

    def headers(kind: type[SigV4Auth]) -> list[tuple[str, str]]:
        request = AWSRequest("POST", "https://x.test/", data=b"{}", headers={"X-Mine": "1"})
        kind(Credentials("key", "secret", "token"), "dynamodb", "eu-central-1").add_auth(request)
        return list(request.headers.items())

    both = [(headers(SigV4Auth), headers(signing.FastSigner)) for _ in range(3)]  # a second may end in one of them
    assert any(theirs == ours for theirs, ours in both)
    assert {name for name, _ in both[0][1]} == {"X-Mine", "X-Amz-Date", "X-Amz-Security-Token", "Authorization"}
