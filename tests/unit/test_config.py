"""DynamoDBConfig: the sources of its values, its checks, and the secrets that it never shows."""

import dataclasses
import logging
import pickle
from typing import Any

import pytest

from pipemodels import DynamoDBConfig, ValidationError
from pipemodels.connections import connection_of

EVERY_VARIABLE = {
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "s3cr3t",
    "AWS_SESSION_TOKEN": "t0k3n",
    "AWS_PROFILE": "data",
    "AWS_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000",
    "PIPEMODELS_TABLE_PREFIX": "dev_",
    "PIPEMODELS_ENVIRONMENT": "dev",
    "PIPEMODELS_TIMEZONE": "Europe/Berlin",
    "PIPEMODELS_INDEX_SHARDS": "8",
    "PIPEMODELS_CLOCK_SKEW_SECONDS": "2.5",
    "PIPEMODELS_WIRE": "off",
}
DEFAULTS = {
    "aws_access_key_id": None,
    "aws_secret_access_key": None,
    "aws_session_token": None,
    "profile_name": None,
    "region_name": None,
    "endpoint_url": None,
    "table_prefix": "",
    "environment": None,
    "user_timezone": "UTC",
    "max_pool_connections": 10,
    "connect_timeout_seconds": 5.0,
    "read_timeout_seconds": 10.0,
    "max_attempts": 4,
    "time_limit_seconds": 30.0,
    "clock_skew_seconds": 5.0,
    "wire": True,
    "index_shards": 4,
}
SECRETS = ("AKIA-key-id", "very-secret-key", "very-secret-token")


def problems_of(**settings: Any) -> list[tuple[str, str]]:
    """Return field and reason of each problem of a configuration."""
    with pytest.raises(ValidationError) as caught:
        DynamoDBConfig(**settings)
    return [(problem.field, problem.reason) for problem in caught.value.problems]


def test_the_defaults() -> None:
    """By default botocore determines credentials, region and endpoint."""
    assert dataclasses.asdict(DynamoDBConfig()) == DEFAULTS


def test_from_env_reads_every_variable() -> None:
    """Each environment variable sets its field."""
    assert dataclasses.asdict(DynamoDBConfig.from_env(EVERY_VARIABLE)) == DEFAULTS | {
        "aws_access_key_id": "AKIA",
        "aws_secret_access_key": "s3cr3t",
        "aws_session_token": "t0k3n",
        "profile_name": "data",
        "region_name": "eu-central-1",
        "endpoint_url": "http://127.0.0.1:8000",
        "table_prefix": "dev_",
        "environment": "dev",
        "user_timezone": "Europe/Berlin",
        "index_shards": 8,
        "clock_skew_seconds": 2.5,
        "wire": False,
    }


