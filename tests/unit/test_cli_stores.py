"""Which store a command line opens, and with which settings."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import typer

from pipemodels import DynamoDBConfig
from pipemodels.cli import main
from pipemodels.cli.options import Options
from pipemodels.cli.stores import opened, store_name
from pipemodels.errors import PipemodelsError

ENDPOINT = "http://127.0.0.1:4566"
AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin with an empty environment in an empty directory."""
    for name in (*AWS_VARIABLES, "PIPEMODELS_STORE", "PIPEMODELS_TABLE_PREFIX", "PIPEMODELS_TIMEZONE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("option", "variables", "name"),
    [
        (None, {}, "local"),
        (None, {"PIPEMODELS_STORE": ""}, "local"),
        (None, {"AWS_REGION": "eu-central-1", "AWS_PROFILE": "work"}, "local"),
        (None, {"AWS_ENDPOINT_URL": ENDPOINT}, ENDPOINT),
        (None, {"AWS_ENDPOINT_URL": "http://other", "AWS_ENDPOINT_URL_DYNAMODB": ENDPOINT}, ENDPOINT),
        (None, {"AWS_ENDPOINT_URL": ENDPOINT, "PIPEMODELS_STORE": "aws"}, "aws"),
        ("local:here", {"AWS_ENDPOINT_URL": ENDPOINT, "PIPEMODELS_STORE": "aws"}, "local:here"),
    ],
)
def test_the_store_is_what_is_said_first(
    monkeypatch: pytest.MonkeyPatch, option: str | None, variables: dict[str, str], name: str
) -> None:
    """`--store` overrides PIPEMODELS_STORE, which overrides the AWS endpoint; a profile alone does not select AWS."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert store_name(Options(store=option)) == name


@pytest.mark.parametrize(
    "url",
    [ENDPOINT, "http://localhost:8000", "http://[::1]:1", "https://localhost.localstack.cloud", "http://127.1:8000"],
)
@pytest.mark.parametrize("variables", [{}, {"AWS_PROFILE": "", "AWS_ACCESS_KEY_ID": "", "AWS_REGION": ""}])
def test_a_stand_in_on_this_machine_needs_no_credentials(
    url: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loopback endpoint gets test credentials and a region if the environment has none or empty ones."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with opened(Options(store=url, prefix="p_", tz="Asia/Tokyo")) as store:
        config = store.config
    assert (config.aws_access_key_id, config.aws_secret_access_key, config.region_name) == (
        "test",
        "test",
        "us-east-1",
    )
    assert (config.endpoint_url, config.table_prefix, config.user_timezone) == (url, "p_", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("url", "variables", "expected"),
    [
        (ENDPOINT, {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "secret"}, "mine"),
        (ENDPOINT, {"AWS_PROFILE": "work"}, None),
        ("http://dynamodb.example.com", {}, None),
    ],
)
def test_credentials_that_are_there_are_used(
    monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str], expected: str | None
) -> None:
    """Test credentials never replace the user's, and never leave this machine."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with opened(Options(store=url)) as store:
        assert store.config.aws_access_key_id == expected


