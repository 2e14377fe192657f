"""Time limits: a command or a query ends in time, whatever hangs."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSHTTPConnectionPool
from botocore.exceptions import ClientError

from pipemodels import (
    DynamoDBConfig,
    PipelineRunLog,
    StorageError,
    ThrottledError,
    commands,
    connections,
    create_tables,
    drop_tables,
    queries,
    schema,
    table_status,
    using,
)
from pipemodels.connections import ConfiguredConnection, connection_of
from pipemodels.interop.definitions.applying import apply_definitions
from pipemodels.interop.openlineage.ingesting import ingest_events
from pipemodels.models import MODELS
from pipemodels.storage.sending import within
from pipemodels.transport import deadlines, limits
from tests.helpers import hanging

EXAMPLES = Path(__file__).resolve().parents[2] / "pipemodels" / "examples"
LIMIT = 0.3
SPARE = 3.0
"""What a loaded machine may take longer; without limits, what hangs takes ten seconds or never ends."""
TABLE: dict[str, Any] = {
    "table_id": "t", "pipeline_id": "p", "table_name": "n", "table_type": "source", "data_format": "json",
    "location": "l",
}  # fmt: skip
FIELDS: dict[str, Any] = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
AT = datetime(2026, 11, 22, 6, tzinfo=UTC)
RUN = PipelineRunLog(pipeline_id="p", run_id="r", status="running", lease_token=1, lease_seconds=60, start_time=AT)


def config_of(address: str, scheme: str = "http", **changes: Any) -> DynamoDBConfig:
    """Return a configuration with a small time limit, whose plain timeouts are of no help."""
    patient = {"connect_timeout_seconds": 10.0, "read_timeout_seconds": 10.0, "time_limit_seconds": LIMIT}
    config = DynamoDBConfig.for_local_development(f"{scheme}://{address}", **(patient | changes))
    connection_of(config)  # to make the client takes part of a second, which the limit has not
    return config


@contextmanager
def ends_in(seconds: float) -> Iterator[None]:
    """Assert that the block takes no longer, but for what a loaded machine takes."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + SPARE


def gives_up(work: Callable[[], Any], kind: type[Exception] = StorageError, seconds: float = LIMIT) -> str:
    """Assert that the work ends in time, by an error of this kind; return what that says."""
    with ends_in(seconds), pytest.raises(kind) as caught:
        work()
    assert type(caught.value) is kind
    return str(caught.value)


COMMANDS: dict[str, Callable[[], Any]] = {
    "activate_pipelines": lambda: commands.activate_pipelines(["p"]),
    "activate_tables": lambda: commands.activate_tables(["t"]),
    "cancel_run": lambda: commands.cancel_run(pipeline_id="p", run_id="r"),
    "create_pipeline": lambda: commands.create_pipeline(pipeline_id="p", **FIELDS),
    "create_table": lambda: commands.create_table(**TABLE),
    "deactivate_pipelines": lambda: commands.deactivate_pipelines(["p"]),
    "deactivate_tables": lambda: commands.deactivate_tables(["t"]),
    "delete_pipeline": lambda: commands.delete_pipeline(pipeline_id="p"),
    "delete_run": lambda: commands.delete_run(pipeline_id="p", run_id="r"),
    "delete_table": lambda: commands.delete_table(table_id="t"),
    "fail_run": lambda: commands.fail_run(pipeline_id="p", run_id="r", error_message="m"),
    "finish_run": lambda: commands.finish_run(pipeline_id="p", run_id="r"),
    "finish_stage": lambda: commands.finish_stage(pipeline_id="p", run_id="r", stage_name="s"),
    "heartbeat": lambda: commands.heartbeat(RUN),
    "put_pipeline": lambda: commands.put_pipeline(pipeline_id="p", by="me", **FIELDS),
    "put_table": lambda: commands.put_table(**TABLE),
    "queue_run": lambda: commands.queue_run(pipeline_id="p"),
    "reap_expired_runs": lambda: commands.reap_expired_runs(),
    "record_metrics": lambda: commands.record_metrics(pipeline_id="p", run_id="r", total_records_processed=1),
    "record_quality": lambda: commands.record_quality(pipeline_id="p", run_id="r", results=[]),
    "record_table_statistics": lambda: commands.record_table_statistics(table_id="t", record_count=1),
    "recorded_run": lambda: commands.recorded_run(pipeline_id="p").__enter__(),
    "retry_run": lambda: commands.retry_run(pipeline_id="p", run_id="r"),
    "skip_run": lambda: commands.skip_run(pipeline_id="p", run_id="r"),
    "start_run": lambda: commands.start_run(pipeline_id="p"),
    "start_stage": lambda: commands.start_stage(pipeline_id="p", run_id="r", stage_name="s"),
    "update_pipeline": lambda: commands.update_pipeline(pipeline_id="p", changes={"description": "x"}),
    "update_table": lambda: commands.update_table(table_id="t", changes={"description": "x"}),
}
LISTINGS: dict[str, Callable[[], queries.Results[Any]]] = {
    "active_pipelines": queries.active_pipelines,
    "all_pipelines": queries.all_pipelines,
    "all_runs": queries.all_runs,
    "all_tables": queries.all_tables,
    "expired_runs": queries.expired_runs,
    "failed_runs": lambda: queries.failed_runs(AT),
    "pipelines_by_environment": lambda: queries.pipelines_by_environment("dev"),
    "running_runs": queries.running_runs,
    "runs_by_status": lambda: queries.runs_by_status("failed"),
    "runs_of_pipeline": lambda: queries.runs_of_pipeline("p"),
    "tables_by_type": lambda: queries.tables_by_type("source"),
    "tables_of_pipeline": lambda: queries.tables_of_pipeline("p"),
}


