"""The User-Agent: botocore's, which it puts together twice for each request, though it is seldom another."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from botocore.context import get_context

from pipemodels.transport.fallbacks import Fallback


def install(client: Any) -> None:
    """Have a client keep its User-Agent for as long as all that it is made of is the same."""
    creator = client._user_agent_creator
    build = creator.to_string
    kept: tuple[Any, str] = None, ""  # one value for two parts, so that a thread sees both or neither

    def to_string() -> str:
        nonlocal kept
        try:
            made_of = _made_of(creator)
        except Exception as error:  # what it is made of has become something else: botocore knows
            fallback = Fallback("building", "the User-Agent", error)
            built = str(build())
            fallback.happened()
            return built
        if kept[0] != made_of:
            kept = deepcopy(made_of), build()
        return kept[1]

    creator.to_string = to_string


def _made_of(creator: Any) -> tuple[Any, ...]:
    """Return all that a User-Agent is made of: what a request has used, and what a client is set to."""
    context, config = get_context(), creator._client_config
    return (
        context and vars(context),
        creator._client_features,
        (config.user_agent, config.user_agent_extra, config.user_agent_appid, config.retries),
        getattr(config, "_supplied_user_agent", None),
        config.endpoint_discovery_enabled,
        (creator._session_user_agent_name, creator._session_user_agent_version, creator._session_user_agent_extra),
    )
