"""The User-Agent header, cached; botocore builds it twice per request although it seldom changes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from botocore.context import get_context

from pipemodels.transport.fallbacks import Fallback


def install(client: Any) -> None:
    """Make a client keep its User-Agent as long as the inputs stay the same."""
    creator = client._user_agent_creator
    build = creator.to_string
    kept: tuple[Any, str] = None, ""  # one tuple, so that other threads see both values or neither

    def to_string() -> str:
        nonlocal kept
        try:
            inputs = _inputs_of(creator)
        except Exception as error:  # any error: this botocore has other inputs
            fallback = Fallback("building", "the User-Agent", error)
            built = str(build())
            fallback.happened()
            return built
        if kept[0] != inputs:
            kept = deepcopy(inputs), build()
        return kept[1]

    creator.to_string = to_string


def _inputs_of(creator: Any) -> tuple[Any, ...]:
    """Return all inputs of a User-Agent: features used by the request, and settings of the client."""
    context, config = get_context(), creator._client_config
    return (
        context and vars(context),
        creator._client_features,
        (config.user_agent, config.user_agent_extra, config.user_agent_appid, config.retries),
        getattr(config, "_supplied_user_agent", None),
        config.endpoint_discovery_enabled,
        (creator._session_user_agent_name, creator._session_user_agent_version, creator._session_user_agent_extra),
    )
