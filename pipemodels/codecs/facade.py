"""The fast path: items are read and written by code that is compiled for each model.

PynamoDB and botocore build every reply and every request several times over. Here the decoder and the encoder of a
model are compiled at first use from its declared attributes, and msgspec reads and writes the JSON. PynamoDB and
botocore handle unusual values as a fallback, with the same results. `docs/performance.md` describes each step.

The rest of the package imports this module only; it loads the other modules when an item is first read or written.
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
    """Return the decoder of a model, compiled at first use; None if the model overrides how it reads."""
    known: Decoder | None
    of, known = model._wire_decoder
    if of is model:  # not inherited from another model
        return known
    from pipemodels.codecs import gate

    known = gate.decoder(model, model._base)
    model._wire_decoder = model, known
    return known


def encoder_of(model: type[Model]) -> Encoder | None:
    """Return the encoder of a model, compiled at first use; None if the model overrides how it writes."""
    known: Encoder | None
    of, known = model._wire_encoder
    if of is model:  # not inherited from another model
        return known
    from pipemodels.codecs import gate

    known = gate.encoder(model, model._base)
    model._wire_encoder = model, known
    return known


def decoded(model: type[_M], item: Any, ordinarily: Callable[[dict[str, Any]], _M]) -> _M:
    """Return an object for an item, a struct of the schema or a plain dict; the fallback is `ordinarily`."""
    item = stored_items(item)
    is_plain = isinstance(item, dict)
    decoder = None if is_plain and not wire_is_on() else decoder_of(model)
    if decoder is None or not (is_plain or type(item) is decoder.schema):
        return ordinarily(plain(item))
    try:
        found: _M = decoder.of_plain(item) if is_plain else decoder.build(item)
    except Exception as error:  # any error: the fallback reads the item, or raises its own error
        fallback = _fallback("reading", model, error)
    else:
        return found
    made = ordinarily(plain(item))
    fallback.happened()
    return made


def fill(item: Model, keys: Sequence[Any], values: Mapping[str, Any]) -> Fallback | None:
    """Set the defaults, values and keys of a new object; if that fails, return the `Fallback` to count."""
    if not wire_is_on() or (encoder := encoder_of(type(item))) is None:
        from pipemodels.transport.fallbacks import OFF

        return OFF
    try:
        encoder.fill(item, keys, values)
    except Exception as error:  # any error: the fallback sets the values, or raises its own error
        return _fallback("making", type(item), error)
    return None


def encoded(
    item: Model, *, null_check: bool, ordinarily: Callable[[bool], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Validate an object and return its item."""
    encoder = encoder_of(type(item)) if wire_is_on() and null_check else None
    return _either(encoder.encoded if encoder else None, item, lambda: ordinarily(null_check))


def save_request(item: Model, ordinarily: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a put on condition that the stored revision is that of the object.

    It may be a `Written`, a lazy dict that holds the JSON.
    """
    encoder = encoder_of(type(item)) if wire_is_on() else None
    return _either(encoder.save_request if encoder and encoder.saves else None, item, ordinarily)


def item_to_send(item: Model) -> dict[str, Any]:
    """Return the item of an object; it may be a `Written`, a lazy dict that holds the JSON."""
    summary = item._held is not None  # `serialize` refuses it
    encoder = encoder_of(type(item)) if wire_is_on() and not summary else None
    return _either(encoder.written if encoder and encoder.writes else None, item, item.serialize)


def _either(
    work: Callable[[Any], dict[str, Any]] | None, item: Model, ordinarily: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    if work is None:
        return ordinarily()
    try:
        return work(item)
    except Exception as error:  # any error: the fallback writes the item, or raises its own error
        fallback = _fallback("writing", type(item), error)
    written = ordinarily()
    fallback.happened()
    return written


def _fallback(task: str, model: type[Model], error: Exception) -> Fallback:
    from pipemodels.transport.fallbacks import Fallback

    return Fallback(task, f"{model.__module__}.{model.__qualname__}", error)


def is_written(item: Any) -> bool:
    """Return whether this is a `Written`."""
    return hasattr(item, "size")


def json_size(put: Any) -> int:
    """Return the length of the JSON in bytes."""
    if (size := getattr(put, "size", None)) is not None:
        return int(size)
    return len(json.dumps(put, ensure_ascii=False, default=_base64).encode("utf-8", "surrogatepass"))


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def plain(item: Any) -> Any:
    """Return the item as botocore returns it."""
    return item if isinstance(item, dict) else item.plain()


# -- pages ----------------------------------------------------------------------------------------------------------


class reading:
    """A context in which replies are read with the schema of a model; `stored_items` returns their items."""

    def __init__(self, model: type[Model] | None) -> None:
        self._model = model

    def __enter__(self) -> None:
        decoder = decoder_of(self._model) if self._model is not None and wire_is_on() else None
        self._token = wanted.set(decoder.schema if decoder else None)

    def __exit__(self, *_: object) -> None:
        wanted.reset(self._token)


def stored_items(items: Any) -> Any:
    """Return the item or items of a reply as structs, if they were read so, else unchanged."""
    taken = getattr(items, "taken", None)
    return taken() if taken else items


class Pages:
    """An operation of PynamoDB whose pages are read for a model.

    PynamoDB's iterators call it, and read the keys of the table from `__self__`.
    """

    def __init__(self, model: type[Model], operation: Callable[..., Mapping[str, Any]]) -> None:
        self._model, self._operation = model, operation
        self.__self__ = operation.__self__  # type: ignore[attr-defined]  # a bound method

    def __call__(self, *args: Any, **settings: Any) -> dict[str, Any]:
        """Return a page with its items as `stored_items` returns them."""
        with reading(self._model):
            page = dict(self._operation(*args, **settings))
        if "Items" in page:
            page["Items"] = stored_items(page["Items"])
        return page