def test_from_env_reads_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping the variables of the process are read."""
    for name, value in EVERY_VARIABLE.items():
        monkeypatch.setenv(name, value)
    assert DynamoDBConfig.from_env() == DynamoDBConfig.from_env(EVERY_VARIABLE)


def test_empty_variables_are_as_unset() -> None:
    """An empty variable counts as unset."""
    assert DynamoDBConfig.from_env(dict.fromkeys(EVERY_VARIABLE, "")) == DynamoDBConfig()


@pytest.mark.parametrize(
    ("variables", "store", "endpoint"),
    [
        ({"AWS_ENDPOINT_URL": "http://all:1"}, None, "http://all:1"),
        ({"AWS_ENDPOINT_URL": "http://all:1", "AWS_ENDPOINT_URL_DYNAMODB": "http://db:2"}, None, "http://db:2"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "http://db:2", "PIPEMODELS_STORE": "http://st:3"}, None, "http://st:3"),
        ({"PIPEMODELS_STORE": "http://st:3"}, "http://arg:4", "http://arg:4"),
        ({"PIPEMODELS_STORE": "aws"}, "http://arg:4", "http://arg:4"),
        ({"PIPEMODELS_STORE": "aws"}, None, None),
        (
            {"AWS_ENDPOINT_URL": "http://all:1", "PIPEMODELS_STORE": "aws", "AWS_REGION": "eu-west-1"},
            None,
            "https://dynamodb.eu-west-1.amazonaws.com",
        ),
        ({"AWS_ENDPOINT_URL": "http://all:1"}, "aws", "https://dynamodb.us-east-1.amazonaws.com"),
        ({"AWS_ENDPOINT_URL": "http://all:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None, None),
        (
            {"PIPEMODELS_STORE": "http://st:3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            None,
            "http://st:3",
        ),
    ],
)
def test_which_endpoint_wins(variables: dict[str, str], store: str | None, endpoint: str | None) -> None:
    """The argument overrides PIPEMODELS_STORE, that the variable for DynamoDB, that the one for all services."""
    assert DynamoDBConfig.from_env(variables, store=store).endpoint_url == endpoint


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-2"}, "eu-west-2"),
    ],
)
def test_which_region_wins(variables: dict[str, str], region: str) -> None:
    """AWS_REGION overrides AWS_DEFAULT_REGION."""
    assert DynamoDBConfig.from_env(variables).region_name == region


@pytest.mark.parametrize("store", ["local", "local:/srv/store"])
def test_a_local_store_must_be_opened_first(store: str) -> None:
    """The store `local` is rejected, because it has no fixed endpoint; the error says how to open it."""
    with pytest.raises(ValidationError, match=r"must first be opened with pipemodels.local.embedded_store"):
        DynamoDBConfig.from_env({}, store=store)


@pytest.mark.parametrize("text", ["", "x", "4.0", "-1", "٤", "1e1", " 4", "0", "1001", "9" * 30])
def test_from_env_refuses_what_is_no_number_of_shards(text: str) -> None:
    """The number of shards must be ASCII digits, from 1 to 1,000; an empty variable means the default."""
    if not text:
        assert DynamoDBConfig.from_env({"PIPEMODELS_INDEX_SHARDS": text}).index_shards == 4
        return
    with pytest.raises(ValidationError) as caught:
        DynamoDBConfig.from_env({"PIPEMODELS_INDEX_SHARDS": text})
    assert [problem.field for problem in caught.value.problems] == ["index_shards"]


def test_from_env_reports_all_problems_together() -> None:
    """Three invalid variables give one error with three problems."""
    with pytest.raises(ValidationError) as caught:
        DynamoDBConfig.from_env(
            {"PIPEMODELS_INDEX_SHARDS": "four", "PIPEMODELS_TIMEZONE": "Mars/Base", "PIPEMODELS_TABLE_PREFIX": "a b"}
        )
    assert [problem.field for problem in caught.value.problems] == ["table_prefix", "user_timezone", "index_shards"]


BAD = [
    *[("table_prefix", value) for value in ("a b", "ä", "a/b", "x" * 201, 5, None)],
    *[("environment", value) for value in ("", " dev", "de\nv", "x" * 256, 5)],
    *[("user_timezone", value) for value in ("Mars/Base", "", "../etc/passwd", "America", "UTC\0", 5, None)],
    *[("region_name", value) for value in ("", "EU", "eu west", "x" * 64, "-eu", "eu-", "12", 5)],
    *[
        ("endpoint_url", value)
        for value in (
            "", "localhost", "127.0.0.1:8000", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://x:y",
            "http://a b", "http://[::1", "http://under_score:1", "http://-x", "http://x\n", 5,
        )
    ],
    *[("max_pool_connections", value) for value in (0, 1_001, 1.5, True, "10", None)],
    *[("max_attempts", value) for value in (0, 21, 1.5, True, "4", None)],
    *[("index_shards", value) for value in (0, -1, 1_001, 1.5, True, "4", None)],
    *[
        (name, value)
        for name in ("connect_timeout_seconds", "read_timeout_seconds")
        for value in (0, -1, 301, float("nan"), float("inf"), True, "5", None)
    ],
    *[("profile_name", value) for value in ("", 5)],
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_each_field_refuses_bad_values(name: str, value: object) -> None:
    """The constructor rejects an invalid value and names only its field."""
    assert [field for field, _ in problems_of(**{name: value})] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("table_prefix", "a.b-c_9"),
        ("table_prefix", "x" * 200),
        ("environment", "Prüfung 1"),
        ("user_timezone", "America/Argentina/Buenos_Aires"),
        ("region_name", "us-gov-west-1"),
        ("endpoint_url", "https://[::1]:8000/path"),
        ("endpoint_url", "HTTP://LOCALHOST:65535"),
        ("max_pool_connections", 1_000),
        ("connect_timeout_seconds", 1),
        ("read_timeout_seconds", 0.001),
        ("max_attempts", 20),
        ("index_shards", 1_000),
    ],
)
def test_the_ends_of_what_is_accepted(name: str, value: object) -> None:
    """Values at the limits of their ranges are accepted unchanged."""
    assert getattr(DynamoDBConfig(**{name: value}), name) == value  # type: ignore[arg-type]  # a table of any field


def test_all_problems_are_reported_together() -> None:
    """The error names every invalid field, in the order of the fields."""
    fields = problems_of(
        aws_access_key_id="key", endpoint_url="nowhere", table_prefix=" ", user_timezone="x", index_shards=0
    )
    assert [name for name, _ in fields] == [
        "endpoint_url", "table_prefix", "user_timezone", "index_shards", "aws_secret_access_key",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"aws_access_key_id": "key"}, "aws_secret_access_key"),
        ({"aws_secret_access_key": "secret"}, "aws_access_key_id"),
    ],
)
def test_a_key_and_its_secret_go_together(settings: dict[str, str], missing: str) -> None:
    """A key without its secret, or the reverse, is rejected; the error names the missing one."""
    assert problems_of(**settings) == [(missing, "must be given too: a key and its secret go together")]


def test_an_empty_key_is_no_key() -> None:
    """Empty credentials are rejected: botocore would silently use those of the machine."""
    assert problems_of(aws_access_key_id="", aws_secret_access_key="") == [
        ("aws_access_key_id", "must not be empty"),
        ("aws_secret_access_key", "must not be empty"),
    ]


def test_secrets_show_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Key, secret and token never appear in a repr, a log line or an error."""
    caplog.set_level(logging.DEBUG)
    config = DynamoDBConfig(
        aws_access_key_id=SECRETS[0],
        aws_secret_access_key=SECRETS[1],
        aws_session_token=SECRETS[2],
        region_name="us-east-1",
    )
    connection = connection_of(config)
    assert connection.client.meta.region_name == "us-east-1"
    shown = [repr(config), str(config), f"{config}", repr(connection), caplog.text]
    for settings in (
        {"table_prefix": " ", "aws_access_key_id": SECRETS[0], "aws_secret_access_key": SECRETS[1]},
        {"aws_secret_access_key": [SECRETS[1]], "aws_access_key_id": "x"},
        {"aws_session_token": SECRETS[2].encode()},
        {"aws_secret_access_key": SECRETS[1]},
    ):
        with pytest.raises(ValidationError) as caught:
            DynamoDBConfig(**settings)
        shown += [str(caught.value), repr(caught.value), repr(caught.value.problems)]
    assert not [(secret, text) for secret in SECRETS for text in shown if secret in text]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:very-secret-key@127.0.0.1:1",
        "http://:very-secret-key@x",
        "http://u:very-secret-key@[::1",
        "//u:very-secret-key@x",
    ],
)
def test_credentials_in_the_endpoint_are_refused_and_not_shown(url: str) -> None:
    """An endpoint that contains a password is rejected without showing the password."""
    with pytest.raises(ValidationError) as caught:
        DynamoDBConfig(endpoint_url=url)
    assert [problem.field for problem in caught.value.problems] == ["endpoint_url"]
    assert "very-secret-key" not in str(caught.value) + repr(caught.value.problems)


def test_a_preset_for_local_development() -> None:
    """The defaults are LocalStack's port and test credentials; each can be changed."""
    assert dataclasses.asdict(DynamoDBConfig.for_local_development()) == DEFAULTS | {
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "region_name": "us-east-1",
        "endpoint_url": "http://127.0.0.1:4566",
        "environment": "dev",
    }
    changed = DynamoDBConfig.for_local_development("http://db:1", environment=None, table_prefix="t_")
    assert (changed.endpoint_url, changed.environment, changed.table_prefix) == ("http://db:1", None, "t_")


def test_a_configuration_is_frozen_hashable_and_picklable() -> None:
    """A configuration is hashable, picklable and immutable."""
    config = DynamoDBConfig(table_prefix="dev_")
    assert pickle.loads(pickle.dumps(config)) == config
    assert hash(config) == hash(DynamoDBConfig(table_prefix="dev_"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.table_prefix = "prod_"  # type: ignore[misc]  # the test is about this assignment


def test_a_table_name_is_the_prefix_and_the_base_name() -> None:
    """A table's name is the prefix followed by the base name."""
    assert DynamoDBConfig(table_prefix="dev_", environment="prod").table_name("orders") == "dev_orders"
