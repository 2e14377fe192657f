"""What is read of the environment and the AWS files: endpoint, region, profile; and what is not read at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from pipemodels import DynamoDBConfig, ValidationError
from pipemodels.connections import connection_of
from pipemodels.endpoints import Endpoint, configured_endpoint, is_loopback, store_in
from pipemodels.errors import PipemodelsError

ENDPOINT = "http://127.0.0.1:4566"
FILE = """
[default]
region = eu-north-1
endpoint_url = http://default:1
[profile sections]
services = mine
endpoint_url = http://all:2
[profile ignoring]
endpoint_url = http://ignored:3
ignore_configured_endpoint_urls = True
[profile broken]
services = nowhere
[services mine]
dynamodb =
    endpoint_url = http://db:4
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the variables that lead to AWS files of the test's own; the process has no others."""
    for name in Session.SESSION_VARIABLES.values():
        for variable in [name[1]] if isinstance(name[1], str) else name[1] or []:
            monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pipemodels.connections._connections", {})  # each test makes its own
    (tmp_path / "config").write_text(FILE)
    found = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }
    for variable, value in found.items():
        monkeypatch.setenv(variable, value)
    return found


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "127.255.255.254", "2130706433", "0x7f.1", "LOCALHOST", "localhost.", "a.localhost",
        "localhost.localstack.cloud", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    ],
)  # fmt: skip
def test_what_leads_to_this_machine_alone_is_loopback(host: str) -> None:
    """However the address is written."""
    assert is_loopback(f"http://{host}:8000")
    assert is_loopback(f"https://{host}")


@pytest.mark.parametrize(
    "url",
    [
        None, "", "127.0.0.1", "http://127.evil.example", "http://localhost.evil.example", "http://1.127.0.0",
        "http://0.0.0.0:1", "http://[::2]", "http://[::1", "http://10.0.0.1", "http://a@evil.example/127.0.0.1",
        "http://mylocalhost",
    ],
)  # fmt: skip
def test_what_may_lead_elsewhere_is_not_loopback(url: str | None) -> None:
    """A name that only looks like the loopback address is anybody's."""
    assert not is_loopback(url)


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, Endpoint("http://default:1", "AWS configuration file")),
        ({"AWS_ENDPOINT_URL": "http://all"}, Endpoint("http://all", "AWS_ENDPOINT_URL")),
        (
            {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_DYNAMODB": "http://db"},
            Endpoint("http://db", "AWS_ENDPOINT_URL_DYNAMODB"),
        ),
        ({"AWS_PROFILE": "sections"}, Endpoint("http://db:4", "AWS configuration file")),
        ({"AWS_DEFAULT_PROFILE": "sections"}, Endpoint("http://db:4", "AWS configuration file")),
        (
            {"AWS_DEFAULT_PROFILE": "sections", "AWS_PROFILE": "gone"},
            Endpoint("http://db:4", "AWS configuration file"),
        ),
        ({"AWS_PROFILE": "ignoring"}, None),
        ({"AWS_PROFILE": "ignoring", "AWS_ENDPOINT_URL": "http://all"}, None),
        (
            {"AWS_PROFILE": "ignoring", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
            Endpoint("http://ignored:3", "AWS configuration file"),
        ),
        ({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE", "AWS_ENDPOINT_URL": "http://all"}, None),
        (
            {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "1", "AWS_ENDPOINT_URL": "http://all"},
            Endpoint("http://all", "AWS_ENDPOINT_URL"),
        ),
        ({"AWS_PROFILE": "gone"}, None),
        ({"AWS_PROFILE": "gone", "AWS_ENDPOINT_URL": "http://all"}, Endpoint("http://all", "AWS_ENDPOINT_URL")),
        ({"AWS_PROFILE": "broken"}, None),
        ({"AWS_CONFIG_FILE": "/dev/null"}, None),
    ],
)
def test_the_configured_endpoint_is_botocores(
    files: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    endpoint: Endpoint | None,
) -> None:
    """The same variables and files lead to the same endpoint; where botocore cannot make a client there is none."""
    assert configured_endpoint({**files, **variables}) == endpoint
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if "gone" in variables.values() or "broken" in variables.values():
        return
    client = Session().create_client("dynamodb", "eu-west-1", aws_access_key_id="k", aws_secret_access_key="s")
    assert client.meta.endpoint_url == (endpoint.url if endpoint else "https://dynamodb.eu-west-1.amazonaws.com")


@pytest.mark.parametrize("content", [b"[default\nregion", b"\xff\xfe\x00[", b""])
def test_a_file_that_cannot_be_read_says_nothing_of_the_endpoint(
    files: dict[str, str], tmp_path: Path, content: bytes
) -> None:
    """It is told of when a connection is made that needs it."""
    (tmp_path / "config").write_bytes(content)
    assert configured_endpoint(files) is None
    assert DynamoDBConfig.from_env({**files, "AWS_REGION": "eu-west-1"}).endpoint_url is None


def test_a_store_that_is_named_wins_over_what_is_configured(files: dict[str, str]) -> None:
    """The argument, the variable, the configured endpoint, in this order; each is named as where it came from."""
    assert store_in({**files, "PIPEMODELS_STORE": "aws"}, "local") == Endpoint("local", "--store")
    assert store_in({**files, "PIPEMODELS_STORE": "aws"}) == Endpoint("aws", "PIPEMODELS_STORE")
    assert store_in(files) == Endpoint("http://default:1", "AWS configuration file")
    assert store_in({**files, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}) is None


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, "https://dynamodb.eu-north-1.amazonaws.com"),
        ({"AWS_REGION": "eu-west-1"}, "https://dynamodb.eu-west-1.amazonaws.com"),
        (
            {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_REGION": "us-east-2"},
            "https://dynamodb-fips.us-east-2.amazonaws.com",
        ),
        ({"AWS_PROFILE": "ignoring"}, None),
    ],
)
def test_the_store_aws_is_in_the_profiles_region(
    files: dict[str, str], variables: dict[str, str], endpoint: str | None
) -> None:
    """Where the profile names another endpoint; where it does not, all is left to botocore."""
    assert DynamoDBConfig.from_env({**files, **variables}, store="aws").endpoint_url == endpoint


