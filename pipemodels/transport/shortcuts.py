"""The shortcuts for clients, by name."""

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
    """Return the module of a shortcut; its function `install` takes a client.

    Raises:
        ImportError: botocore or msgspec lacks a name that the module imports.
    """
    return import_module(_MODULES[name])  # imported one by one, so that one failure does not disable the others


def is_of_aws(client: Any) -> bool:
    """Return whether a client uses an endpoint of AWS, which botocore chooses for each request."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
