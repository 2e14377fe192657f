"""The wire's User-Agent is botocore's, and follows what it is made of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.useragent import UserAgentString

from pipemodels import DynamoDBConfig
from pipemodels.connections import ConfiguredConnection

context = pytest.importorskip("botocore.context", reason="an older botocore has none")
user_agent = pytest.importorskip(
    "pipemodels.transport.per_call.user_agent", reason="an older botocore puts it together otherwise"
)
KEYS: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}


@pytest.fixture(name="client")
def _client() -> Any:
    return ConfiguredConnection(DynamoDBConfig(**KEYS)).client


def test_it_is_kept_unless_the_wire_is_off(client: Any) -> None:
    """The switch decides."""
    assert "to_string" in vars(client._user_agent_creator)
    off: Any = ConfiguredConnection(DynamoDBConfig(**KEYS, wire=False)).client
    assert "to_string" not in vars(off._user_agent_creator)


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


@pytest.mark.falls_back
def test_what_is_made_of_something_else_is_botocore_s(client: Any) -> None:
    """Where a part is not there any more."""
    creator = client._user_agent_creator
    creator._client_config = None
    assert creator.to_string() == UserAgentString.to_string(creator)
