"""Calls: what botocore works out anew for each request, though it is the same as for the one before.

What is kept is kept under all that it is made of, so that it changes when that does: the User-Agent; the key that
signs, by secret, day, region and service; the pool of connections to a URL. The tables of a transaction, for which
botocore searches by a general query language, are looked up. Events, retries and the signature itself are botocore's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.auth import SIGNED_HEADERS_BLACKLIST, SigV4Auth, _host_from_url
from botocore.context import get_context
from botocore.regions import EndpointRulesetResolver
from botocore.signers import RequestSigner
from botocore.useragent import UserAgentString
from urllib3 import PoolManager


class WireUserAgent(UserAgentString):  # type: ignore[misc]  # botocore carries no types
    """botocore's User-Agent, built once for each set of features that a request has used."""

    def to_string(self) -> str:
        """Return the header's value."""
        context, config = get_context(), self._client_config
        made_of = (
            frozenset(context.features if context else ()),
            frozenset(self._client_features or ()),
            (config.user_agent, config.user_agent_extra, config.user_agent_appid, str(config.retries)),
            getattr(config, "_supplied_user_agent", None),
            config.endpoint_discovery_enabled,
            (self._session_user_agent_name, self._session_user_agent_version, self._session_user_agent_extra),
        )
        kept = self.__dict__.get("_wire_kept")
        if kept is None or kept[0] != made_of:
            # one value for two parts, so that a thread sees both or neither
            kept = self._wire_kept = made_of, super().to_string()
        return str(kept[1])


class WireSigner(SigV4Auth):  # type: ignore[misc]  # botocore carries no types
    """botocore's Signature Version 4, with the key of the day kept. One signs one request."""

    _headers: Any = None

    def headers_to_sign(self, request: Any) -> Any:
        """Return the headers that are signed; asked twice for each signature, between which nothing changes."""
        if self._headers is None:
            self._headers = _picked(request) or super().headers_to_sign(request)
        return self._headers

    def add_auth(self, request: Any) -> None:
        """Sign."""
        self._headers = None
        super().add_auth(request)

    def canonical_request(self, request: Any) -> str:
        """Return what is signed."""
        self._headers = None
        return str(super().canonical_request(request))

    def signature(self, string_to_sign: str, request: Any) -> str:
        """Return the signature; the key is made of the secret in four steps, all of one day and region."""
        global _signing_key
        made_of = self.credentials.secret_key, request.context["timestamp"][:8], self._region_name, self._service_name
        kept = _signing_key
        if kept is None or kept[0] != made_of:
            key = f"AWS4{made_of[0]}".encode()
            for part in (*made_of[1:], "aws4_request"):
                key = self._sign(key, part)
            kept = _signing_key = made_of, key
        return str(self._sign(kept[1], string_to_sign, hex=True))


class _Headers(dict[str, list[str]]):
    """Headers by lower-case name, as far as a signer asks; botocore keeps them in a message of e-mail."""

    get_all = dict.__getitem__


def _picked(request: Any) -> _Headers | None:
    """Return the headers of a request that are signed; None where one of them, or the lack of one, is unusual."""
    picked = _Headers()
    for name, value in request.headers.items():
        if type(value) is not str or not value.isascii():
            return None
        if name.lower() not in SIGNED_HEADERS_BLACKLIST:
            picked.setdefault(name.lower(), []).append(value)
    if "host" not in picked:
        picked["host"] = [_host_from_url(request.url)]
    return picked


_signing_key: tuple[Any, bytes] | None = None  # the last one, and what it was made of


class WireRequestSigner(RequestSigner):  # type: ignore[misc]  # botocore carries no types
    """botocore's choice of a signer, and that of ours where it is the usual one."""

    def get_auth_instance(self, *args: Any, **settings: Any) -> Any:
        """Return what signs a request."""
        signer = super().get_auth_instance(*args, **settings)
        if type(signer) is SigV4Auth:
            signer.__class__ = WireSigner
        return signer

    get_auth = get_auth_instance


_TABLES = (
    "TransactItems[*].[ConditionCheck.TableName, Put.TableName, Delete.TableName, Update.TableName][]",
    ("ConditionCheck", "Put", "Delete", "Update"),
)


class WireResolver(EndpointRulesetResolver):  # type: ignore[misc]  # botocore carries no types
    """botocore's resolver of endpoints, which looks up a transaction's tables without its query language."""

    def _resolve_param_as_operation_context_param(self, param_name: str, operation_model: Any, call_args: Any) -> Any:
        parameters = operation_model.operation_context_parameters
        if param_name in parameters and parameters[param_name].get("path") == _TABLES[0]:
            try:
                parts = [part for item in call_args["TransactItems"] for part in map(item.get, _TABLES[1])]
                found = [part["TableName"] for part in parts if part]
                if None not in found:
                    return found
            except (KeyError, TypeError, AttributeError):
                pass  # it is in no usual form
        return super()._resolve_param_as_operation_context_param(param_name, operation_model, call_args)


class WirePools(PoolManager):
    """urllib3's pools of connections; the one of a URL is found again without taking the URL apart."""

    _wire_kept: Any = None

    def connection_from_url(self, url: str, pool_kwargs: Any = None) -> Any:
        """Return the pool of a URL."""
        kept = self._wire_kept
        if kept is not None and pool_kwargs is None and kept[:2] == (url, self.connection_pool_kw):
            pool = self.pools.get(kept[2])
            if pool is not None:
                return pool
        pool = super().connection_from_url(url, pool_kwargs)
        for key in self.pools.keys():  # noqa: SIM118  # it refuses to be iterated, because threads share it
            if pool_kwargs is None and self.pools.get(key) is pool:
                self._wire_kept = url, dict(self.connection_pool_kw), key
        return pool


_KEPT: tuple[tuple[str, type, type], ...] = (
    ("_user_agent_creator", UserAgentString, WireUserAgent),
    ("_request_signer", RequestSigner, WireRequestSigner),
    ("_ruleset_resolver", EndpointRulesetResolver, WireResolver),
)


def install_kept(client: Any) -> None:
    """Have a client keep what does not change, in those of its parts that are botocore's own."""
    for name, theirs, ours in _KEPT:
        part = getattr(client, name, None)
        if type(part) is theirs and _has_what_is_used(theirs, ours):
            part.__class__ = ours
    manager = getattr(getattr(getattr(client, "_endpoint", None), "http_session", None), "_manager", None)
    if type(manager) is PoolManager:
        manager.__class__ = WirePools
    creator: Callable[[], str] | None = getattr(client, "_user_agent_creator", None)
    if type(creator) is WireUserAgent and not _is_alike(creator):
        creator.__class__ = UserAgentString


def _has_what_is_used(theirs: type, ours: type) -> bool:
    """Say whether botocore's class still has every method that ours overrides."""
    overridden = [name for name, one in vars(ours).items() if callable(one)]
    return all(hasattr(theirs, name) for name in overridden)


def _is_alike(creator: Any) -> bool:
    try:
        return bool(creator.to_string() == UserAgentString.to_string(creator))
    except Exception:  # whatever another botocore has done to its inside
        return False
