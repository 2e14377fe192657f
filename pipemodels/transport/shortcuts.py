"""The shortcuts that a client may get, by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

_MODULES = {
    "requests": "pipemodels.transport.requests",
    "replies": "pipemodels.transport.parsing",
    "signing": "pipemodels.transport.per_call.signing",
    "calls": "pipemodels.transport.per_call.transactions",
    "user_agent": "pipemodels.transport.per_call.user_agent",
}


def shortcut(name: str) -> Any:
    """Return the module of a shortcut, whose `install` takes a client.

    Raises:
        ImportError: something that the module needs is missing from botocore or msgspec.
    """
    return import_module(
        _MODULES[name]
    )  # one by one: a module that cannot be imported keeps no other from being used


def is_of_aws(client: Any) -> bool:
    """Say whether a client speaks to AWS's own endpoint, which botocore chooses for each request."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
