"""A list and dicts whose content is made only if somebody looks.

What the fast way reads or writes is carried through botocore in another form: as JSON, or in a model's form. Handlers
of botocore's events, and whoever wraps its calls, meet what botocore would have given them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipemodels.transport.fragments import dict_of


class _Unread:
    """What an unread dict holds: who looks past its methods, from C, must not find it empty."""

    __slots__ = ()


_UNREAD = _Unread()


class LazyDict(dict[str, Any]):
    """A dict that is made of what it holds when somebody looks, and is a plain one from then on."""

    __slots__ = ("_held",)

    def __init__(self, held: Any) -> None:
        dict.__setitem__(self, "", _UNREAD)
        self._held: Any = held

    def unread(self) -> Any:
        """Return what it holds; None if somebody has looked, and may have changed something."""
        return self._held

    def _made(self) -> dict[str, Any]:
        """Return the plain dict of what it holds."""
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

    fromkeys = dict.fromkeys  # of a dict, and makes one


class Written(LazyDict):
    """An item, or a put with its item, as it is sent: JSON.

    Attributes:
        table: into which an item is put; None of an item alone.
        size: of its JSON, in bytes.
    """

    __slots__ = ("size", "table")

    def __init__(self, json: bytes, table: str | None = None) -> None:
        super().__init__(json)
        self.size, self.table = len(json), table

    def _made(self) -> dict[str, Any]:
        return dict_of(self._held)


class Item(LazyDict):
    """The item of a reply that was read for a model, in the model's form."""

    __slots__ = ("_plain",)

    def __init__(self, stored: Any, plain: Callable[[], dict[str, Any]]) -> None:
        super().__init__(stored)
        self._plain = plain

    def taken(self) -> Any:
        """Return the item as it is decoded, or a plain one if somebody has looked."""
        return dict.copy(self) if self._held is None else self._held

    def _made(self) -> dict[str, Any]:
        return self._plain()


class Items(list[Any]):
    """The items of a page that was read for a model, in the model's form."""

    def __init__(self, stored: list[Any], plain: Callable[[], list[Any]]) -> None:
        super().__init__(stored)
        self._plain: Callable[[], list[Any]] | None = plain

    def taken(self) -> list[Any]:
        """Return the items as they are decoded, or plain ones if somebody has looked."""
        return list.copy(self)

    def _look(self) -> None:
        if self._plain is not None:
            plain, self._plain = self._plain(), None
            list.__setitem__(self, slice(None), plain)

    def __radd__(self, other: Any) -> Any:  # a list's own looks at nothing
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
