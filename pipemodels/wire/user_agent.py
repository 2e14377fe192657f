"""The User-Agent: botocore's, which it puts together twice for each request, though it is seldom another."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from botocore.context import get_context
from botocore.useragent import UserAgentString


class WireUserAgent(UserAgentString):  # type: ignore[misc]  # botocore carries no types
    """botocore's User-Agent, built once for each set of features that a request has used."""

    def to_string(self) -> str:
        """Return the header's value."""
        context, config = get_context(), self._client_config
        made_of = (
            context and context.features,
            self._client_features,
            (config.user_agent, config.user_agent_extra, config.user_agent_appid, config.retries),
            getattr(config, "_supplied_user_agent", None),
            config.endpoint_discovery_enabled,
            (self._session_user_agent_name, self._session_user_agent_version, self._session_user_agent_extra),
        )
        kept = self.__dict__.get("_wire_kept")
        if kept is None or kept[0] != made_of:
            # one value for two parts, so that a thread sees both or neither
            kept = self._wire_kept = deepcopy(made_of), super().to_string()
        return str(kept[1])


def install(client: Any) -> None:
    """Have a client keep its User-Agent, if its botocore makes of the same parts the same one."""
    creator = getattr(client, "_user_agent_creator", None)
    if type(creator) is UserAgentString:
        creator.__class__ = WireUserAgent
        if not _is_alike(creator):
            creator.__class__ = UserAgentString


def _is_alike(creator: Any) -> bool:
    try:
        return bool(creator.to_string() == UserAgentString.to_string(creator))
    except Exception:  # whatever another botocore has done to its inside
        return False
