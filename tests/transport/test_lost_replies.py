"""A reply that is not DynamoDB's is a lost one: the request is sent again, and known as one's own."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from pynamodb.exceptions import GetError, PutError, QueryError, TableError

from pipemodels import DynamoDBConfig, PipelineConfig, commands, create_tables, queries, using
from pipemodels.connections import connection_of
from pipemodels.errors import StorageError
from pipemodels.transport.errors import LostReplyError
from tests.helpers.odd_replies import FOREIGN, JSON, LOST, Answering, error, reply

STORED: dict[str, Any] = {
    "pipeline_id": {"S": "p"}, "pipeline_name": {"S": "n"}, "source_type": {"S": "s"}, "destination_type": {"S": "d"},
}  # fmt: skip
FIELDS: dict[str, Any] = {"pipeline_name": "n", "source_type": "s", "destination_type": "d"}
ODD = [
    "200 with a page", "404 with text", "502 with a page", "200 without a body", "a head cut after 61 bytes",
    "broken UTF-8", "a wrong checksum", "no checksum", "packed and broken", "cancelled without reasons", "a body cut",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    monkeypatch.setattr("pipemodels.storage.sending.random.uniform", lambda least, most: 0.0)


@pytest.fixture(params=[(1, 30.0), (2, 0.0)], ids=["the command repeats", "botocore repeats"])
def patient(request: pytest.FixtureRequest, config: DynamoDBConfig) -> Iterator[DynamoDBConfig]:
    """Use a configuration that sends a request again."""
    attempts, limit = request.param
    with using(replace(config, max_attempts=attempts, time_limit_seconds=limit)) as one:
        yield one


@pytest.mark.parametrize("kind", ODD)
def test_the_same_request_is_sent_again(kind: str, server: Answering, patient: DynamoDBConfig) -> None:
    """A creation and a change are sent once more, each under its `write_id`, and what comes then counts."""
    server.replies = [LOST[kind], reply("{}")]
    created = commands.create_pipeline(pipeline_id="p", **FIELDS)
    first, second = server.requests
    assert first == second
    assert json.loads(first)["Item"]["write_id"] == {"S": created.write_id}
    server.requests.clear()
    server.replies = [LOST[kind], reply(json.dumps({"Attributes": STORED}))]
    assert commands.update_pipeline(pipeline_id="p", changes={"description": "x"}) == PipelineConfig.from_raw_data(
        STORED
    )
    assert len(server.requests) == 2
    assert len(set(server.requests)) == 1


def test_a_transaction_keeps_its_token(server: Answering, patient: DynamoDBConfig) -> None:
    """By it DynamoDB knows the second one as the first."""
    server.replies = [LOST["200 without a body"], reply("{}")]
    assert commands.activate_pipelines(["p", "q"]) == ["p", "q"]
    tokens = [json.loads(body)["ClientRequestToken"] for body in server.requests]
    assert len(tokens) == 2
    assert tokens[0] == tokens[1]


def test_a_write_whose_reply_was_odd_is_known_as_ones_own(server: Answering, patient: DynamoDBConfig) -> None:
    """The first request was served; the second meets its own `write_id` and is no conflict."""

    def refused(body: bytes) -> bytes:
        return error("ConditionalCheckFailedException", Item=json.loads(body)["Item"] | {"revision": {"N": "1"}})

    server.replies = [LOST["200 with a page"], refused]
    created = commands.create_pipeline(pipeline_id="p", **FIELDS)
    assert (created.pipeline_id, created.revision, len(server.requests)) == ("p", 1, 2)


def test_a_query_is_sent_again_by_botocore(server: Answering, config: DynamoDBConfig) -> None:
    """As often as `max_attempts` says."""
    with using(replace(config, max_attempts=3)):
        server.replies = [LOST["200 with a page"], LOST["brackets"], reply("{}")]
        assert queries.find_run("p", "r") is None
        assert len(server.requests) == 3
        server.replies = [LOST["brackets"]]
        with pytest.raises(StorageError, match="it cannot be parsed"):
            queries.find_run("p", "r")
        assert len(server.requests) == 6


def test_an_endpoint_where_somebody_else_answers_is_told_soon(
    server: Answering, config: DynamoDBConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For five seconds something in between may answer; what may be DynamoDB's has all the time there is."""
    now = [0.0]
    monkeypatch.setattr("pipemodels.storage.sending.time.monotonic", lambda: now[0])

    def later(_: float) -> None:
        now[0] += 1.0

    monkeypatch.setattr("pipemodels.storage.sending.time.sleep", later)
    with using(replace(config, time_limit_seconds=30.0)):
        for kind, requests in {
            "200 with a page": 6,
            "404 with text": 6,
            "200 without a body": 30,
            "502 with a page": 30,
        }.items():
            server.requests.clear()
            server.replies = [LOST[kind]]
            now[0] = 0.0
            with pytest.raises(StorageError):
                commands.create_pipeline(pipeline_id="p", **FIELDS)
            assert (kind, len(server.requests)) == (kind, requests)


