"""The choice of tables by configure, using, threads, tasks and processes; and errors of the connection."""

import asyncio
import contextvars
import multiprocessing
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from botocore.awsrequest import AWSResponse

from pipemodels import (
    DynamoDBConfig,
    PipelineConfig,
    PipelineRunLog,
    StorageError,
    TableMissingError,
    ThrottledError,
    ValidationError,
    commands,
    configure,
    create_tables,
    current_config,
    queries,
    using,
)
from pipemodels.connections import connection_of

Unique = Callable[[str], str]
R = TypeVar("R")


def named(prefix: str, **settings: Any) -> DynamoDBConfig:
    """Return a configuration with this prefix."""
    keys = {"aws_access_key_id": "unit", "aws_secret_access_key": "unit-secret", "region_name": "us-east-1"}
    return DynamoDBConfig(**({"table_prefix": prefix} | keys | settings))


def create(pipeline_id: str, name: str = "Orders") -> PipelineConfig:
    """Create a pipeline."""
    return commands.create_pipeline(
        pipeline_id=pipeline_id, pipeline_name=name, source_type="s3", destination_type="iceberg"
    )


@pytest.fixture
def process() -> Iterator[None]:
    """Remove the process configuration of a test."""
    configure(None)
    yield
    configure(None)


def in_new_context(work: Callable[[], R]) -> R:
    """Run in an empty context, as a new thread would."""
    return contextvars.Context().run(work)


def test_configure_chooses_for_the_process_and_using_wins(process: None) -> None:
    """`using` overrides the process's configuration inside its block only."""

    def work() -> list[DynamoDBConfig]:
        configure(named("process."))
        seen = [current_config()]
        with using(named("outer.")) as outer:
            seen.append(outer)
            with using(named("inner.")):
                seen.append(current_config())
            seen.append(current_config())
        return [*seen, current_config()]

    prefixes = [config.table_prefix for config in in_new_context(work)]
    assert prefixes == ["process.", "outer.", "inner.", "outer.", "process."]


def test_using_ends_with_an_error_too(process: None) -> None:
    """An exception in the block restores the previous configuration."""

    def work() -> DynamoDBConfig:
        configure(named("process."))
        with pytest.raises(ZeroDivisionError), using(named("inner.")):
            raise ZeroDivisionError
        return current_config()

    assert in_new_context(work).table_prefix == "process."


