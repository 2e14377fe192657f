"""The gate: a shortcut is compared with the ordinary way before it is used, and stays off where anything differs.

The fast way knows how botocore and PynamoDB work inside, which may change with any of their versions. So it is used
with the versions for which it was tested, and only once it has prepared the same requests, read the same replies and
made the same objects as they do by themselves. What differs stays theirs, and one warning says which and why.

A comparison is made once in a process for each kind of endpoint, when its first client is made; nothing is sent.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipemodels import wire
from pipemodels.wire import fallbacks

if TYPE_CHECKING:
    from pipemodels.models.base import Model
    from pipemodels.wire.decoders import Decoder
    from pipemodels.wire.encoders import Encoder

_log = logging.getLogger("pipemodels.wire")

TESTED = {"botocore": ("1.35", "2"), "urllib3": ("1.26.18", "3"), "pynamodb": ("6.1", "7"), "msgspec": ("0.19", "1")}
"""From which version on, and below which, the fast way is tested: those of `setup.cfg` and `make wire-versions`."""
_SINCE = {
    "calls": "1.40",
    "user_agent": "1.40",
}  # of botocore: before, what they shorten was not there, or was shorter
_SHORTCUTS = ("signing", "calls", "user_agent", "replies")  # which change no byte of a request that `requests` writes

_lock = RLock()
_open: dict[Any, Any] = {}  # what was found, by what it was found for
_asked: set[Any] = set()
_said: set[str] = set()


Same = Callable[[str, "_Prepared", "_Prepared"], None]  # refuses what is not


class Amiss(Exception):
    """What keeps a shortcut off, in words."""


# -- one client -----------------------------------------------------------------------------------------------------


def install(client: Any, session: Any) -> None:
    """Install in a client those shortcuts that are found right for clients of its kind.

    Args:
        client: which nobody has used yet.
        session: which has made it, and makes those that are compared.
    """
    for name in _found(("requests", *_kind(client)), lambda: _right_shortcuts(client, session)):
        try:
            _module(name).install(client)
        except Exception as error:  # this client is not made as those that were compared
            _warn(f"{name} stays botocore's in a client: {_words(error)}")


def _kind(client: Any) -> tuple[Any, ...]:
    url = urlsplit(client.meta.endpoint_url)
    is_aws = (url.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
    return _versions("botocore", "urllib3", "msgspec"), url.scheme, is_aws


def _right_shortcuts(client: Any, session: Any) -> tuple[str, ...]:
    """Return the shortcuts that do as botocore does."""
    with _saying("requests and replies stay botocore's") as amiss:
        _check_versions("botocore", "urllib3", "msgspec")
        wanted = ["requests", *(name for name in _SHORTCUTS if _at_least("botocore", _SINCE.get(name, "0")))]
        probe = partial(_Probe, client, session)
        try:
            plain, whole = probe(), probe(wanted)
            _compare(plain, whole, _says_the_same)
            plain.install(["requests"])
            _compare(plain, whole, _is_the_same)
        except Exception as error:  # whatever another version has done to its inside
            wanted = _right_ones(probe, wanted, amiss)
            if not amiss:
                amiss["together"], wanted = error, []
        return tuple(wanted)
    return ()


def _right_ones(probe: Callable[..., _Probe], wanted: Sequence[str], amiss: dict[str, Exception]) -> list[str]:
    """Return those of some shortcuts that do as botocore does, by themselves and together."""
    right: list[str] = []
    for name in wanted:
        same = _says_the_same if name == "requests" else _is_the_same
        try:
            _compare(probe(right), probe([*right, name]), same)
        except Exception as error:
            amiss[name] = error
        else:
            right.append(name)
    return right


class _Prepared(BaseException):
    """A request that would now go to the socket; no handler that comes later is told of it, nor is a retry tried."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.method, self.url, self.body = request.method, request.url, request.body
        self.headers = [(name.lower(), _text(value)) for name, value in request.headers.items()]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