# -- what needs no AWS ----------------------------------------------------------------------------------------

HINDRANCES: list[dict[str, str]] = [
    {"AWS_PROFILE": "gone"},
    {"AWS_DEFAULT_PROFILE": "gone"},
    {"AWS_PROFILE": ""},
    {"AWS_DEFAULT_PROFILE": ""},
    {"AWS_CONFIG_FILE": "/dev/null/x"},
    {"AWS_CA_BUNDLE": ""},
    {"AWS_CA_BUNDLE": " "},
    {"AWS_CA_BUNDLE": "/none.pem"},
    {"AWS_MAX_ATTEMPTS": "many"},
    {"AWS_RETRY_MODE": "garbage"},
    {"AWS_DEFAULTS_MODE": "garbage"},
    {"AWS_STS_REGIONAL_ENDPOINTS": "garbage"},
    {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "garbage"},
    {"AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "garbage"},
    {"AWS_REQUEST_CHECKSUM_CALCULATION": "garbage"},
    {"AWS_ENDPOINT_DISCOVERY_ENABLED": "garbage"},
    {"AWS_CSM_ENABLED": "true", "AWS_CSM_PORT": "garbage"},
    {"AWS_USE_FIPS_ENDPOINT": "true"},
    {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
    {"AWS_ENDPOINT_URL": "garbage"},
    {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9"},
    {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    {"AWS_DATA_PATH": "/none"},
    {"AWS_REGION": ""},
    {"AWS_DEFAULT_REGION": "a b"},
]


def made(config: DynamoDBConfig) -> tuple[Any, ...]:
    """Return what a client of this configuration, made anew, speaks to and how."""
    client = connection_of(config).client
    assert client._request_signer._credentials.access_key == config.aws_access_key_id
    retries = client.meta.config.retries
    return client.meta.endpoint_url, client.meta.region_name, retries["mode"], retries["total_max_attempts"]


@pytest.mark.parametrize("hindrance", HINDRANCES, ids=lambda one: " ".join(f"{n}={v!r}" for n, v in one.items()))
def test_what_needs_no_aws_reads_nothing_of_it(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, hindrance: dict[str, str]
) -> None:
    """With keys of its own on this machine, neither variables nor files of AWS matter."""
    for name, value in hindrance.items():
        monkeypatch.setenv(name, value)
    assert made(DynamoDBConfig.for_local_development()) == (ENDPOINT, "us-east-1", "standard", 4)


def test_a_stand_in_elsewhere_needs_no_aws_either(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is too short for AWS's says that it is one."""
    monkeypatch.setenv("AWS_PROFILE", "gone")
    elsewhere = "http://localstack:4566"
    assert made(DynamoDBConfig.for_local_development(elsewhere)) == (elsewhere, "us-east-1", "standard", 4)


@pytest.mark.parametrize(
    "section", ["services = nowhere", "endpoint_url = http://127.0.0.1:9", "retry_mode = x", "[["]
)
def test_no_settings_of_a_profile_matter_there(files: dict[str, str], tmp_path: Path, section: str) -> None:
    """Nor a file that is broken."""
    (tmp_path / "config").write_text(f"[default]\n{section}\nmax_attempts = x\nca_bundle = /none\n")
    assert made(DynamoDBConfig.for_local_development()) == (ENDPOINT, "us-east-1", "standard", 4)


def test_the_environments_region_stands_in_for_one_that_is_not_given(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the profile is not there: it is not needed."""
    monkeypatch.setenv("AWS_PROFILE", "gone")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    config = DynamoDBConfig(aws_access_key_id="k", aws_secret_access_key="s", endpoint_url=ENDPOINT)
    assert made(config) == (ENDPOINT, "eu-west-1", "standard", 4)


def test_tls_to_a_stand_in_is_checked_as_the_environment_says(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA bundle is the user's own one there."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/mine.pem")
    config = DynamoDBConfig.for_local_development("https://localhost:4566")
    assert connection_of(config).client._endpoint.http_session._verify == "/mine.pem"


# -- what needs AWS -------------------------------------------------------------------------------------------

KEYS: dict[str, Any] = {
    "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key": "x",
    "region_name": "eu-west-1",
}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"AWS_PROFILE": "gone"}, "profile_name: 'gone' is not in the AWS configuration files"),
        ({"AWS_DEFAULT_PROFILE": "gone"}, "profile_name: 'gone' is not in the AWS configuration files"),
        ({"AWS_PROFILE": "broken"}, 'the "nowhere" services configuration does not exist'),
        ({"AWS_ENDPOINT_URL": "garbage"}, "AWS_ENDPOINT_URL: 'garbage' is not an endpoint URL"),
        ({"AWS_ENDPOINT_URL_DYNAMODB": "x"}, "AWS_ENDPOINT_URL_DYNAMODB: 'x' is not an endpoint URL"),
        ({"AWS_ENDPOINT_URL": "http://u:pass@x"}, r"AWS_ENDPOINT_URL: '\*\*\*@x' must not contain credentials"),
        ({"AWS_CSM_ENABLED": "true", "AWS_CSM_PORT": "x"}, "AWS_CSM_PORT: 'x' is not a valid number"),
        ({"AWS_DEFAULTS_MODE": "garbage"}, "invalid defaults mode: garbage"),
        ({"AWS_CA_BUNDLE": " "}, "Invalid CA bundle: .*AWS_CA_BUNDLE"),
    ],
)
def test_a_wrong_setting_of_aws_is_told_by_name(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    """When the connection is made, for one to AWS itself."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PipemodelsError, match=says):
        connection_of(DynamoDBConfig(**KEYS))


def test_keys_of_aws_at_an_endpoint_of_aws_are_of_the_profile(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is given in code does not make it a stand-in."""
    monkeypatch.setenv("AWS_PROFILE", "gone")
    with pytest.raises(ValidationError, match="profile_name: 'gone' is not in the AWS configuration files"):
        connection_of(DynamoDBConfig(**KEYS, endpoint_url="https://dynamodb.eu-west-1.amazonaws.com"))


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CA_BUNDLE", "AWS_MAX_ATTEMPTS"])
def test_an_empty_variable_is_as_unset_for_aws_too(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A variable that is set to nothing says nothing."""
    monkeypatch.setenv(name, "")
    client = connection_of(DynamoDBConfig(**KEYS)).client
    assert client.meta.endpoint_url == "http://default:1"


def test_an_empty_region_is_none(files: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is asked for by name."""
    (tmp_path / "config").write_text("")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "")
    with pytest.raises(ValidationError, match="region_name: None is required"):
        connection_of(DynamoDBConfig(aws_access_key_id="k", aws_secret_access_key="s"))


def test_the_settings_of_aws_still_reach_a_client_of_aws(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CA bundle and the kind of endpoint are the user's."""
    monkeypatch.setenv("AWS_CA_BUNDLE", "/mine.pem")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    client = connection_of(DynamoDBConfig(**KEYS)).client
    assert client.meta.endpoint_url == "https://dynamodb-fips.eu-west-1.amazonaws.com"
    assert client._endpoint.http_session._verify == "/mine.pem"
