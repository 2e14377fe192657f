"""Signing: botocore's Signature Version 4 with cached keys.

The signing key is cached by secret, day, region and service, the `host` header by URL. The canonical form of a plain
request, as all of DynamoDB's are, is built directly; botocore signs other requests. botocore also chooses when to
sign and with which credentials.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from hashlib import sha256
from typing import Any

from botocore.auth import SIGNED_HEADERS_BLACKLIST, SigV4Auth, _host_from_url
from botocore.exceptions import NoCredentialsError

from pipemodels.transport.fallbacks import Fallback

_NOT_SIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)
_BY_SIGNERS = {"authorization", "date", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}
_ROOT = re.compile(r"https?://[A-Za-z0-9.:-]+/")
_host = lru_cache(maxsize=32)(_host_from_url)
_signing: tuple[Any, hmac.HMAC] | None = None  # the last signing key as an HMAC, with its inputs


class FastSigner(SigV4Auth):  # type: ignore[misc]  # botocore carries no types
    """A signer with the signatures of botocore's; each request gets its own signer."""

    _headers: dict[str, str] | None = None  # the signed headers of a plain request, sorted by lower-case name

    def add_auth(self, request: Any) -> None:
        """Sign a request; after any error, botocore signs it or raises its own error."""
        try:
            super().add_auth(request)
        except NoCredentialsError:
            raise
        except Exception as error:
            fallback = Fallback("signing", "a request", error)
        else:
            return
        SigV4Auth(self.credentials, self._service_name, self._region_name).add_auth(request)
        fallback.happened()

    def _modify_request_before_signing(self, request: Any) -> None:
        headers, token = _plain(request), self.credentials.token or ""
        if headers is None or not token.isascii() or self._is_streaming_checksum_payload(request):
            self._headers = None
            super()._modify_request_before_signing(request)
            return
        added = {"X-Amz-Date": request.context["timestamp"]} | ({"X-Amz-Security-Token": token} if token else {})
        for name, value in added.items():
            request.headers[name] = headers[name.lower()] = value
        self._headers = dict(sorted(headers.items()))

    def canonical_request(self, request: Any) -> str:
        """Return the canonical form of the request, which is signed."""
        if self._headers is None:
            return str(super().canonical_request(request))
        lines = [f"{name}:{' '.join(value.split())}" for name, value in self._headers.items()]
        body = sha256(request.data).hexdigest()  # botocore would prepare the whole request for this
        return "\n".join(("POST", "/", "", *lines, "", ";".join(self._headers), body))

    def _inject_signature_to_request(self, request: Any, signature: str) -> Any:
        if self._headers is None:
            return super()._inject_signature_to_request(request, signature)
        credential, signed = self.scope(request), ";".join(self._headers)
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={signature}"
        )
        return request

    def signature(self, string_to_sign: str, request: Any) -> str:
        """Return the signature; the key is derived from the secret in four steps."""
        global _signing
        inputs = self.credentials.secret_key, request.context["timestamp"][:8], self._region_name, self._service_name
        kept = _signing
        if kept is None or kept[0] != inputs:
            key = f"AWS4{inputs[0]}".encode()
            for text in (*inputs[1:], "aws4_request"):
                key = self._sign(key, text)
            kept = _signing = inputs, hmac.new(key, digestmod=sha256)
        signed = kept[1].copy()
        signed.update(string_to_sign.encode())
        return signed.hexdigest()


def _plain(request: Any) -> dict[str, str] | None:
    """Return the headers to sign of a plain request that is not signed yet, or None for other requests."""
    is_root = request.method == "POST" and not request.params and _ROOT.fullmatch(request.url)
    if not is_root or type(request.data) is not bytes or not request.context.get("payload_signing_enabled", True):
        return None
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        if type(value) is not str or not value.isascii() or key in headers or key in _BY_SIGNERS:
            return None
        if key not in _NOT_SIGNED:
            headers[key] = value
    headers.setdefault("host", _host(request.url))
    return headers


def install(client: Any) -> None:
    """Make a client use `FastSigner` if botocore chooses `SigV4Auth`."""
    chooser = client._request_signer
    choose = chooser.get_auth_instance

    def get_auth_instance(*args: Any, **settings: Any) -> Any:
        signer = choose(*args, **settings)
        if type(signer) is not SigV4Auth:
            return signer
        return FastSigner(signer.credentials, signer._service_name, signer._region_name)

    chooser.get_auth_instance = get_auth_instance