class _Probe:
    """A client like another, with credentials of its own and some shortcuts, which sends nothing."""

    def __init__(self, like: Any, session: Any, shortcuts: Sequence[str] = ()) -> None:
        from botocore.config import Config

        is_aws = _kind(like)[-1]
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_session_token": "test"}
        self.client = session.create_client(
            "dynamodb",
            like.meta.region_name,
            endpoint_url=None if is_aws else like.meta.endpoint_url,
            config=like.meta.config.merge(Config(parameter_validation=False)),  # as PynamoDB's
            **keys,
        )
        events = self.client.meta.events
        events.register_first("before-call.dynamodb", _same_invocation)
        events.register_first("before-send.dynamodb", _stop)
        self.shortcuts: list[str] = []
        self.install(shortcuts)

    def install(self, shortcuts: Sequence[str]) -> None:
        """Install some shortcuts more."""
        for name in shortcuts:
            _module(name).install(self.client)
            self.shortcuts.append(name)

    def prepared(self, operation: str, parameters: dict[str, Any]) -> _Prepared:
        """Return the request of an operation; instrumentation that is wrapped around calls is passed by."""
        call = inspect.unwrap(type(self.client)._make_api_call)
        try:
            call(self.client, operation, parameters)
        except _Prepared as request:
            return request
        raise Amiss(f"{operation} prepares no request")

    def parsed(self, operation: str, status: int, body: bytes) -> Any:
        """Return what is read of a reply."""
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
    raise _Prepared(request)


def _compare(theirs: _Probe, ours: _Probe, same: Same) -> None:
    """Compare the requests and replies of two clients.

    Raises:
        Amiss: some are not the same.
    """
    with _refusing_fallbacks():
        _compare_requests(theirs, ours, same)
        if "replies" in ours.shortcuts:
            _compare_replies(theirs, ours)


def _compare_requests(theirs: _Probe, ours: _Probe, same: Same) -> None:
    from pipemodels.wire import samples

    plain, given = samples.requests(written=False), samples.requests(written=same is _says_the_same)
    for (operation, their_parameters), (_, our_parameters) in zip(plain, given, strict=True):
        for _ in range(9):  # until both were signed in the same second
            first, second = theirs.prepared(operation, their_parameters()), ours.prepared(operation, our_parameters())
            if dict(first.headers)["x-amz-date"] == dict(second.headers).get("x-amz-date"):
                break
        same(operation, first, second)


def _compare_replies(theirs: _Probe, ours: _Probe) -> None:
    """Compare what two clients read of replies: as it is, and for a model.

    Raises:
        Amiss: some of it is not the same.
    """
    from pipemodels.wire import samples

    for operation, status, body in samples.REPLIES:
        read, ordinarily = ours.parsed(operation, status, body), theirs.parsed(operation, status, body)
        with wire.reading(samples.Sample):
            for_model = ours.parsed(operation, status, body)
        is_made = samples.objects(for_model) == samples.objects(
            ordinarily
        )  # first: who looks at a reply makes it plain
        if not is_made or not read == ordinarily == for_model:
            raise Amiss(f"a reply to {operation} is read otherwise")


def _is_the_same(operation: str, theirs: _Prepared, ours: _Prepared, but_for: Sequence[str] = ()) -> None:
    """Refuse two requests that are not the same, byte for byte, but for some parts of them.

    Raises:
        Amiss: they are not.
    """
    for part in ("method", "url", "body"):
        if part not in but_for and getattr(theirs, part) != getattr(ours, part):
            raise Amiss(f"{operation}: its {part} differs")
    mine, yours = ([one for one in request.headers if one[0] not in but_for] for request in (ours, theirs))
    if mine != yours:
        names = sorted({name for name, _ in set(mine) ^ set(yours)})
        raise Amiss(f"{operation}: its headers differ: {', '.join(names) or 'in their order'}")


