"""The wire's User-Agent is botocore's, and follows what it is made of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.useragent import UserAgentString

from pipemodels import DynamoDBConfig
from pipemodels.config import ConfiguredConnection

context = pytest.importorskip("botocore.context", reason="an older botocore has none")
user_agent = pytest.importorskip("pipemodels.wire.user_agent", reason="an older botocore puts it together otherwise")
KEYS: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}


@pytest.fixture(name="client")
def _client() -> Any:
    return ConfiguredConnection(DynamoDBConfig(**KEYS)).client


def test_it_is_kept_unless_the_wire_is_off(client: Any) -> None:
    """The switch decides."""
    assert type(client._user_agent_creator) is user_agent.WireUserAgent
    off = ConfiguredConnection(DynamoDBConfig(**KEYS, wire=False)).client
    assert type(off._user_agent_creator) is UserAgentString


def test_it_is_botocore_s_and_follows_what_it_is_made_of(client: Any) -> None:
    """For any features and settings, also after another was kept."""
    creator = client._user_agent_creator

    def is_alike() -> bool:
        return bool(creator.to_string() == UserAgentString.to_string(creator))

    for change in ({"_client_features": {"RETRY"}}, {"_client_features": {"A"}}, {"_session_user_agent_extra": "x"}):
        vars(creator).update(change)
        assert is_alike()
    creator._client_features.add("B")
    assert is_alike()
    creator._client_config = SimpleNamespace(**vars(creator._client_config))
    for name in ("endpoint_discovery_enabled", "user_agent_extra", "user_agent_appid"):
        setattr(creator._client_config, name, "mine")
        assert is_alike()
    creator._client_config.retries["mode"] = "adaptive"
    assert is_alike()
    for name in ("_session_user_agent_name", "_session_user_agent_version"):
        setattr(creator, name, "mine")
        assert is_alike()
    with context.start_as_current_context():
        context.get_context().features.add("Z")
        assert is_alike()
    assert is_alike()
    creator._client_config._supplied_user_agent = "mine"
    assert is_alike()


class OtherUserAgent(UserAgentString):  # type: ignore[misc]  # botocore carries no types
    """One of somebody's own, made on top of botocore's."""


@pytest.mark.parametrize("made", [lambda self: 1 / 0, lambda self: object()])
def test_one_that_is_put_together_otherwise_is_left_alone(
    made: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so is another kind."""
    monkeypatch.setattr(UserAgentString, "to_string", made)
    client._user_agent_creator.__class__ = UserAgentString
    user_agent.install(client)
    assert type(client._user_agent_creator) is UserAgentString
    for other in (object, OtherUserAgent):
        client._user_agent_creator = object.__new__(other)
        user_agent.install(client)
        assert type(client._user_agent_creator) is other
