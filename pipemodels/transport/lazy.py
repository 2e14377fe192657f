"""Lazy lists and dicts, which build their content on first access.

The fast path passes items through botocore as JSON or as structs of a model's schema. Event handlers and wrappers of
botocore's calls see the same lists and dicts as without the fast path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipemodels.transport.fragments import dict_of


class _Unread:
    """The value of an unread dict for C code that bypasses its methods; the dict must not look empty."""

    __slots__ = ()


_UNREAD = _Unread()


class LazyDict(dict[str, Any]):
    """A dict that is built from the held value on first access, and is a plain dict afterwards."""

    __slots__ = ("_held",)

    def __init__(self, held: Any) -> None:
        dict.__setitem__(self, "", _UNREAD)
        self._held: Any = held

    def unread(self) -> Any:
        """Return the held value; None after the first access, since the content may have changed."""
        return self._held

    def _made(self) -> dict[str, Any]:
        """Return a plain dict built from the held value."""
        raise NotImplementedError

    def _look(self) -> None:
        if self._held is not None:
            plain, self._held = self._made(), None
            dict.clear(self)
            dict.update(self, plain)

    def __bool__(self) -> bool:
        return self._held is not None or dict.__len__(self) > 0

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return dict, (dict(self),)

    fromkeys = dict.fromkeys  # it returns a plain dict


class Written(LazyDict):
    """An item, or a put with its item, as the JSON to send.

    Attributes:
        table: the table of a put; None for an item.
        size: the length of the JSON in bytes.
    """

    __slots__ = ("size", "table")

    def __init__(self, json: bytes, table: str | None = None) -> None:
        super().__init__(json)
        self.size, self.table = len(json), table

    def _made(self) -> dict[str, Any]:
        return dict_of(self._held)


class Item(LazyDict):
    """The item of a reply, read with the schema of a model."""

    __slots__ = ("_plain",)

    def __init__(self, stored: Any, plain: Callable[[], dict[str, Any]]) -> None:
        super().__init__(stored)
        self._plain = plain

    def taken(self) -> Any:
        """Return the struct of the item, or a plain dict after the first access."""
        return dict.copy(self) if self._held is None else self._held

    def _made(self) -> dict[str, Any]:
        return self._plain()


class Items(list[Any]):
    """The items of a page, read with the schema of a model."""

    def __init__(self, stored: list[Any], plain: Callable[[], list[Any]]) -> None:
        super().__init__(stored)
        self._plain: Callable[[], list[Any]] | None = plain

    def taken(self) -> list[Any]:
        """Return the structs of the items, or plain dicts after the first access."""
        return list.copy(self)

    def _look(self) -> None:
        if self._plain is not None:
            plain, self._plain = self._plain(), None
            list.__setitem__(self, slice(None), plain)

    def __radd__(self, other: Any) -> Any:  # that of `list` would not build the content
        return other + list(self)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)


def _looking(method: Any) -> Callable[..., Any]:
    def look_first(self: LazyDict | Items, *args: Any, **settings: Any) -> Any:
        self._look()
        return method(self, *args, **settings)

    return look_first


_AS_THEY_ARE = {
    "__init__", "__new__", "__class__", "__getattribute__", "__setattr__", "__delattr__", "__init_subclass__",
    "__subclasshook__", "__class_getitem__", "__reduce__", "__reduce_ex__", "__sizeof__", "__dir__", "__getstate__",
    "__doc__", "__hash__", "fromkeys",
}  # fmt: skip
for _name in set(dir(dict)) - _AS_THEY_ARE:
    setattr(LazyDict, _name, _looking(getattr(dict, _name)))
for _name in set(dir(list)) - _AS_THEY_ARE - {"__len__"}:
    setattr(Items, _name, _looking(getattr(list, _name)))