def _says_the_same(operation: str, theirs: _Prepared, ours: _Prepared) -> None:
    """Refuse requests that do not say the same JSON, which botocore writes with spaces, and so has another signature.

    Raises:
        Amiss: they do not, or botocore writes JSON in another way than is known.
    """
    _is_the_same(operation, theirs, ours, ("body", "content-length", "authorization"))
    said = json.loads(theirs.body)
    if theirs.body != json.dumps(said).encode():
        raise Amiss(f"{operation}: botocore writes its JSON in a way that is not known")
    if json.loads(ours.body) != said:
        raise Amiss(f"{operation}: its body says something else")
    signed = [dict(one.headers)["authorization"].rpartition("Signature=")[0] for one in (theirs, ours)]
    if signed[0] != signed[1] or dict(ours.headers)["content-length"] != str(len(ours.body)):
        raise Amiss(f"{operation}: something else is signed")


# -- models ---------------------------------------------------------------------------------------------------------


def encoder(model: type[Model]) -> Encoder | None:
    """Return the encoder of a model; None for one that writes in a way of its own, or if encoders are not right."""
    if "encoders" not in _right_codecs():
        return None
    return _compiled("encoders", "compile_encoder", model)  # type: ignore[no-any-return]  # of this model


def decoder(model: type[Model]) -> Decoder | None:
    """Return the decoder of a model; None for one that reads in a way of its own, or if decoders are not right."""
    if "decoders" not in _right_codecs():
        return None
    return _compiled("decoders", "compile_decoder", model)  # type: ignore[no-any-return]  # of this model


def _compiled(module: str, function: str, model: type[Model]) -> Any:
    try:
        return getattr(_module(module), function)(model)
    except Exception as error:
        _warn(f"{model.__qualname__} is left to PynamoDB by {module}: {_words(error)}")
        return None


def _right_codecs() -> tuple[str, ...]:
    return _found(("codecs", *_versions("pynamodb", "msgspec")), _codecs_like_pynamodb)


def _codecs_like_pynamodb() -> tuple[str, ...]:
    """Return which codecs make and write of a sample what PynamoDB does."""
    with _saying("items are read and written as PynamoDB does") as amiss:
        _check_versions("pynamodb", "msgspec")
        from pipemodels.wire import samples

        right = []
        for name, check in (("encoders", samples.check_encoder), ("decoders", samples.check_decoder)):
            try:
                if differs := check():
                    raise Amiss(differs)
                right.append(name)
            except Exception as error:
                amiss[name] = error
        return tuple(right)
    return ()


# -- both -----------------------------------------------------------------------------------------------------------


def _found(key: Any, find: Any) -> Any:
    with _lock:
        if key not in _open and key not in _asked:  # what is asked meanwhile, by what is compared, is not found yet
            _asked.add(key)
            try:
                _open[key] = find()
            finally:
                _asked.remove(key)
        return _open.get(key, ())


def _after_fork() -> None:
    """A child must not wait for a thread that it does not have."""
    global _lock
    _lock = RLock()
    _asked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _module(name: str) -> Any:
    return import_module(f"pipemodels.wire.{name}")


@contextmanager
def _saying(what: str) -> Iterator[dict[str, Exception]]:
    """Warn, once for all of it, of what was amiss inside the block, by the names of the shortcuts."""
    amiss: dict[str, Exception] = {}
    try:
        yield amiss
    except Exception as error:  # whatever another version has done to its inside
        amiss["all"] = error
    if amiss:
        _warn(f"{what}: {'; '.join(f'{name} ({_words(error)})' for name, error in amiss.items())}")


def _warn(text: str) -> None:
    if text not in _said:
        _said.add(text)
        _log.warning("%s", text)


def _words(error: Exception) -> str:
    said = str(error).partition("\n")[0][:200]
    return said if isinstance(error, Amiss) else f"{type(error).__name__}: {said}"


def _versions(*packages: str) -> tuple[str, ...]:
    return tuple(str(getattr(import_module(package), "__version__", None)) for package in packages)


def _check_versions(*packages: str) -> None:
    for package in packages:
        low, high = TESTED[package]
        if not _at_least(package, low) or _at_least(package, high):
            raise Amiss(f"{package} {_versions(package)[0]} is not of the tested versions, {low} to below {high}")


def _at_least(package: str, version: str) -> bool:
    return _numbers(_versions(package)[0]) >= _numbers(version)


def _numbers(version: str) -> list[int]:
    """Return the numbers of a version before any letters."""
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(number) for number in found[0].split(".")] if found else []