def test_waiting_for_an_endpoint_is_bounded() -> None:
    """Two attempts at a nearby endpoint, two seconds each to connect; AWS keeps its retries."""
    with opened(Options(store=ENDPOINT)) as nearby, opened(Options(store="aws")) as aws:
        assert (nearby.config.max_attempts, nearby.config.connect_timeout_seconds) == (2, 2.0)
        assert (aws.config.max_attempts, aws.config.connect_timeout_seconds) == (4, 2.0)


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("lokal", "'lokal' is not a store: use local, local:DIR, aws, or an endpoint URL"),
        ("127.0.0.1:4566", "is not a store"),
        ("http://", "is not an endpoint URL"),
        ("ftp://here", "is not an endpoint URL"),
        ("http://user:secret@here", "must not contain credentials"),
        ("local:", "'local:' does not name a directory"),
    ],
)
@pytest.mark.parametrize("variable", [False, True])
def test_what_is_no_store_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: str, says: str, variable: bool
) -> None:
    """The error names the option or the variable, and no store is opened."""
    if variable:
        monkeypatch.setenv("PIPEMODELS_STORE", store)
    assert main(["runs", "list"] if variable else ["runs", "list", "--store", store]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert says in shown.err
    assert ("PIPEMODELS_STORE" if variable else "--store") in shown.err
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"PIPEMODELS_TIMEZONE": "Mars/Olympus"},
            "PIPEMODELS_TIMEZONE: 'Mars/Olympus' is not an IANA time zone",
        ),
        ({"PIPEMODELS_INDEX_SHARDS": "many"}, "index_shards: 'many' must be a whole number"),
        ({"PIPEMODELS_TABLE_PREFIX": "a b"}, "table_prefix: 'a b' may contain"),
    ],
)
@pytest.mark.parametrize("store", ["local", ENDPOINT])
def test_wrong_variables_are_wrong_usage(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    says: str,
    store: str,
) -> None:
    """The environment is checked before any store is opened."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert main(["runs", "list", "--store", store]) == 2
    assert says in capsys.readouterr().err
    assert not list(Path.cwd().iterdir())


def test_an_endpoint_where_nobody_listens_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused connection is one line with the endpoint, and exit code 1."""
    assert main(["runs", "list", "--store", "http://127.0.0.1:9"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert '"http://127.0.0.1:9/"' in shown.err
    assert shown.err.count("\n") == 1


def test_a_store_elsewhere_needs_a_region(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a region the error names the variable to set."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    assert main(["runs", "list", "--store", "http://dynamodb.example.com"]) == 2
    assert "set AWS_REGION" in capsys.readouterr().err


def test_a_failed_save_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The report is printed after the store is closed: if closing fails, the command fails."""
    from pipemodels.cli import stores

    class Broken:
        def __enter__(self) -> Any:
            return stores.Store("local:x", None, Options())  # type: ignore[arg-type]  # never asked

        def __exit__(self, *_: object) -> None:
            raise PipemodelsError("disk full")

    monkeypatch.setattr(stores, "embedded", lambda name, options: Broken())
    monkeypatch.setattr("pipemodels.cli.tables.table_status", list)
    assert main(["tables", "status", "--json"]) == 1
    assert capsys.readouterr() == ("", "pipemodels: disk full\n")


def test_an_error_of_the_system_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error such as a full disk is one line and exit code 1, not 2."""

    def fail(*_: object) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")

    monkeypatch.setattr("pipemodels.cli.stores.embedded", fail)
    assert main(["tables", "status"]) == 1
    assert capsys.readouterr() == ("", "pipemodels: [Errno 28] No space left on device: '/somewhere'\n")


@pytest.fixture
def aws_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the AWS configuration file in force, which does not exist yet."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path / "config"


@pytest.mark.parametrize(
    ("text", "variables", "name"),
    [
        ("[default]\nendpoint_url = http://127.0.0.1:1\n", {}, "http://127.0.0.1:1"),
        ("[default]\nendpoint_url = http://127.0.0.1:1\nignore_configured_endpoint_urls = true\n", {}, "local"),
        ("", {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"}, "local"),
        ("", {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "1"}, ENDPOINT),
        ("[default\n", {}, "local"),
        ("", {"AWS_PROFILE": "gone"}, "local"),
    ],
)
def test_the_configured_endpoint_is_the_librarys(
    aws_files: Path, monkeypatch: pytest.MonkeyPatch, text: str, variables: dict[str, str], name: str
) -> None:
    """If the library uses an endpoint, the command line does too; if the library uses AWS, it uses `local`."""
    aws_files.write_text(text)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert store_name(Options()) == name
    assert DynamoDBConfig.from_env().endpoint_url == (None if name == "local" else name)


def test_a_stand_in_is_reached_in_the_region_of_the_default_profile(aws_files: Path) -> None:
    """Region and keys are the same as the library's, so that both see the same tables."""
    aws_files.write_text("[default]\nregion = eu-north-1\n")
    with opened(Options(store=ENDPOINT)) as store:
        assert (store.config.region_name, store.config.aws_access_key_id) == ("eu-north-1", "test")
    aws_files.with_name("credentials").write_text("[default]\naws_access_key_id = a\naws_secret_access_key = s\n")
    with opened(Options(store=ENDPOINT)) as store:
        assert (store.config.region_name, store.config.aws_access_key_id) == ("eu-north-1", None)


def test_aws_is_reached_in_the_region_of_the_profile(aws_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`aws` means AWS, whatever endpoint is configured."""
    aws_files.write_text("[profile work]\nregion = eu-north-1\n")
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
    with opened(Options(store="aws")) as store:
        assert store.config.endpoint_url == "https://dynamodb.eu-north-1.amazonaws.com"


def test_a_directory_of_no_name_is_refused_in_code_too() -> None:
    """The error is a `typer.BadParameter`, for its exit code."""
    with pytest.raises(typer.BadParameter, match="does not name a directory"), opened(Options(store="local:")):
        pass


@pytest.mark.parametrize("name", ["local:", "local: ", "local:\t"])
def test_a_blank_directory_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """Nothing is created in the working directory."""
    assert main(["--store", name, "pipelines", "list"]) == 2
    assert "does not name a directory: write local:DIR, or local" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_password_is_not_shown_whatever_it_is_in(capsys: pytest.CaptureFixture[str]) -> None:
    """A password is hidden even in an endpoint without a scheme."""
    assert main(["--store", "user:secret@127.0.0.1:9", "pipelines", "list"]) == 2
    error = capsys.readouterr().err
    assert "'***@127.0.0.1:9' is not a store: use local, local:DIR, aws, or an endpoint URL" in error
    assert "secret" not in error
