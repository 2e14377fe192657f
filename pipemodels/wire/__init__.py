"""The wire: what DynamoDB sends and takes, read and written by compiled code instead of step by step.

PynamoDB and botocore build every reply and every request several times over. Here a model's decoder and encoder are
compiled, at first use, from the attributes that it declares, and the JSON itself is left to msgspec. Whatever is out
of the ordinary goes the ordinary way: same result, slower. `docs/performance.md` says what each step gives.

This module is all that the rest of the package sees; it imports nothing costly before something is read or written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pipemodels.models.base import Model
    from pipemodels.wire.decoders import Decoder
    from pipemodels.wire.encoders import Encoder

_M = TypeVar("_M", bound="Model")

_reading: ContextVar[type[Model] | None] = ContextVar("pipemodels_reading", default=None)


def install(session: Any) -> None:
    """Have the clients of a botocore session read replies the fast way, if its botocore is one that we know."""
    from pipemodels.wire.replies import install_parser

    install_parser(session)


def install_in_client(client: Any) -> None:
    """Have a client write requests the fast way, if its botocore is one that we know."""
    for part in ("requests", "calls", "user_agent", "headers", "connections"):
        try:
            module = import_module(f"pipemodels.wire.{part}")
        except ImportError:  # a botocore, or a urllib3, that is otherwise inside
            continue
        module.install(client)


def decoder_of(model: type[Model]) -> Decoder | None:
    """Return the compiled decoder of a model, made at first use; None for a model that reads in a way of its own."""
    known: Decoder | None
    of, known = model._wire_decoder
    if of is model:  # and no model from which it inherits
        return known
    from pipemodels.wire.decoders import compile_decoder

    known = compile_decoder(model)
    model._wire_decoder = model, known
    return known


def decoded(model: type[_M], item: Any) -> _M | None:
    """Return an object of an item, in the model's form or plain; None where it must be made the ordinary way."""
    item = stored_items(item)
    is_plain = isinstance(item, dict)
    if (is_plain and not is_on()) or (decoder := decoder_of(model)) is None:
        return None
    try:
        if type(item) is decoder.form:
            return decoder.build(item)  # type: ignore[no-any-return]  # of this model
        return decoder.of_plain(item) if is_plain else None
    except Exception:  # whatever it was: the ordinary way says it in its own words
        return None


def is_on() -> bool:
    """Say whether the configuration in force leaves the wire on; `config`, which imports this, puts its own here."""
    return True


def encoder_of(model: type[Model]) -> Encoder | None:
    """Return the compiled encoder of a model, made at first use; None for a model that writes in a way of its own."""
    known: Encoder | None
    of, known = model._wire_encoder
    if of is model:  # and no model from which it inherits
        return known
    from pipemodels.wire.encoders import compile_encoder

    known = compile_encoder(model)
    model._wire_encoder = model, known
    return known


def filled(item: Model, values: Mapping[str, Any]) -> bool:
    """Give a new object its defaults and these values; False where that is to be done the ordinary way."""
    if not is_on() or (encoder := encoder_of(type(item))) is None:
        return False
    try:
        encoder.fill(item, values)
    except Exception:  # whatever it was: the ordinary way says it in its own words
        return False
    return True


def encoded(item: Model, *, null_check: bool) -> dict[str, dict[str, Any]] | None:
    """Return the tagged form of an object, checked whole; None where that must be done the ordinary way."""
    encoder = encoder_of(type(item)) if is_on() and null_check else None
    return _done(encoder.encoded, item) if encoder else None


def save_request(item: Model) -> dict[str, Any] | None:
    """Return a put under the condition of the object's revision; None where that must be made the ordinary way.

    It is a `Written`: its JSON, and a dict to whoever looks.
    """
    encoder = encoder_of(type(item)) if is_on() else None
    return _done(encoder.save_request, item) if encoder and encoder.saves else None


def item_to_send(item: Model) -> dict[str, Any] | None:
    """Return the item of an object as a `Written`; None where that must be made the ordinary way."""
    if item._held is not None:
        return None  # a summary, which is refused
    encoder = encoder_of(type(item)) if is_on() else None
    return _done(encoder.written, item) if encoder and encoder.writes else None


def _done(work: Callable[[Any], Any], item: Model) -> Any:
    try:
        return work(item)
    except Exception:  # whatever it was: the ordinary way says it in its own words
        return None


def is_written(item: Any) -> bool:
    """Say whether this is a `Written`."""
    return hasattr(item, "unread")


def json_size(put: Any) -> int:
    """Return how many bytes of JSON this is."""
    if (size := getattr(put, "size", None)) is not None:
        return int(size)
    from msgspec.json import encode

    return len(encode(put))


def plain(item: Any) -> Any:
    """Return an item as botocore gives it, whichever way it was read."""
    return item if isinstance(item, dict) else item.plain()


# -- pages ----------------------------------------------------------------------------------------------------------


class reading:
    """Says that the items of the replies inside the block are for this model; `stored_items` then takes them out."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model

    def __enter__(self) -> None:
        self._token = _reading.set(self._model)

    def __exit__(self, *_: object) -> None:
        _reading.reset(self._token)


def model_being_read() -> type[Model] | None:
    """Return the model for which the current reply is read."""
    return _reading.get()


def stored_items(items: Any) -> Any:
    """Return a reply's items, or its one, as they are decoded: for `from_raw_data` and for keys; else as they are."""
    taken = getattr(items, "taken", None)
    return taken() if taken else items


class Pages:
    """An operation of PynamoDB that returns pages, whose items are for one model.

    PynamoDB's iterators call it, and ask `__self__` for the keys of its table.
    """

    def __init__(self, model: type[Model], operation: Callable[..., Mapping[str, Any]]) -> None:
        self._model, self._operation = model, operation
        self.__self__ = operation.__self__  # type: ignore[attr-defined]  # a bound method

    def __call__(self, *args: Any, **settings: Any) -> dict[str, Any]:
        """Return a page, with its items as they are decoded."""
        with reading(self._model):
            page = dict(self._operation(*args, **settings))
        if "Items" in page:
            page["Items"] = stored_items(page["Items"])
        return page