Read = Callable[[queries.Results[Any]], Any]


def read(listing: Callable[[], queries.Results[Any]], how: Read) -> Callable[[], Any]:
    """Return the work of reading a listing."""
    return lambda: how(listing())


QUERIES: dict[str, Callable[[], Any]] = {
    "find_latest_run": lambda: queries.find_latest_run("p"),
    "find_pipeline": lambda: queries.find_pipeline("p"),
    "find_run": lambda: queries.find_run(run_id="r"),
    "find_table": lambda: queries.find_table("t"),
    "get_pipeline": lambda: queries.get_pipeline("p"),
    "get_run": lambda: queries.get_run("p", "r"),
    "get_table": lambda: queries.get_table("t"),
    "run_statistics": lambda: queries.run_statistics("p"),
    **{f"{name} page": read(listing, lambda found: found.page(1)) for name, listing in LISTINGS.items()},
    **{f"{name} iterated": read(listing, lambda found: list(found.in_full())) for name, listing in LISTINGS.items()},
    **{f"{name} count": read(listing, lambda found: found.count()) for name, listing in LISTINGS.items()},
}
OTHERS: dict[str, Callable[[], Any]] = {
    "create_tables": create_tables,
    "drop_tables": drop_tables,
    "table_status": table_status,
    "apply_definitions": lambda: apply_definitions([EXAMPLES / "shop.yaml"]),
    "ingest_events": lambda: ingest_events([EXAMPLES / "runs.ndjson"]),
}


def test_all_that_asks_is_tried() -> None:
    """Each public command and query is in the tables above, but for what sends nothing."""
    sends_nothing = {"RecordedRun", "current_run", "in_timezone", "Page", "Results", "RunStatistics"}
    tried = COMMANDS.keys() | QUERIES.keys() | LISTINGS.keys()
    assert {*commands.__all__, *queries.__all__} - tried == sends_nothing


@pytest.mark.parametrize("wire", [True, False])
def test_all_end_in_time_where_nobody_answers(wire: bool) -> None:
    """Each says how long it tried, and where."""
    everything = COMMANDS | QUERIES | OTHERS
    with hanging.server(hanging.silent) as address:
        config = config_of(address, wire=wire)

        def tried(name: str) -> str:
            with using(config):
                return gives_up(everything[name])

        with ThreadPoolExecutor(12) as pool:
            said = dict(zip(everything, pool.map(tried, everything), strict=True))
    clear = f"no answer from http://{address} within 0.3 s"
    assert {name: text for name, text in said.items() if clear not in text} == {}


@pytest.mark.parametrize(
    "behave",
    [
        hanging.half_a_head,
        hanging.half_a_body,
        hanging.dribbled_head,
        hanging.dribbled_body,
        hanging.answering(hanging.reply("200 OK", {}), after=9.0),
    ],
    ids=["half a head", "half a body", "dribbled head", "dribbled body", "slow reply"],
)
@pytest.mark.parametrize("wire", [True, False])
def test_a_reply_is_cut_off(behave: hanging.Behaviour, wire: bool) -> None:
    """Wherever it hangs; each byte that comes would set botocore's timeout back."""
    with hanging.server(behave) as address, using(config_of(address, wire=wire)):
        work = COMMANDS["start_run"] if wire else QUERIES["get_pipeline"]
        assert f"no answer from http://{address} within 0.3 s" in gives_up(work)


