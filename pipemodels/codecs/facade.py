"""The wire: what DynamoDB sends and takes, read and written by compiled code instead of step by step.

PynamoDB and botocore build every reply and every request several times over. Here a model's decoder and encoder are
compiled, at first use, from the attributes that it declares, and the JSON itself is left to msgspec. Whatever is out
of the ordinary goes the ordinary way: same result, slower. `docs/performance.md` says what each step gives.

This module is all that the rest of the package sees; it imports nothing costly before something is read or written.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pipemodels.config import wire_is_on
from pipemodels.transport.wanted import wanted

if TYPE_CHECKING:
    from pipemodels.codecs.reading import Decoder
    from pipemodels.codecs.writing import Encoder
    from pipemodels.models.base import Model
    from pipemodels.transport.fallbacks import Fallback

_M = TypeVar("_M", bound="Model")


def decoder_of(model: type[Model]) -> Decoder | None:
    """Return the compiled decoder of a model, made at first use; None for a model that reads in a way of its own."""
    known: Decoder | None
    of, known = model._wire_decoder
    if of is model:  # and no model from which it inherits
        return known
    from pipemodels.codecs import gate

    known = gate.decoder(model, model._base)
    model._wire_decoder = model, known
    return known


def encoder_of(model: type[Model]) -> Encoder | None:
    """Return the compiled encoder of a model, made at first use; None for a model that writes in a way of its own."""
    known: Encoder | None
    of, known = model._wire_encoder
    if of is model:  # and no model from which it inherits
        return known
    from pipemodels.codecs import gate

    known = gate.encoder(model, model._base)
    model._wire_encoder = model, known
    return known


def decoded(model: type[_M], item: Any, ordinarily: Callable[[dict[str, Any]], _M]) -> _M:
    """Return an object of an item, in the model's schema or plain; `ordinarily` makes one of a plain item."""
    item = stored_items(item)
    is_plain = isinstance(item, dict)
    decoder = None if is_plain and not wire_is_on() else decoder_of(model)
    if decoder is None or not (is_plain or type(item) is decoder.schema):
        return ordinarily(plain(item))
    try:
        found: _M = decoder.of_plain(item) if is_plain else decoder.build(item)
    except Exception as error:  # whatever it was: the ordinary way reads it, or says in its own words what is wrong
        fallback = _fallback("reading", model, error)
    else:
        return found
    made = ordinarily(plain(item))
    fallback.happened()
    return made


def fill(item: Model, keys: Sequence[Any], values: Mapping[str, Any]) -> Fallback | None:
    """Give a new object its defaults, these values and keys; return a fallback where that is not done."""
    if not wire_is_on() or (encoder := encoder_of(type(item))) is None:
        from pipemodels.transport.fallbacks import OFF

        return OFF
    try:
        encoder.fill(item, keys, values)
    except Exception as error:  # whatever it was: the ordinary way takes it, or says in its own words what is wrong
        return _fallback("making", type(item), error)
    return None


def encoded(
    item: Model, *, null_check: bool, ordinarily: Callable[[bool], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the tagged schema of an object, checked whole."""
    encoder = encoder_of(type(item)) if wire_is_on() and null_check else None
    return _either(encoder.encoded if encoder else None, item, lambda: ordinarily(null_check))


def save_request(item: Model, ordinarily: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a put under the condition of the object's revision.

    It may be a `Written`: its JSON, and a dict to whoever looks.
    """
    encoder = encoder_of(type(item)) if wire_is_on() else None
    return _either(encoder.save_request if encoder and encoder.saves else None, item, ordinarily)


def item_to_send(item: Model) -> dict[str, Any]:
    """Return the item of an object; it may be a `Written`."""
    summary = item._held is not None  # which is refused
    encoder = encoder_of(type(item)) if wire_is_on() and not summary else None
    return _either(encoder.written if encoder and encoder.writes else None, item, item.serialize)


def _either(
    work: Callable[[Any], dict[str, Any]] | None, item: Model, ordinarily: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    if work is None:
        return ordinarily()
    try:
        return work(item)
    except Exception as error:  # whatever it was: the ordinary way writes it, or says in its own words what is wrong
        fallback = _fallback("writing", type(item), error)
    written = ordinarily()
    fallback.happened()
    return written


def _fallback(task: str, model: type[Model], error: Exception) -> Fallback:
    from pipemodels.transport.fallbacks import Fallback

    return Fallback(task, f"{model.__module__}.{model.__qualname__}", error)


def is_written(item: Any) -> bool:
    """Say whether this is a `Written`."""
    return hasattr(item, "size")


def json_size(put: Any) -> int:
    """Return how many bytes of JSON this is."""
    if (size := getattr(put, "size", None)) is not None:
        return int(size)
    return len(json.dumps(put, ensure_ascii=False, default=_base64).encode("utf-8", "surrogatepass"))


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def plain(item: Any) -> Any:
    """Return an item as botocore gives it, whichever way it was read."""
    return item if isinstance(item, dict) else item.plain()


# -- pages ----------------------------------------------------------------------------------------------------------


class reading:
    """Says that the items of the replies inside the block are for this model; `stored_items` then takes them out."""

    def __init__(self, model: type[Model] | None) -> None:
        self._model = model

    def __enter__(self) -> None:
        decoder = decoder_of(self._model) if self._model is not None and wire_is_on() else None
        self._token = wanted.set(decoder.schema if decoder else None)

    def __exit__(self, *_: object) -> None:
        wanted.reset(self._token)


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