def test_an_unconfigured_process_reads_the_environment_once(process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first use reads the environment once; `configure(None)` discards the result."""
    monkeypatch.setenv("PIPEMODELS_TABLE_PREFIX", "first_")
    first = in_new_context(current_config)
    monkeypatch.setenv("PIPEMODELS_TABLE_PREFIX", "second_")
    again = in_new_context(current_config)
    configure(None)
    forgotten = in_new_context(current_config)
    assert [one.table_prefix for one in (first, again, forgotten)] == ["first_", "first_", "second_"]
    assert again is first


def test_a_new_thread_starts_without_the_context_of_its_maker(process: None) -> None:
    """A new thread uses the process's configuration; a copied context keeps that of `using`."""
    configure(named("process."))
    with using(named("mine.")), ThreadPoolExecutor(1) as pool:
        fresh = pool.submit(current_config).result()
        handed = pool.submit(contextvars.copy_context().run, current_config).result()
    assert (fresh.table_prefix, handed.table_prefix) == ("process.", "mine.")


def test_each_asyncio_task_keeps_its_own_configuration() -> None:
    """Interleaved tasks inside `using` never see each other's configuration."""

    async def task(prefix: str, turns: list[str]) -> None:
        with using(named(prefix)):
            for _ in range(5):
                await asyncio.sleep(0)
                turns.append(prefix)
                assert current_config().table_prefix == prefix

    async def work() -> list[str]:
        turns: list[str] = []
        await asyncio.gather(task("a.", turns), task("b.", turns), task("c.", turns))
        return turns

    turns = asyncio.run(work())
    assert turns[:6] == ["a.", "b.", "c.", "a.", "b.", "c."]


def test_table_names_follow_the_configuration_in_force() -> None:
    """`Meta.table_name` is always the current prefix followed by the base name."""
    with using(named("a.")):
        assert PipelineRunLog.Meta.table_name == "a.pipeline_run_logs"
        with using(named("b.")):
            assert PipelineRunLog.Meta.table_name == "b.pipeline_run_logs"
        assert PipelineConfig.Meta.table_name == "a.pipeline_config"


def test_two_configurations_side_by_side_never_mix(unique: Unique, other_config: DynamoDBConfig) -> None:
    """In nested blocks the same id names two different items, for commands, the plain ORM and queries."""
    pipeline_id = unique("mixed")
    with using(other_config):
        create_tables()
    mine = create(pipeline_id, "mine")
    with using(other_config):
        theirs = create(pipeline_id, "theirs")
        assert PipelineConfig.get(pipeline_id) == theirs
        listed = queries.all_pipelines()
    assert PipelineConfig.get(pipeline_id) == mine
    assert queries.get_pipeline(pipeline_id).pipeline_name == "mine"
    assert [one.pipeline_name for one in listed if one.pipeline_id == pipeline_id] == ["theirs"]
    assert {one.pipeline_name for one in listed.page(1000) if one.pipeline_id == pipeline_id} == {"theirs"}
    with using(other_config):
        assert [
            one.pipeline_name for one in queries.active_pipelines().in_full() if one.pipeline_id == pipeline_id
        ] == ["theirs"]


def test_a_lazy_read_stays_with_the_configuration_it_was_made_in(
    unique: Unique, other_config: DynamoDBConfig
) -> None:
    """Query, scan and batch get use the configuration at the time of the call, even if they are consumed later."""
    pipeline_id = unique("lazy")
    with using(other_config):
        create_tables()
        create(pipeline_id, "theirs")
        shard = PipelineConfig.get(pipeline_id).active_shard
        reads = [
            PipelineConfig.query(pipeline_id),
            PipelineConfig.scan(PipelineConfig.pipeline_id == pipeline_id),
            PipelineConfig.active_pipelines_index.query(
                shard, filter_condition=PipelineConfig.pipeline_name == "theirs"
            ),
            PipelineConfig.batch_get([pipeline_id]),
        ]
    create(pipeline_id, "mine")
    assert [[one.pipeline_name for one in read if one.pipeline_id == pipeline_id] for read in reads] == [
        ["theirs"]
    ] * 4


def test_threads_with_their_own_configurations_never_mix(unique: Unique, other_config: DynamoDBConfig) -> None:
    """Two threads with different prefixes that write the same ids at once write two sets of items."""
    with using(other_config):
        create_tables()
    ids = [unique("threads") for _ in range(15)]
    start = threading.Barrier(2)

    def work(config: DynamoDBConfig, name: str) -> list[str]:
        start.wait(5)
        with using(config):
            for one in ids:
                create(one, name)
            return [queries.get_pipeline(one).pipeline_name for one in ids]

    with ThreadPoolExecutor(2) as pool:
        mine = pool.submit(work, current_config(), "mine")
        theirs = pool.submit(work, other_config, "theirs")
        assert (mine.result(), theirs.result()) == (["mine"] * 15, ["theirs"] * 15)


def test_a_configuration_has_one_connection_for_all_threads() -> None:
    """Equal configurations share client and pool; those that differ only in the prefix do not."""
    config = named("shared.")
    with ThreadPoolExecutor(8) as pool:
        connections = set(pool.map(lambda _: id(connection_of(config)), range(32)))
    assert len(connections) == 1
    assert connection_of(named("shared.")) is connection_of(config)
    assert connection_of(named("shared2.")) is not connection_of(config)


def test_the_client_is_made_as_configured() -> None:
    """Botocore gets endpoint, region, credentials, pool size, timeouts and attempts."""
    config = named(
        "made.",
        region_name="eu-west-1",
        aws_session_token="token",
        endpoint_url="http://127.0.0.1:4000",
        max_pool_connections=3,
        connect_timeout_seconds=1.5,
        read_timeout_seconds=2.5,
        max_attempts=7,
    )
    client = connection_of(config).client
    credentials = client._request_signer._credentials
    settings = client.meta.config
    assert (client.meta.endpoint_url, client.meta.region_name) == ("http://127.0.0.1:4000", "eu-west-1")
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("unit", "unit-secret", "token")
    assert (settings.connect_timeout, settings.read_timeout) == (1.5, 2.5)
    assert settings.max_pool_connections == 3
    assert settings.retries["total_max_attempts"] == 7


def test_a_profile_is_read_from_the_aws_files(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`profile_name` sets the region and credentials of the profile."""
    shared = tmp_path / "config"
    shared.write_text("[profile data]\nregion = eu-north-1\naws_access_key_id = PROFILE\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(shared))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    client = connection_of(DynamoDBConfig(profile_name="data", table_prefix="profile.")).client
    assert client.meta.region_name == "eu-north-1"
    assert client._request_signer._credentials.access_key == "PROFILE"


@pytest.mark.parametrize(
    ("settings", "environment", "kind", "message"),
    [
        (
            {"profile_name": "nowhere"},
            {},
            ValidationError,
            "profile_name: 'nowhere' is not in the AWS configuration files",
        ),
        ({"region_name": None}, {}, ValidationError, "region_name: None is required: set AWS_REGION"),
        (
            {"aws_access_key_id": None, "aws_secret_access_key": None},
            {"AWS_ACCESS_KEY_ID": "half"},
            StorageError,
            "no usable AWS credentials: .*AWS_SECRET_ACCESS_KEY",
        ),
    ],
)
def test_a_client_that_cannot_be_made_is_an_error_of_this_package(
    settings: dict[str, Any],
    environment: dict[str, str],
    kind: type[Exception],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Commands, queries and the plain ORM report a missing profile, a missing region and incomplete credentials."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with using(named("broken.", **settings)):
        for work in (
            lambda: create("p"),
            lambda: queries.get_pipeline("p"),
            lambda: queries.active_pipelines().first(),
            lambda: commands.activate_pipelines(["p"]),
            lambda: PipelineConfig.get("p"),
            create_tables,
        ):
            with pytest.raises(kind, match=message):
                work()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_unreachable_endpoint_is_named() -> None:
    """If nothing listens, the error says so and names the endpoint."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    config = named("away.", endpoint_url=endpoint, max_attempts=1, time_limit_seconds=0, connect_timeout_seconds=1)
    with using(config), pytest.raises(StorageError, match=f"no answer from DynamoDB: .*{endpoint}"):
        queries.get_pipeline("p")


def test_an_endpoint_that_does_not_reply_is_given_up_in_time() -> None:
    """A server that accepts and never answers costs no more than the read timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
        config = named(
            "mute.", endpoint_url=endpoint, max_attempts=1, time_limit_seconds=0, read_timeout_seconds=0.05
        )
        with using(config), pytest.raises(StorageError, match=f"no answer from DynamoDB: .*{endpoint}"):
            queries.get_pipeline("p")


class Answer:
    """Replies to every request of a connection with one HTTP answer, and counts them."""

    def __init__(self, config: DynamoDBConfig, status: int, code: str) -> None:
        self.requests = 0
        self._status, self._body = status, f'{{"__type":"com.amazonaws.dynamodb#{code}","message":"no"}}'.encode()
        connection_of(config).client.meta.events.register_first("before-send.dynamodb", self._reply)

    def _reply(self, request: Any, **_: Any) -> AWSResponse:
        self.requests += 1
        answer = AWSResponse(request.url, self._status, {}, None)
        answer._content = self._body
        return answer


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("UnrecognizedClientException", 400, StorageError),
        ("ThrottlingException", 400, ThrottledError),
        ("ResourceNotFoundException", 400, TableMissingError),
        ("InternalServerError", 500, StorageError),
    ],
)
def test_what_the_service_answers_is_translated(code: str, status: int, kind: type[Exception]) -> None:
    """Commands, queries and transactions translate the errors of the service."""
    config = named(f"{code}.", max_attempts=1, time_limit_seconds=0)
    Answer(config, status, code)
    with using(config):
        for work in (
            lambda: create("p"),
            lambda: queries.find_pipeline("p"),
            lambda: queries.all_pipelines().count(),
            lambda: commands.activate_pipelines(["p"]),
            lambda: commands.delete_run(pipeline_id="p", run_id="r"),
        ):
            with pytest.raises(kind) as caught:
                work()
            assert type(caught.value) is kind


def test_max_attempts_counts_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """With three attempts, three requests are sent before the error."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    config = named("attempts.", max_attempts=3, time_limit_seconds=0)
    answer = Answer(config, 500, "InternalServerError")
    with using(config), pytest.raises(StorageError):
        queries.find_pipeline("p")
    assert answer.requests == 3


def test_missing_tables_are_named() -> None:
    """If a table is missing, the error names it and the command that creates it."""
    with using(named("nothing.")):
        works: list[tuple[Callable[[], Any], str]] = [
            (lambda: create("p"), "pipeline_config"),
            (lambda: queries.get_table("t"), "table_config"),
            (lambda: queries.running_runs().first(), "pipeline_run_logs"),
            (lambda: commands.activate_tables(["t"]), "table_config"),
        ]
        for work, table in works:
            with pytest.raises(TableMissingError) as caught:
                work()
            assert caught.value.table_name == f"nothing.{table}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_forked_child_makes_its_own_connection(config: DynamoDBConfig) -> None:
    """A child does not share its parent's sockets, nor wait for a lock that a thread of the parent held."""
    from pipemodels import connections

    before = connection_of(config)
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with connections._lock:
            locked.set()
            release.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(10)
    mine, theirs = multiprocessing.Pipe()

    def child() -> None:
        theirs.send(connection_of(config) is not before)

    worker = multiprocessing.get_context("fork").Process(target=child)
    worker.start()
    try:
        assert mine.poll(10), "the child waited for its parent's lock"
        assert mine.recv() is True
    finally:
        release.set()
        worker.kill()
        worker.join()
        holder.join()
