"""The wire inside botocore: its events, wrappers and settings stay, and what is kept follows what it is made of."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import botocore
import jmespath  # type: ignore[import-untyped]  # it carries no types
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError
from botocore.parsers import JSONParser, QueryParser
from hypothesis import example, given
from hypothesis import strategies as st
from moto import mock_aws

from pipemodels import DynamoDBConfig, PipelineConfig, PipelineRunLog, create_tables, using
from pipemodels.codecs import facade
from pipemodels.connections import ConfiguredConnection, connection_of
from pipemodels.transport import parsing as replies
from pipemodels.transport.errors import LostReplyError
from pipemodels.transport.per_call import transactions as calls
from pipemodels.transport.requests import FastSerializer
from tests.wire import worlds
from tests.wire.worlds import outcome

KEYS: dict[str, Any] = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-central-1"}
LOOKS_INTO_CALLS = tuple(map(int, botocore.__version__.split(".")[:2])) >= (1, 40)
RUN = {"pipeline_id": {"S": "p"}, "run_id": {"S": "r"}, "start_time": {"S": "2026-11-22T06:04:09.937580Z"}}


class Body:
    """A reply's body, as urllib3 has it."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self) -> Iterator[bytes]:
        """Yield it."""
        yield self.body


@contextmanager
def answered(
    *replies_: tuple[int, Any], checksum: str | None = None, **settings: Any
) -> Iterator[tuple[Any, list[Any]]]:
    """Answer requests by a handler of `before-send`, as mocks do; yield the client and what was sent."""
    connection = ConfiguredConnection(DynamoDBConfig(**KEYS, **settings))
    sent: list[Any] = []
    waiting = list(replies_)

    def answer(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        status, reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        told = {"x-amzn-requestid": f"id-{len(sent)}", "x-amz-crc32": checksum or str(zlib.crc32(body)), "Other": "1"}
        return AWSResponse(request.url, status, told, Body(body))

    connection.client.meta.events.register("before-send.dynamodb.*", answer)
    yield connection.client, sent


def shortcuts(client: Any) -> set[str]:
    """Return the names of the shortcuts that are installed in a client."""
    found = {
        "requests": isinstance(client._serializer, FastSerializer),
        "replies": isinstance(client._endpoint._response_parser_factory.guarded, replies.FastParserFactory),
        "signing": "get_auth_instance" in vars(client._request_signer),
        "user_agent": "to_string" in vars(client._user_agent_creator),
        "calls": "_resolve_param_as_operation_context_param" in vars(client._ruleset_resolver),
    }
    return {name for name, is_there in found.items() if is_there}


def test_a_configured_client_is_on_the_wire_unless_it_is_off() -> None:
    """The switch decides over all shortcuts; an older botocore has no need of two of them."""
    everything = {"requests", "replies", "signing"} | ({"user_agent", "calls"} if LOOKS_INTO_CALLS else set())
    for on in (True, False):
        client: Any = connection_of(DynamoDBConfig(**KEYS, wire=on)).client
        assert shortcuts(client) == (everything if on else set())


def test_mock_aws_is_met_by_every_way_of_the_wire() -> None:
    """A user's tests under `mock_aws` reach no network, however they write and read."""
    with mock_aws(), using(DynamoDBConfig(**KEYS, table_prefix="mocked_")):
        create_tables()
        with PipelineRunLog.batch_write() as batch:
            for number in range(3):
                batch.save(PipelineRunLog("p", f"r{number}", status="pending", trigger_type="t"))
        assert [run.run_id for run in PipelineRunLog.query("p")] == ["r0", "r1", "r2"]
        assert PipelineRunLog.get("p", "r1").revision == 1
        assert {run.run_id for run in PipelineRunLog.batch_get([("p", "r0"), ("p", "r2")])} == {"r0", "r2"}
        assert len(list(PipelineRunLog.scan())) == 3


def test_all_of_botocore_s_events_are_emitted_and_may_change_things() -> None:
    """Each event comes, in order; what a handler changes in the parameters and the request is sent."""
    seen: list[str] = []

    def see(event_name: str, **_: Any) -> None:
        seen.append(event_name.partition(".")[0])

    with answered((200, {"Item": RUN | {"run_id": {"S": "é"}}})) as (client, sent):
        names = (
            "provide-client-params", "before-parameter-build", "before-endpoint-resolution", "before-call",
            "request-created", "choose-signer", "before-sign", "before-send", "response-received", "needs-retry",
            "after-call",
        )  # fmt: skip
        for name in names:
            client.meta.events.register_first(f"{name}.dynamodb", see)
        client.meta.events.register(
            "before-parameter-build.dynamodb.GetItem", lambda params, **_: params.update(ConsistentRead=True)
        )
        client.meta.events.register(
            "request-created.dynamodb.GetItem", lambda request, **_: request.headers.add_header("X-Mine", "1")
        )
        client._make_api_call("GetItem", {"TableName": "t", "Key": {"run_id": {"S": "é"}}})
    assert list(dict.fromkeys(seen)) == [
        "provide-client-params", "before-parameter-build", "before-endpoint-resolution", "before-call",
        "request-created", "choose-signer", "before-sign", "before-send", "response-received", "needs-retry",
        "after-call",
    ]  # fmt: skip
    assert json.loads(sent[0].body) == {
        "TableName": "t", "Key": {"run_id": {"S": "é"}}, "ConsistentRead": True,
    }  # fmt: skip
    assert sent[0].headers["X-Mine"] == b"1"


def test_instrumentation_wraps_what_it_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS X-Ray wraps `Endpoint.prepare_request` and `_make_api_call`; OpenTelemetry the latter."""
    calls_: list[Any] = []
    prepare: Any = Endpoint.prepare_request
    call: Any = BaseClient._make_api_call

    def prepared(self: Any, request: Any) -> Any:
        request.headers["X-Amzn-Trace-Id"] = "Root=1"
        return prepare(self, request)

    def called(self: Any, operation: str, params: Any) -> Any:
        reply = call(self, operation, params)
        calls_.append((operation, params["TableName"], reply["Count"], reply["ConsumedCapacity"], reply["Items"][0]))
        return reply

    monkeypatch.setattr(Endpoint, "prepare_request", prepared)
    monkeypatch.setattr(BaseClient, "_make_api_call", called)
    page = {"Items": [RUN], "Count": 1, "ScannedCount": 1, "ConsumedCapacity": {"CapacityUnits": 0.5}}
    with answered((200, page)) as (client, sent), facade.reading(PipelineRunLog):
        items = facade.stored_items(client.query(TableName="t")["Items"])
    assert calls_ == [("Query", "t", 1, {"CapacityUnits": 0.5}, RUN)]
    assert sent[0].headers["X-Amzn-Trace-Id"] == b"Root=1"
    assert PipelineRunLog.from_raw_data(items[0]).run_id == "r"


def test_metadata_errors_and_retries_are_botocore_s() -> None:
    """Request id, headers and retries of a success; code, message and reasons of a failure."""
    throttled = (400, {"__type": "x#ThrottlingException", "message": "slow"})
    with answered(throttled, (200, {"Item": RUN}), max_attempts=2) as (client, _):
        metadata = client._make_api_call("GetItem", {"TableName": "t", "Key": {}})["ResponseMetadata"]
    assert (metadata["RequestId"], metadata["HTTPStatusCode"], metadata["RetryAttempts"]) == ("id-2", 200, 1)
    assert metadata["HTTPHeaders"]["other"] == "1"
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Item": {"b": {"B": "AAE="}}}]
    cancelled = {"__type": "x#TransactionCanceledException", "Message": "no", "CancellationReasons": reasons}
    with answered((400, cancelled), max_attempts=1) as (client, _), pytest.raises(ClientError) as caught:
        client._make_api_call("TransactWriteItems", {"TransactItems": [{"Put": {"TableName": "t", "Item": RUN}}] * 2})
    assert type(caught.value).__name__ == "TransactionCanceledException"
    assert caught.value.response["CancellationReasons"][1]["Item"] == {"b": {"B": b"\x00\x01"}}


def test_a_wrong_checksum_is_tried_again() -> None:
    """A damaged body is asked for again, and never taken, also where it is the last."""
    with (
        answered((200, {"Item": RUN}), checksum="1", max_attempts=2) as (client, sent),
        pytest.raises(LostReplyError, match="its checksum is not '1'"),
    ):
        client.get_item(TableName="t", Key={"k": {"S": "a"}})
    assert len(sent) == 2


# -- what is kept ---------------------------------------------------------------------------------------------------


looking = pytest.mark.skipif(not LOOKS_INTO_CALLS, reason="an older botocore chooses endpoints without that")
RESOLVER: Any = connection_of(DynamoDBConfig(**KEYS)).client._ruleset_resolver
_part = st.sampled_from([None, {}, {"TableName": "t"}, {"TableName": "arn:aws:x"}, {"TableName": None}, 5])
_kinds = st.sampled_from(["ConditionCheck", "Put", "Delete", "Update", "Other"])


@looking
@given(
    st.dictionaries(
        st.just("TransactItems"), st.lists(st.dictionaries(_kinds, _part) | st.none(), max_size=4) | st.none()
    )
)
@example({"TransactItems": [{"Put": {"TableName": None}}]})
@example({"TransactItems": [{"Other": {"TableName": "t"}}]})
def test_the_tables_of_a_transaction_are_those_that_botocore_finds(parameters: Any) -> None:
    """As by its query language, also in what is no transaction."""
    operation = worlds.operation("TransactWriteItems")
    found = RESOLVER._resolve_param_as_operation_context_param("ResourceArnList", operation, parameters)
    assert found == jmespath.search(calls.TABLES, parameters)


@given(
    st.dictionaries(
        st.sampled_from(["x-amzn-RequestId", "X-AMZN-REQUESTID", "X-Amzn-Query-Error", "Date", "x-amz-Ä", ""]),
        st.sampled_from(["a", "a;Sender", ""]),
    ),
    st.sampled_from([200, 400, 500]),
    st.sampled_from([b"{}", b'{"__type":"x#E","message":"m"}', b"<html>", b""]),
)
def test_the_metadata_of_a_reply_are_botocore_s(told: dict[str, str], status: int, body: bytes) -> None:
    """Whatever headers a success or an error comes with, and in whatever letters."""
    found = []
    for parser in (replies.FastParser(), JSONParser()):
        response = {"status_code": status, "headers": HeadersDict(told), "body": body, "context": {}}
        found.append((outcome(partial(parser.parse, response, worlds.shape("GetItem"))), response["headers"]))
    assert found[0] == found[1]


def test_a_parser_is_made_once_for_the_same_settings() -> None:
    """Anew for others; another protocol's is botocore's."""
    factory = replies.FastParserFactory()
    first = factory.create_parser("json")
    assert factory.create_parser("json") is first
    factory.set_parser_defaults(timestamp_parser=str)
    second = factory.create_parser("json")
    assert (type(second), second is first, second._timestamp_parser) == (replies.FastParser, False, str)
    assert type(factory.create_parser("query")) is QueryParser


def test_proxies_and_certificates_are_left_to_botocore(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The environment's proxy and CA bundle reach botocore's session as without the wire."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    sessions = []
    for on in (True, False):
        client: Any = ConfiguredConnection(DynamoDBConfig(**KEYS, wire=on)).client
        http = client._endpoint.http_session
        sessions.append((http._proxy_config._proxies, http._verify, type(http)))
    assert sessions[0] == sessions[1]
    assert sessions[0][0]["https"] == "http://127.0.0.1:9"


def test_a_model_of_the_package_reads_the_same_with_the_wire_off() -> None:
    """The two ways meet in one place: the same table."""
    with mock_aws():
        found = []
        for on in (True, False):
            with using(DynamoDBConfig(**KEYS, table_prefix="both_", wire=on)):
                create_tables()
                item = PipelineConfig(f"p{on}", pipeline_name="n", source_type="s", destination_type="d")
                item.save()
                found.append(sorted(one.pipeline_id for one in PipelineConfig.scan()))
        assert found[1] == ["pFalse", "pTrue"]
