"""What is written: JSON, which goes into a request as it is; and a plain dict, made only if somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipemodels.wire.parts import dict_of


class _Unread:
    """What it holds until somebody looks: who looks past its methods, from C, must not find it empty."""

    __slots__ = ()


_UNREAD: Any = _Unread()
_put: Any = dict.__setitem__


class Written(dict[str, Any]):
    """An item, or a put with its item, as it is sent.

    Handlers of botocore's events, and whoever wraps its calls, meet a plain dict.

    Attributes:
        table: into which an item is put; None of an item alone.
        size: of its JSON, in bytes.
    """

    __slots__ = ("_json", "size", "table")

    def __init__(self, json: bytes, table: str | None = None) -> None:
        _put(self, "", _UNREAD)
        self._json: bytes | None = json
        self.size, self.table = len(json), table

    def unread(self) -> bytes | None:
        """Return the JSON; None if somebody has looked, and may have changed something."""
        return self._json

    def _look(self) -> None:
        if self._json is not None:
            json, self._json = self._json, None
            dict.clear(self)
            dict.update(self, dict_of(json))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _looking(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def look_first(self: Written, *args: Any, **settings: Any) -> Any:
        self._look()
        return method(self, *args, **settings)

    return look_first


_AS_THEY_ARE = {
    "__init__", "__new__", "__class__", "__getattribute__", "__setattr__", "__delattr__", "__init_subclass__",
    "__subclasshook__", "__class_getitem__", "__reduce__", "__reduce_ex__", "__sizeof__", "__dir__", "__getstate__",
    "__doc__", "__hash__", "fromkeys",
}  # fmt: skip
for _name in set(dir(dict)) - _AS_THEY_ARE:
    setattr(Written, _name, _looking(_name))
