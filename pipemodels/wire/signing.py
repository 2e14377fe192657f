"""Signing: botocore's Signature Version 4, with what does not change from one request to the next kept.

What is kept is kept under all that it is made of: the key that signs by secret, day, region and service; the value of
the `host` header by the URL. A request that is plain, as all of DynamoDB's are, is written down in its canonical form
as it stands; another goes botocore's way. When to sign, with which credentials and what comes of it is botocore's.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from hashlib import sha256
from typing import Any

from botocore.auth import SIGNED_HEADERS_BLACKLIST, SigV4Auth, _host_from_url
from botocore.signers import RequestSigner

_NOT_SIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)
_ROOT = re.compile(r"https?://[A-Za-z0-9.:-]+/")
_host = lru_cache(maxsize=32)(_host_from_url)
_signing: tuple[Any, hmac.HMAC] | None = None  # the last key, set up to sign, and what it was made of


class _Headers(dict[str, list[str]]):
    """Headers by lower-case name, in order, as far as a signer asks; botocore keeps them in a message of e-mail."""

    get_all = dict.__getitem__


class WireSigner(SigV4Auth):  # type: ignore[misc]  # botocore carries no types
    """botocore's Signature Version 4. One signs one request."""

    _headers: Any = None

    def canonical_request(self, request: Any) -> str:
        """Return what is signed."""
        self._headers = headers = _picked(request)
        if headers is None or not _is_plain(request) or "x-amz-content-sha256" in headers:
            return str(super().canonical_request(request))
        lines = [f"{name}:{','.join([' '.join(one.split()) for one in values])}" for name, values in headers.items()]
        return "\n".join(("POST", "/", "", *lines, "", ";".join(headers), self.payload(request)))

    def headers_to_sign(self, request: Any) -> Any:
        """Return the headers that are signed; asked again when they are named, and nothing changes in between."""
        return super().headers_to_sign(request) if self._headers is None else self._headers

    def signed_headers(self, headers_to_sign: Any) -> str:
        """Return the names of the headers that are signed."""
        return (
            ";".join(headers_to_sign)
            if type(headers_to_sign) is _Headers
            else super().signed_headers(headers_to_sign)
        )

    def payload(self, request: Any) -> str:
        """Return the hash of the body; botocore prepares the whole request to see it."""
        body = request.data
        if type(body) is not bytes or self._is_streaming_checksum_payload(request):
            return str(super().payload(request))
        return (
            sha256(body).hexdigest() if self._should_sha256_sign_payload(request) else str(super().payload(request))
        )

    def signature(self, string_to_sign: str, request: Any) -> str:
        """Return the signature; the key is made of the secret in four steps, all of one day and region."""
        global _signing
        made_of = self.credentials.secret_key, request.context["timestamp"][:8], self._region_name, self._service_name
        kept = _signing
        if kept is None or kept[0] != made_of:
            key = f"AWS4{made_of[0]}".encode()
            for part in (*made_of[1:], "aws4_request"):
                key = self._sign(key, part)
            kept = _signing = made_of, hmac.new(key, digestmod=sha256)
        signed = kept[1].copy()
        signed.update(string_to_sign.encode())
        return signed.hexdigest()


def _is_plain(request: Any) -> bool:
    return request.method == "POST" and not request.params and _ROOT.fullmatch(request.url) is not None


def _picked(request: Any) -> _Headers | None:
    """Return the headers of a request that are signed; None where one of them, or the lack of one, is unusual."""
    picked: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        if type(value) is not str or not value.isascii():
            return None
        key = name.lower()
        if key not in _NOT_SIGNED:
            picked.setdefault(key, []).append(value)
    if "host" not in picked:
        picked["host"] = [_host(request.url)]
    return _Headers(sorted(picked.items()))


class WireRequestSigner(RequestSigner):  # type: ignore[misc]  # botocore carries no types
    """botocore's choice of a signer, and that of ours where it is the usual one."""

    def get_auth_instance(self, *args: Any, **settings: Any) -> Any:
        """Return what signs a request."""
        signer = super().get_auth_instance(*args, **settings)
        if type(signer) is SigV4Auth:
            signer.__class__ = WireSigner
        return signer

    get_auth = get_auth_instance
