"""Calls: what botocore works out anew for each request, though it is the same as for the one before.

What is kept is kept under all that it is made of, so that it changes when that does: what an endpoint takes from a
call, by the operation; the pool of connections, by the URL; the service's name, by the service. The tables of a
transaction, for which botocore searches by a general query language, are looked up. Events, retries and credentials
are botocore's.
"""

from __future__ import annotations

from contextlib import suppress
from operator import attrgetter
from typing import Any

from botocore.httpsession import ProxyConfiguration
from botocore.regions import EndpointResolverBuiltins, EndpointRulesetResolver
from botocore.signers import RequestSigner
from urllib3 import PoolManager

from pipemodels.wire.signing import WireRequestSigner
from pipemodels.wire.written import Written

_BUILTINS = frozenset(EndpointResolverBuiltins)
_TABLES = "TransactItems[*].[ConditionCheck.TableName, Put.TableName, Delete.TableName, Update.TableName][]"
_ACTIONS = {"ConditionCheck", "Put", "Delete", "Update"}


class WireResolver(EndpointRulesetResolver):  # type: ignore[misc]  # botocore carries no types
    """botocore's resolver of endpoints; it asks a call only for what its operation takes from it."""

    uses = ("_register_endpoint_feature_ids",)

    def _get_provider_params(self, operation_model: Any, call_args: Any, request_context: Any) -> dict[str, Any]:
        builtins = self._get_customized_builtins(operation_model, call_args, request_context)
        from_call = _names_from_call(self, operation_model)
        found: dict[str, Any] = {}
        for name, definition in self._param_definitions.items():
            value = None
            if name in from_call:
                value = self._resolve_param_from_context(name, operation_model, call_args)
            if value is None and (builtin := definition.builtin) is not None:
                if builtin not in _BUILTINS:
                    self._resolve_param_as_builtin(builtin, builtins)  # raises
                value = builtins.get(builtin)
                value = value() if callable(value) else value
            if value is not None:
                found[name] = value
                self._register_endpoint_feature_ids(name, value)
        return found

    def _resolve_param_as_operation_context_param(self, param_name: str, operation_model: Any, call_args: Any) -> Any:
        parameters = operation_model.operation_context_parameters
        if param_name in parameters and parameters[param_name].get("path") == _TABLES:
            with suppress(LookupError, TypeError, ValueError, AttributeError):  # it is in no usual form
                return _tables_of(call_args["TransactItems"])
        return super()._resolve_param_as_operation_context_param(param_name, operation_model, call_args)


def _tables_of(items: Any) -> list[str]:
    """Return the table of each action of a transaction."""
    found: list[Any] = []
    for item in items:
        ((action, part),) = item.items()
        found.append(part.table if type(part) is Written else part["TableName"])
        if action not in _ACTIONS or found[-1] is None:
            raise LookupError
    return found


def _names_from_call(resolver: Any, operation_model: Any) -> frozenset[str]:
    """Return the names of what the endpoint of an operation may take from a call."""
    kept: dict[str, frozenset[str]] = resolver.__dict__.setdefault("_wire_kept", {})
    if operation_model.name not in kept:
        kept[operation_model.name] = frozenset(
            (
                *resolver._get_static_context_params(operation_model),
                *resolver._get_dynamic_context_params(operation_model),
                *operation_model.operation_context_parameters,
                *resolver._get_client_context_params(),
            )
        )
    return kept[operation_model.name]


class WireProxies(ProxyConfiguration):  # type: ignore[misc]  # botocore carries no types
    """botocore's proxies; where there are none, a URL is not taken apart to find its own."""

    def proxy_url_for(self, url: str) -> Any:
        """Return the proxy of a URL."""
        return super().proxy_url_for(url) if self._proxies else None


class WirePools(PoolManager):
    """urllib3's pools of connections; the one of a URL is found again without taking the URL apart."""

    _wire_kept: tuple[str, dict[str, Any], Any] | None = None

    def connection_from_url(self, url: str, pool_kwargs: Any = None) -> Any:
        """Return the pool of a URL."""
        kept = self._wire_kept
        if kept is None or kept[:2] != (url, self.connection_pool_kw) or pool_kwargs:
            pool = super().connection_from_url(url, pool_kwargs)
            if pool_kwargs:
                return pool
            kept = self._wire_kept = url, dict(self.connection_pool_kw), pool
        return kept[2]

    def clear(self) -> None:
        """Let go of all pools; urllib3 closes the connections of one that nobody holds."""
        self._wire_kept = None
        super().clear()


_PARTS: tuple[tuple[str, type, type], ...] = (
    ("_request_signer", RequestSigner, WireRequestSigner),
    ("_ruleset_resolver", EndpointRulesetResolver, WireResolver),
    ("_endpoint.http_session._manager", PoolManager, WirePools),
    ("_endpoint.http_session._proxy_config", ProxyConfiguration, WireProxies),
)


def install(client: Any) -> None:
    """Have a client keep what does not change, in those of its parts that are botocore's and urllib3's own."""
    for path, theirs, ours in _PARTS:
        try:
            part = attrgetter(path)(client)
        except AttributeError:  # another botocore has it elsewhere
            continue
        if type(part) is theirs and _has_what_is_used(theirs, ours):
            part.__class__ = ours
    service_id = client.meta.service_model.service_id
    with suppress(AttributeError):  # it takes no attributes
        service_id.hyphenize = service_id.hyphenize().__str__  # asked nine times for each request


def _has_what_is_used(theirs: type, ours: type) -> bool:
    """Say whether botocore's class still has every method that ours overrides, and those that it calls besides."""
    overridden = [name for name, one in vars(ours).items() if callable(one)]
    return all(hasattr(theirs, name) for name in (*overridden, *vars(ours).get("uses", ())))