@pytest.mark.parametrize("behave", [hanging.deaf, hanging.slow_reader])
def test_a_request_is_cut_off(behave: hanging.Behaviour) -> None:
    """A body that the other side does not take, or takes slowly."""
    with hanging.server(behave) as address, using(config_of(address)):
        large = "x" * 380_000
        gives_up(lambda: commands.create_pipeline(pipeline_id="p", description=large, **FIELDS))


def test_the_pieces_of_a_request_have_one_deadline() -> None:
    """A body of which a little is taken now and then, each time before a timeout."""
    ours, theirs = socket.socketpair()
    over = threading.Event()
    reading = threading.Thread(target=hanging.slow_reader, args=(theirs, over))
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        ours.settimeout(LIMIT)
        reading.start()
        try:
            with using(config_of("127.0.0.1:1")), within(LIMIT), ends_in(LIMIT), pytest.raises(TimeoutError):
                limits.LimitedSocket(ours).sendall(bytes(400_000))
        finally:
            over.set()
            reading.join()


def test_bytes_without_a_pause_are_cut_off() -> None:
    """Nothing is waited for, and there would be no end: a reply over a line that never pauses."""
    ours, theirs = socket.socketpair()

    def flood() -> None:
        with suppress(OSError):  # the reader has gone
            while True:
                theirs.sendall(bytes(65_536))

    def read_on() -> None:
        with within(LIMIT), limits.LimitedSocket(ours).makefile() as reader:
            while time.monotonic() < begun + 10 * LIMIT:
                reader.read(65_536)

    flooding = threading.Thread(target=flood)
    with ours, theirs:
        begun = time.monotonic()
        flooding.start()
        try:
            with ends_in(LIMIT), pytest.raises(TimeoutError):
                read_on()
        finally:
            theirs.shutdown(socket.SHUT_RDWR)
            flooding.join()


