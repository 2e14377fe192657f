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
from botocore.exceptions import NoCredentialsError

from pipemodels.transport.fallbacks import Fallback

_NOT_SIGNED = frozenset(SIGNED_HEADERS_BLACKLIST)
_BY_SIGNERS = {"authorization", "date", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"}
_ROOT = re.compile(r"https?://[A-Za-z0-9.:-]+/")
_host = lru_cache(maxsize=32)(_host_from_url)
_signing: tuple[Any, hmac.HMAC] | None = None  # the last key, set up to sign, and what it was made of


class WireSigner(SigV4Auth):  # type: ignore[misc]  # botocore carries no types
    """botocore's Signature Version 4. One signs one request."""

    _headers: dict[str, str] | None = None  # of a plain request those that are signed, by lower-case name, in order

    def add_auth(self, request: Any) -> None:
        """Sign a request; where that fails, whatever it was, botocore signs it, or says what is wrong."""
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
        """Return what is signed."""
        if self._headers is None:
            return str(super().canonical_request(request))
        lines = [f"{name}:{' '.join(value.split())}" for name, value in self._headers.items()]
        body = sha256(request.data).hexdigest()  # botocore prepares the whole request to see it
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


def _plain(request: Any) -> dict[str, str] | None:
    """Return the headers that are signed of a request of the usual form, which has not been signed; else None."""
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
    """Have a client sign by `WireSigner` where botocore chooses its usual signer."""
    chooser = client._request_signer
    choose = chooser.get_auth_instance

    def get_auth_instance(*args: Any, **settings: Any) -> Any:
        signer = choose(*args, **settings)
        if type(signer) is not SigV4Auth:
            return signer
        return WireSigner(signer.credentials, signer._service_name, signer._region_name)

    chooser.get_auth_instance = get_auth_instance
