"""The embedded store keeps what was written, for one process at a time, on the loopback interface only."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipemodels.errors import StorageError
from pipemodels.local import embedded_store
from tests.helpers import embedded

ORDERS: dict[str, Any] = {
    "TableName": "orders",
    "KeySchema": [
        {"AttributeName": "customer", "KeyType": "HASH"},
        {"AttributeName": "number", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "customer", "AttributeType": "B"},
        {"AttributeName": "number", "AttributeType": "N"},
        {"AttributeName": "state", "AttributeType": "S"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by_state",
            "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]},
        }
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
ORDER: dict[str, Any] = {
    "customer": {"B": b"\x00\xff"},
    "number": {"N": "12345678901234567890.123456789012345678"},
    "state": {"S": "new"},
    "note": {"S": "größer\u2028😀\x00"},
    "nested": {"M": {"": {"NULL": True}, "list": {"L": [{"BOOL": False}, {"NS": ["1", "-2.5"]}]}}},
}


def test_every_kind_of_key_and_value_is_there_at_the_next_open(tmp_path: Path) -> None:
    """Binary and number keys, nested values, an index and the TTL setting come back as they were."""
    with embedded.opened(tmp_path) as config, embedded.client(config) as dynamodb:
        dynamodb.create_table(**ORDERS)
        dynamodb.update_time_to_live(
            TableName="orders", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
        )
        dynamodb.put_item(TableName="orders", Item=ORDER)
        before = dynamodb.describe_table(TableName="orders")["Table"]
        stored = dynamodb.scan(TableName="orders")["Items"]
    with embedded.opened(tmp_path) as config, embedded.client(config) as dynamodb:
        assert dynamodb.describe_table(TableName="orders")["Table"] == before
        assert dynamodb.scan(TableName="orders")["Items"] == stored == [ORDER]
        assert dynamodb.describe_time_to_live(TableName="orders")["TimeToLiveDescription"] == {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "expires_at",
        }
        by_state = dynamodb.query(
            TableName="orders",
            IndexName="by_state",
            KeyConditionExpression="#s = :new",
            ExpressionAttributeNames={"#s": "state"},
            ExpressionAttributeValues={":new": {"S": "new"}},
        )["Items"]
        assert by_state == [{name: ORDER[name] for name in ("customer", "number", "state", "note")}]


def test_tables_of_several_regions_are_kept_apart(tmp_path: Path) -> None:
    """A table belongs to the configured region, also at the next open."""
    with embedded.opened(tmp_path, region_name="eu-central-1") as config:
        embedded.write(config, "a")
    with embedded.opened(tmp_path) as config:
        assert embedded.keys_in(config) == set()
    with embedded.opened(tmp_path, region_name="eu-central-1") as config:
        assert embedded.keys_in(config) == {"a"}


def test_the_configuration_has_the_asked_fields(tmp_path: Path) -> None:
    """Fields of the configuration are given by name; the endpoint is the store's own."""
    with embedded.opened(tmp_path, table_prefix="x_", user_timezone="Europe/Berlin", environment="prod") as one:
        assert (one.table_prefix, one.user_timezone, one.environment) == ("x_", "Europe/Berlin", "prod")
        assert str(one.endpoint_url).startswith("http://127.0.0.1:")


def test_reading_writes_nothing(tmp_path: Path) -> None:
    """A block that only reads leaves the saved file alone."""
    embedded.keep(tmp_path, "a")
    before = (tmp_path / "dynamodb.json").stat()
    assert embedded.kept(tmp_path) == {"a"}
    after = (tmp_path / "dynamodb.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_a_failing_block_wrote_is_kept(tmp_path: Path) -> None:
    """An exception leaves the block as it was raised, and the store saved."""
    with pytest.raises(ZeroDivisionError):
        embedded.block(tmp_path, lambda config: embedded.write(config, "a"), lambda _: 1 / 0)
    assert embedded.kept(tmp_path) == {"a"}


def test_a_new_directory_is_private_and_out_of_git(tmp_path: Path) -> None:
    """Missing directories are made; nothing but the saved state, the lock and the log stays in there."""
    directory = tmp_path / "some" / "where"
    embedded.keep(directory, "a")
    assert {file.name for file in directory.iterdir()} == {
        ".gitignore",
        "dynamodb.json",
        "lock",
        "server.log",
    }
    assert (directory / ".gitignore").read_text() == "*\n"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in directory.iterdir()} == dict.fromkeys(
        (".gitignore", "dynamodb.json", "lock", "server.log"), 0o600
    )


def test_the_files_in_a_directory_that_was_there_are_private(tmp_path: Path) -> None:
    """Also a log and a lock that others could read until now; the directory stays as it is."""
    tmp_path.chmod(0o755)
    for name in ("server.log", "lock"):
        (tmp_path / name).touch(0o644)
    embedded.keep(tmp_path, "a")
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == dict.fromkeys(
        ("dynamodb.json", "lock", "server.log"), 0o600
    )


