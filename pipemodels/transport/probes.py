"""Probes: clients that send nothing, whose requests and replies the gate compares."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipemodels.transport import fallbacks, samples
from pipemodels.transport.errors import ShortcutError
from pipemodels.transport.shortcuts import is_of_aws, shortcut
from pipemodels.transport.wanted import wanted

Same = Callable[[str, "Prepared", "Prepared"], None]  # raises if they are not


class Prepared(BaseException):
    """A request ready to send. Raised as an exception to end the call without later handlers and retries."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.method, self.url, self.body = request.method, request.url, request.body
        self.headers = [(name.lower(), _text(value)) for name, value in request.headers.items()]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


class Probe:
    """A client with the settings of another, test credentials and some shortcuts, which sends nothing."""

    def __init__(self, like: Any, session: Any, shortcuts: Sequence[str] = ()) -> None:
        from botocore.config import Config

        is_aws = is_of_aws(like)
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_session_token": "test"}
        self.client = session.create_client(
            "dynamodb",
            like.meta.region_name,
            endpoint_url=None if is_aws else like.meta.endpoint_url,
            config=like.meta.config.merge(Config(parameter_validation=False)),  # as PynamoDB sets it
            **keys,
        )
        events = self.client.meta.events
        events.register_first("before-call.dynamodb", _same_invocation)
        events.register_first("before-send.dynamodb", _stop)
        self.shortcuts: list[str] = []
        self.install(shortcuts)

    def install(self, shortcuts: Sequence[str]) -> None:
        """Install more shortcuts."""
        for name in shortcuts:
            shortcut(name).install(self.client)
            self.shortcuts.append(name)

    def prepared(self, operation: str, parameters: dict[str, Any]) -> Prepared:
        """Return the request of an operation, without calling instrumentation that wraps API calls."""
        call = inspect.unwrap(type(self.client)._make_api_call)
        try:
            call(self.client, operation, parameters)
        except Prepared as request:
            return request
        raise ShortcutError(f"{operation} does not prepare a request")

    def parsed(self, operation: str, status: int, body: bytes) -> Any:
        """Return the parsed reply."""
        from botocore.awsrequest import HeadersDict

        model = self.client.meta.service_model.operation_model(operation)
        protocol = getattr(model.service_model, "resolved_protocol", None) or model.service_model.protocol
        parser = self.client._endpoint._response_parser_factory.create_parser(protocol)
        headers = HeadersDict({"x-amzn-RequestId": "0", "Content-Type": "application/x-amz-json-1.0"})
        return parser.parse(
            {"status_code": status, "headers": headers, "body": body, "context": {}}, model.output_shape
        )


@contextmanager
def _refusing_fallbacks() -> Iterator[None]:
    before = fallbacks.refused.set(True)
    try:
        yield
    finally:
        fallbacks.refused.reset(before)


def _same_invocation(context: dict[str, Any], **_: Any) -> None:
    context.setdefault("retries", {})["invocation-id"] = "0"


def _stop(request: Any, **_: Any) -> None:
    raise Prepared(request)


def compare(theirs: Probe, ours: Probe, same: Same) -> None:
    """Compare the requests and replies of two clients.

    Raises:
        ShortcutError: they differ.
    """
    with _refusing_fallbacks():
        _compare_requests(theirs, ours, same)
        if "replies" in ours.shortcuts:
            _compare_replies(theirs, ours)


def _compare_requests(theirs: Probe, ours: Probe, same: Same) -> None:
    plain, given = samples.requests(written=False), samples.requests(written=same is says_the_same)
    for (operation, their_parameters), (_, our_parameters) in zip(plain, given, strict=True):
        for _ in range(9):  # repeat until both are signed in the same second
            first, second = theirs.prepared(operation, their_parameters()), ours.prepared(operation, our_parameters())
            if dict(first.headers)["x-amz-date"] == dict(second.headers).get("x-amz-date"):
                break
        same(operation, first, second)


def _compare_replies(theirs: Probe, ours: Probe) -> None:
    """Compare the replies that two clients read, plain and for a model.

    Raises:
        ShortcutError: they differ.
    """
    for operation, status, body in samples.REPLIES:
        read, expected = ours.parsed(operation, status, body), theirs.parsed(operation, status, body)
        token = wanted.set(samples.Schema)
        try:
            for_model = ours.parsed(operation, status, body)
        finally:
            wanted.reset(token)
        held = samples.held(for_model)  # first, as access to a lazy reply makes it plain
        if held != samples.held_plain(expected) or not read == expected == for_model:
            raise ShortcutError(f"a reply to {operation} is read differently")


def is_the_same(operation: str, theirs: Prepared, ours: Prepared, but_for: Sequence[str] = ()) -> None:
    """Check that two requests are the same byte for byte, except for the parts in `but_for`.

    Raises:
        ShortcutError: they differ.
    """
    for part in ("method", "url", "body"):
        if part not in but_for and getattr(theirs, part) != getattr(ours, part):
            raise ShortcutError(f"{operation}: its {part} differs")
    mine, yours = ([header for header in request.headers if header[0] not in but_for] for request in (ours, theirs))
    if mine != yours:
        names = sorted({name for name, _ in set(mine) ^ set(yours)})
        raise ShortcutError(f"{operation}: its headers differ: {', '.join(names) or 'in their order'}")


def says_the_same(operation: str, theirs: Prepared, ours: Prepared) -> None:
    """Check that two requests have the same JSON. botocore writes spaces in it, so the signatures differ.

    Raises:
        ShortcutError: they differ, or botocore writes JSON in an unknown way.
    """
    is_the_same(operation, theirs, ours, ("body", "content-length", "authorization"))
    expected = json.loads(theirs.body)
    if theirs.body != json.dumps(expected).encode():
        raise ShortcutError(f"{operation}: botocore writes its JSON in an unknown way")
    if json.loads(ours.body) != expected:
        raise ShortcutError(f"{operation}: its body has other JSON")
    signed = [dict(request.headers)["authorization"].rpartition("Signature=")[0] for request in (theirs, ours)]
    if signed[0] != signed[1] or dict(ours.headers)["content-length"] != str(len(ours.body)):
        raise ShortcutError(f"{operation}: other headers are signed")