@pytest.mark.parametrize("addresses", [1, 20])
def test_connecting_is_cut_off(addresses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A SYN that is not answered, by any of the addresses of the host."""
    found = socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: found(*args, **kwargs) * addresses)
    # an address after the first begins only where there is time: longer limits than one wait tell
    with hanging.full_backlog() as address, using(config_of(address)):
        assert f"no answer from http://{address} within 0.3 s" in gives_up(QUERIES["get_pipeline"])


@pytest.mark.parametrize("behave", [hanging.silent, hanging.dribbled_hello])
def test_a_handshake_is_cut_off(behave: hanging.Behaviour) -> None:
    """TLS that is not answered, or byte by byte."""
    with hanging.server(behave) as address, using(config_of(address, "https")):
        assert f"no answer from https://{address} within 0.3 s" in gives_up(QUERIES["get_pipeline"])


@pytest.mark.parametrize("behave", [hanging.silent, hanging.dribbled_head])
def test_a_proxy_is_cut_off(behave: hanging.Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not say whether it connects."""
    with hanging.server(behave) as address:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{address}")
        host = f"behind-{address.rpartition(':')[2]}.test"  # another client, which looks for its proxy anew
        with using(config_of(host, "https")):
            assert f"no answer from https://{host} within 0.3 s" in gives_up(QUERIES["get_pipeline"])


def test_tls_is_read_and_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply over TLS comes through, large or small; one that dribbles does not last."""
    item = {"pipeline_id": {"S": "p"}, "description": {"S": "x" * 300_000}}
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    whole = hanging.answering(hanging.reply("200 OK", {"Item": item}), hanging.reply("200 OK", {}))
    with (
        hanging.server(hanging.over_tls(whole, tmp_path)) as address,
        using(config_of(address, "https", time_limit_seconds=20)),
    ):
        assert queries.get_pipeline("p").description == "x" * 300_000
        assert queries.find_pipeline("p") is None
    with (
        hanging.server(hanging.over_tls(hanging.dribbled_body, tmp_path)) as address,
        using(config_of(address, "https")),
    ):
        gives_up(QUERIES["get_pipeline"])


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "ThrottlingException", ThrottledError),
        ("400 Bad Request", "ProvisionedThroughputExceededException", ThrottledError),
        ("500 Internal Server Error", "InternalServerError", StorageError),
    ],
)
def test_refusals_are_repeated_in_time(status: str, code: str, kind: type[Exception]) -> None:
    """Also botocore's own pauses end in time: those after a refusal for load last for seconds."""
    with hanging.server(hanging.answering(hanging.refusal(status, code))) as address, using(config_of(address)):
        for work in (COMMANDS["update_pipeline"], QUERIES["find_table"], QUERIES["all_runs page"]):
            text = gives_up(work, kind)
            assert code in text
            assert f"tried for 0.3 s at http://{address}" in text


def test_what_is_left_out_is_asked_for_in_time() -> None:
    """BatchGetItem that leaves out its keys all the time is a DynamoDB that is busy."""
    key = {"pipeline_id": {"S": "p"}, "run_id": {"S": "r"}, "start_time": {"S": "2026-11-22T06:00:00.000000Z"}}
    page = {"Items": [key], "Count": 1, "ScannedCount": 1}
    for work, table in (
        (COMMANDS["start_run"], "pipeline_run_logs"),
        (QUERIES["all_runs iterated"], "pipeline_run_logs"),
        (OTHERS["ingest_events"], "pipeline_config"),
    ):
        left_out = hanging.reply("200 OK", {"Responses": {}, "UnprocessedKeys": {table: {"Keys": [key]}}, **page})
        with hanging.server(hanging.answering(left_out)) as address, using(config_of(address)):
            text = gives_up(work, ThrottledError)
            assert f"left items out; safe to try again; tried for 0.3 s at http://{address}" in text


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Refuse every other request for load; return the operations that are sent."""
    original, throttled = ConfiguredConnection.dispatch, {"Error": {"Code": "ThrottlingException", "Message": "m"}}
    sent: list[str] = []

    def dispatch(self: ConfiguredConnection, operation: str, request: dict[str, Any]) -> Any:
        sent.append(operation)
        if len(sent) % 2:
            raise ClientError(throttled, operation)
        return original(self, operation, request)

    monkeypatch.setattr("pipemodels.storage.sending.random.uniform", lambda least, most: 0.0)
    monkeypatch.setattr(ConfiguredConnection, "dispatch", dispatch)
    return sent


def test_queries_are_repeated(config: DynamoDBConfig, unique: Callable[[str], str], flaky: list[str]) -> None:
    """What was refused for load is asked again, request by request; the answers are those of a calm day."""
    with using(replace(config, time_limit_seconds=30.0)):
        run = commands.start_run(pipeline_id=unique("repeated"), run_id="r")
        listing = queries.runs_of_pipeline(run.pipeline_id)
        flaky.clear()
        assert queries.get_run(run.pipeline_id, "r") == run
        assert list(listing.in_full()) == [run]
        assert listing.count() == 1
        assert table_status([PipelineRunLog])[0].state == "ACTIVE"
    assert flaky == ["GetItem"] * 2 + ["Query"] * 2 + ["BatchGetItem"] * 2 + ["Query"] * 2 + ["DescribeTable"] * 2


def test_a_page_has_one_limit_and_an_iteration_one_for_each_request() -> None:
    """A listing of four pages that come slowly can be iterated and counted, but is no page."""
    key = {"status_shard": {"S": "s"}, "start_time": {"S": "t"}, "pipeline_id": {"S": "p"}}

    def slow(page: dict[str, Any]) -> Any:
        more = [page | {"LastEvaluatedKey": key | {"run_id": {"S": run_id}}} for run_id in ("a", "b", "c")]
        return hanging.answering(*(hanging.reply("200 OK", one) for one in (*more, page)), after=0.25)

    empty, counted = {"Items": [], "Count": 0, "ScannedCount": 1}, {"Count": 1, "ScannedCount": 1}
    with hanging.server(slow(empty)) as address, using(config_of(address, time_limit_seconds=0.6)):
        assert f"no answer from http://{address} within 0.6 s" in gives_up(
            lambda: queries.runs_of_pipeline("p").page(1), seconds=0.6
        )
    with hanging.server(slow(empty)) as address, using(config_of(address, time_limit_seconds=0.6)):
        assert list(queries.runs_of_pipeline("p")) == []
    with hanging.server(slow(counted)) as address, using(config_of(address, time_limit_seconds=0.6)):
        assert queries.runs_of_pipeline("p").count() == 4


def test_making_the_client_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first command of a process has as much time for its requests as the next ones, also inside `within`."""
    connect = connections._connect

    def slowly(config: DynamoDBConfig) -> Any:
        time.sleep(2 * LIMIT)
        return connect(config)

    monkeypatch.setattr(connections, "_connect", slowly)
    empty = hanging.answering(hanging.reply("200 OK", {}), after=0.0)
    with hanging.server(empty) as address:
        config = replace(config_of(address, time_limit_seconds=3 * LIMIT), environment="not-connected-yet")
        with using(config), within(LIMIT):
            assert queries.find_pipeline("p") is None


def test_no_request_begins_after_the_limit() -> None:
    """A command of two requests, whose first takes all the time, says so."""
    config = config_of("127.0.0.1:1")
    sent: list[Any] = []
    connection_of(config).client.meta.events.register_last("before-send.dynamodb", lambda **of: sent.append(of))
    with using(config), within(LIMIT):
        time.sleep(LIMIT)
        text = gives_up(QUERIES["get_pipeline"], seconds=0.0)
    assert text == "pipeline 'p': no time was left to ask http://127.0.0.1:1: all of 0.3 s was spent before"
    assert sent == []


def test_a_handshake_is_given_what_is_left() -> None:
    """TLS asks the socket, which was given its timeout before it connected; without a deadline that stays."""
    with socket.socket() as sock:
        sock.settimeout(10.0)
        assert limits.LimitedSocket(sock).gettimeout() == 10.0
        with using(config_of("127.0.0.1:1")), within(LIMIT):
            assert 0.0 < (limits.LimitedSocket(sock).gettimeout() or 0.0) <= LIMIT


def test_a_shorter_limit_for_a_block() -> None:
    """As for a heartbeat, which must end long before its lease; a longer one changes nothing."""
    with hanging.server(hanging.silent) as address, using(config_of(address, time_limit_seconds=3.0)):
        for seconds in ((0.3,), (9.0, 0.3), (0.3, 9.0)):
            with ExitStack() as blocks:
                for one in seconds:
                    blocks.enter_context(within(one))
                text = gives_up(COMMANDS["heartbeat"], seconds=0.3)
            assert "within 0.3 s" in text
        assert deadlines.current() is None


def test_a_heartbeat_leaves_time_for_another() -> None:
    """It is given up after a third of the lease, however long a command may take."""
    short = PipelineRunLog(**(RUN.attribute_values | {"lease_seconds": 1}))
    with hanging.server(hanging.silent) as address, using(config_of(address, time_limit_seconds=30.0)):
        assert "within 0.333 s" in gives_up(lambda: commands.heartbeat(short))


def test_a_block_makes_no_limit_longer() -> None:
    """The limit of the configuration holds inside it."""
    with hanging.server(hanging.silent) as address, using(config_of(address)), within(9.0):
        assert "within 0.3 s" in gives_up(COMMANDS["heartbeat"])


def test_waiting_for_tables_ends_in_its_own_time() -> None:
    """A table that does not become active, at an endpoint that then hangs."""
    description = {"TableName": "pipeline_config", "TableStatus": "CREATING", "AttributeDefinitions": []}
    found = hanging.reply("200 OK", {"Table": description | {"KeySchema": []}})

    def creating(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(found)
        hanging.silent(connection, over)

    with hanging.server(creating) as address, using(config_of(address, time_limit_seconds=5.0)):
        deadline = time.monotonic() + LIMIT
        gives_up(lambda: schema._wait(MODELS[0], deadline, lambda found: False, "active"))


def test_without_a_limit_the_timeouts_are_botocore_s() -> None:
    """The plain ORM, and a limit of 0: one attempt, and its own timeout."""
    with hanging.server(hanging.silent) as address:
        for limit, work in (
            (0, QUERIES["get_pipeline"]),
            (0, COMMANDS["start_run"]),
            (0.1, lambda: PipelineRunLog.get("p", "r")),
        ):
            config = config_of(address, time_limit_seconds=limit, read_timeout_seconds=0.3, max_attempts=1)
            began = time.monotonic()
            with using(config), pytest.raises(Exception, match="Read timeout on endpoint URL"):
                work()
            assert 0.3 <= time.monotonic() - began < 0.3 + SPARE


def test_another_botocore_keeps_its_connections(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said; no attempt begins after the limit, and one under way ends by its own timeouts."""
    monkeypatch.setattr(limits, "_THEIRS", {"http": None})
    with hanging.server(hanging.silent) as address, caplog.at_level(logging.WARNING, "pipemodels.transport"):
        config = config_of(address, read_timeout_seconds=0.6, wire=False)
        connection_of(config)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        pools = connection_of(config).client._endpoint.http_session._manager.pool_classes_by_scheme
        assert pools["http"] is AWSHTTPConnectionPool
        with using(config):
            gives_up(QUERIES["get_pipeline"], seconds=0.6)
