"""How models read items: with the compiled decoders, and as summaries if only some attributes are read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from inspect import signature
from typing import Any, Self

from pynamodb.models import Model as PynamoModel
from pynamodb.pagination import ResultIterator

from pipemodels.codecs import facade
from pipemodels.config import current_config, using
from pipemodels.models.declared import DeclaredModel
from pipemodels.models.partial import Parts, listed, parts_of, refuse_parts_of_records, restrict
from pipemodels.models.value_checks import refuse_unstorable


class ReadingModel(DeclaredModel):
    """A model whose objects know which attributes were read."""

    @classmethod
    def summary(cls, data: dict[str, Any], held: Parts | frozenset[str]) -> Self:
        """Return the object of an item of which only these attributes were read."""
        item = cls.from_raw_data(data)
        restrict(item, held)
        return item

    @classmethod
    def _to_read(cls, index_name: str | None, settings: dict[str, Any]) -> Parts | frozenset[str] | None:
        """Return the parts that such a read returns, or None for all; make `attributes_to_get` a list."""
        refuse_unstorable(settings.get("range_key_condition"), settings.get("filter_condition"))
        names = settings.get("attributes_to_get")
        if names is None:
            return cls.held_by(index_name)
        settings["attributes_to_get"] = names = listed(names)
        parts = parts_of(names)
        refuse_parts_of_records(cls.get_attributes(), parts)
        return parts

    @classmethod
    def query(cls, hash_key: Any, *args: Any, **settings: Any) -> ResultIterator[Self]:
        """Query the table or an index; attributes that an index does not project raise on access."""
        settings = _by_name(PynamoModel.query, (hash_key, *args), settings)
        held = cls._to_read(settings.get("index_name"), settings)
        return cls._mark(super().query(**settings), held)

    @classmethod
    def scan(cls, *args: Any, **settings: Any) -> ResultIterator[Self]:
        """Scan the table or an index; attributes that an index does not project raise on access."""
        settings = _by_name(PynamoModel.scan, args, settings)
        held = cls._to_read(settings.get("index_name"), settings)
        return cls._mark(super().scan(**settings), held)

    @classmethod
    def _mark(cls, results: ResultIterator[Self], held: Parts | frozenset[str] | None) -> ResultIterator[Self]:
        model: Any = cls
        results.page_iter._operation = facade.Pages(model, results.page_iter._operation)
        if held is not None:
            results._map_fn = lambda data: cls.summary(data, held)
        return results

    @classmethod
    def get(cls, *args: Any, **settings: Any) -> Self:
        """Return an item by its key; with `attributes_to_get`, as a summary."""
        settings = _by_name(PynamoModel.get, args, settings)
        held = cls._to_read(None, settings)
        model: Any = cls
        with facade.reading(model):
            item = super().get(**settings)
        if held is not None:
            restrict(item, held)
        return item

    @classmethod
    def _batch_get_page(cls, *args: Any, **settings: Any) -> tuple[Any, Any]:
        model: Any = cls
        with facade.reading(model):
            items, unprocessed = super()._batch_get_page(*args, **settings)  # type: ignore[no-untyped-call]  # PynamoDB's
        return facade.stored_items(items), unprocessed

    @classmethod
    def batch_get(cls, *args: Any, **settings: Any) -> Iterator[Self]:
        """Yield items by their keys, in no particular order; with `attributes_to_get`, as summaries."""
        settings = _by_name(PynamoModel.batch_get, args, settings)
        held = cls._to_read(None, settings)
        config, items = current_config(), super().batch_get(**settings)

        def read() -> Iterator[Self]:
            while True:
                with using(config):  # the configuration of the call, wherever the iterator is consumed
                    item = next(items, None)
                if item is None:
                    return
                if held is not None:
                    restrict(item, held)
                yield item

        return read()


@lru_cache(maxsize=16)
def _parameters(function: Any) -> tuple[str, ...]:
    return tuple(signature(function).parameters)[1:]  # without `cls`


def _by_name(method: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of a class method of PynamoDB by name."""
    names = _parameters(method.__func__)
    if len(args) > len(names) or not settings.keys().isdisjoint(names[: len(args)]):
        method(*args, **settings)  # raises the usual TypeError
    return {**dict(zip(names, args, strict=False)), **settings}