def test_a_page_is_shown_and_an_item_is_not(server: Answering, config: DynamoDBConfig) -> None:
    """What somebody else has said helps; what DynamoDB has said may be nobody's business."""
    server.replies = [FOREIGN["200 with a page"]]
    with pytest.raises(StorageError) as caught:
        queries.get_pipeline("p")
    assert str(caught.value) == (
        f"pipeline 'p': GetItem at {server.url}: the reply is not DynamoDB's: it has neither DynamoDB's content type "
        "nor a request id (status 200, content type 'text/html', b'<html><body>Welcome to nginx!</body></html>'). "
        "Check the endpoint and any proxy in between."
    )
    server.replies = [reply(json.dumps({"Item": STORED}), "200 OK", JSON, "x-amz-crc32: 1")]
    with pytest.raises(StorageError) as caught:
        queries.get_pipeline("p")
    assert str(caught.value) == (
        f"pipeline 'p': GetItem at {server.url}: the reply is not DynamoDB's: its checksum is not '1' (status 200, "
        f"content type '{JSON}'). Check the endpoint and any proxy in between."
    )


@pytest.mark.parametrize("packed", [False, True])
def test_a_right_checksum_counts(packed: bool, server: Answering, config: DynamoDBConfig) -> None:
    """Of the reply as DynamoDB has sent it, whatever a server in between has made of it."""
    import gzip

    body = json.dumps({"Item": STORED}).encode()
    headers = [f"x-amz-crc32: {zlib.crc32(body)}", *(["Content-Encoding: gzip"] if packed else [])]
    server.replies = [reply(gzip.compress(body) if packed else body, "200 OK", JSON, *headers)]
    with using(replace(config, max_attempts=2)):
        assert queries.get_pipeline("p") == PipelineConfig.from_raw_data(STORED)
    assert len(server.requests) == 1


def test_a_checksum_stays_in_the_metadata(server: Answering, config: DynamoDBConfig) -> None:
    """It is checked once, and shown as it came."""
    server.replies = [reply(b"{}", "200 OK", JSON, f"x-amz-crc32: {zlib.crc32(b'{}')}")]
    answer = connection_of(config).client._make_api_call("GetItem", {"TableName": "t", "Key": {}})
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-crc32"] == "2745614147"


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda: PipelineConfig.get("p"), GetError),
        (lambda: PipelineConfig("p", **FIELDS).save(), PutError),
        (lambda: list(PipelineConfig.query("p")), QueryError),
        (PipelineConfig.describe_table, TableError),
    ],
    ids=["get", "save", "query", "describe"],
)
@pytest.mark.parametrize(
    "said", ["200 with a page", "brackets", "400 with a list", "cancelled, and a reason is empty"]
)
def test_the_plain_orm_raises_pynamodbs_errors(
    said: str, ask: Any, kind: type[Exception], server: Answering, config: DynamoDBConfig
) -> None:
    """With what is wrong as their cause."""
    server.replies = [LOST[said]]
    with pytest.raises(kind, match=f"at {server.url}: the reply is not DynamoDB's: ") as caught:
        ask()
    assert isinstance(caught.value.cause, LostReplyError)  # type: ignore[attr-defined]  # PynamoDB's


class Raw:
    """What moto, or a test of a user's, puts in the place of urllib3's reply."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        """Return the body."""
        return [self._body]


@pytest.mark.parametrize("wire", [True, False])
def test_it_holds_under_moto(wire: bool) -> None:
    """In this process, where nothing is sent: moto's own replies are DynamoDB's, and another handler's are not."""
    config = DynamoDBConfig(
        aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1", max_attempts=1, wire=wire,
        time_limit_seconds=0,
    )  # fmt: skip
    with mock_aws(), using(config):
        create_tables()
        created = commands.create_pipeline(pipeline_id="p", **FIELDS)
        assert queries.get_pipeline("p") == created
        events = connection_of(config).client.meta.events

        def page(request: Any, **_: Any) -> AWSResponse:
            return AWSResponse(request.url, 200, {"content-type": "text/html"}, Raw(b"<html>"))

        events.register_first("before-send.dynamodb", page)
        with pytest.raises(
            StorageError, match=r"GetItem at https://dynamodb\.us-east-1\.amazonaws\.com: the reply is not"
        ):
            queries.find_pipeline("p")
        events.unregister("before-send.dynamodb", page)
        assert queries.get_pipeline("p") == created