def test_a_server_that_is_started_by_a_fork_has_what_it_is_handed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under gevent, whose `subprocess` forks: what is done after a fork is done in the server's process too."""
    monkeypatch.setattr(subprocess, "Popen", partial(subprocess.Popen, preexec_fn=lambda: None))
    embedded.keep(tmp_path, "a")
    assert embedded.kept(tmp_path) == {"a"}


def test_a_directory_that_was_there_is_not_hidden_from_git(tmp_path: Path) -> None:
    """In somebody else's directory, other files stay as they are."""
    (tmp_path / "lake.yaml").write_text("theirs")
    embedded.keep(tmp_path, "a")
    assert not (tmp_path / ".gitignore").exists()
    assert (tmp_path / "lake.yaml").read_text() == "theirs"


def test_two_stores_in_two_threads_do_not_mix(tmp_path: Path) -> None:
    """Each directory has a server of its own, also outside the main thread."""

    def keep(name: str) -> set[str]:
        embedded.keep(tmp_path / name, name)
        return embedded.kept(tmp_path / name)

    with ThreadPoolExecutor() as threads:
        assert list(threads.map(keep, ["a", "b"])) == [{"a"}, {"b"}]


def test_one_store_may_be_open_inside_another(tmp_path: Path) -> None:
    """Nested blocks with two directories are two stores."""
    with embedded.opened(tmp_path / "a") as outer, embedded.opened(tmp_path / "b") as inner:
        embedded.write(outer, "outer")
        embedded.write(inner, "inner")
    assert (embedded.kept(tmp_path / "a"), embedded.kept(tmp_path / "b")) == ({"outer"}, {"inner"})


def test_the_users_environment_does_not_reach_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that mean something to ministack or to AWS tools change nothing."""
    theirs = {"USE_SSL": "1", "AUTH": "true", "SERVICES": "s3", "PERSIST_STATE": "0", "EDGE_PORT": "1"}
    for name, value in (theirs | {"MINISTACK_ACCOUNT_ID": "111111111111", "PYTHONWARNINGS": "error"}).items():
        monkeypatch.setenv(name, value)
    embedded.keep(tmp_path, "a")
    assert embedded.kept(tmp_path) == {"a"}


@embedded.linux_only
def test_it_listens_on_one_loopback_port_only(tmp_path: Path) -> None:
    """The server has no other socket that anybody could connect or send to."""
    with embedded.opened(tmp_path) as config:
        embedded.write(config, "a")
        files = embedded.open_files(embedded.server_pid(str(config.endpoint_url)))
        port = int(str(config.endpoint_url).rpartition(":")[2])
        open_to_others = {
            address
            for protocol in ("tcp", "tcp6", "udp", "udp6")
            for address, inode in embedded.listening(protocol).items()
            if f"socket:[{inode}]" in files
        }
    assert open_to_others == {f"0100007F:{port:04X}"}


def test_the_server_is_gone_after_the_block(tmp_path: Path) -> None:
    """Nobody answers at the endpoint any more."""
    with embedded.opened(tmp_path) as config:
        assert embedded.answers(str(config.endpoint_url))
    assert not embedded.answers(str(config.endpoint_url))


def test_a_second_process_is_told_who_has_the_store(tmp_path: Path) -> None:
    """It waits for as long as it was told to, then names the holder's process and command."""
    with embedded.writer(tmp_path, "first", "wait") as first:
        first.wait_for("written")
        with (
            pytest.raises(StorageError, match=rf"in use by pid {first.process.pid} \(.*embedded_writer.*0\.2 s"),
            embedded_store(tmp_path, lock_timeout_seconds=0.2),
        ):
            pass


def test_a_second_process_gets_the_store_when_the_first_ends(tmp_path: Path) -> None:
    """It waits, then finds what the first has written."""
    with embedded.writer(tmp_path, "first", "wait") as first:
        first.wait_for("written")
        with embedded.writer(tmp_path, "second") as second:
            first.go_on()
            assert second.wait_for("written") == "2"
            assert (first.end(), second.end()) == (0, 0)
    assert embedded.kept(tmp_path) == {"first", "second"}


def test_what_an_old_lock_file_says_is_no_obstacle(tmp_path: Path) -> None:
    """Only the lock counts, not what is written in its file."""
    (tmp_path / "lock").write_text('{"pid": 1, "command": "init", "since": "1970-01-01"}')
    embedded.keep(tmp_path, "a")
    assert embedded.kept(tmp_path) == {"a"}


def test_importing_loads_no_ministack() -> None:
    """The import of `pipemodels.local` costs nothing of ministack's."""
    code = "import sys, pipemodels.local; sys.exit(any(m.partition('.')[0] == 'ministack' for m in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
