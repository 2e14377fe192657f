"""The gate: a shortcut is compared with the ordinary way before it is used, and stays off where anything differs.

The fast way knows how botocore and PynamoDB work inside, which may change with any of their versions. So it is used
with the versions for which it was tested, and only once it has prepared the same requests, read the same replies and
made the same objects as they do by themselves. What differs stays theirs, and one warning says which and why.

A comparison is made once in a process for each kind of endpoint, when its first client is made; nothing is sent.
"""

from __future__ import annotations

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

from pipemodels.transport.errors import Amiss
from pipemodels.transport.shortcuts import is_of_aws, shortcut

if TYPE_CHECKING:
    from pipemodels.transport.probes import Probe

_log = logging.getLogger("pipemodels.fast_path")

TESTED = {"botocore": ("1.35", "2"), "urllib3": ("1.26.18", "3"), "pynamodb": ("6.1", "7"), "msgspec": ("0.19", "1")}
"""From which version on, and below which, the fast way is tested: those of `setup.cfg` and `make wire-versions`."""
_SINCE = {
    "calls": "1.40",
    "user_agent": "1.40",
}  # of botocore: before, what they shorten was not there, or was shorter
_SHORTCUTS = ("signing", "calls", "user_agent", "replies")  # which change no byte of a request that `requests` writes

_lock = RLock()
_open: dict[Any, tuple[str, ...]] = {}  # what was found, by what it was found for
_asked: set[Any] = set()
_said: set[str] = set()


# -- one client -----------------------------------------------------------------------------------------------------


def install(client: Any, session: Any) -> None:
    """Install in a client those shortcuts that are found right for clients of its kind.

    Args:
        client: which nobody has used yet.
        session: which has made it, and makes those that are compared.
    """
    for name in found_right(("requests", *_kind(client)), lambda: _right_shortcuts(client, session)):
        try:
            shortcut(name).install(client)
        except Exception as error:  # this client is not made as those that were compared
            warn("a client keeps what is botocore's", {name: words(error)})


def _kind(client: Any) -> tuple[Any, ...]:
    return versions("botocore", "urllib3", "msgspec"), urlsplit(client.meta.endpoint_url).scheme, is_of_aws(client)


def _right_shortcuts(client: Any, session: Any) -> tuple[str, ...]:
    """Return the shortcuts that do as botocore does."""
    right: Sequence[str] = ()
    with saying("requests and replies stay botocore's") as amiss:
        check_versions("botocore", "urllib3", "msgspec")
        from pipemodels.transport.probes import Probe, compare, is_the_same, says_the_same

        wanted = ["requests", *(name for name in _SHORTCUTS if _at_least("botocore", _SINCE.get(name, "0")))]
        probe = partial(Probe, client, session)
        try:
            plain, whole = probe(), probe(wanted)
            compare(plain, whole, says_the_same)
            plain.install(["requests"])
            compare(plain, whole, is_the_same)
            right = wanted
        except Exception as error:  # whatever another version has done to its inside
            found = _right_ones(probe, wanted, amiss)
            if amiss:
                right = found
            else:
                amiss["together"] = error
    return tuple(right)


def _right_ones(probe: Callable[..., Probe], wanted: Sequence[str], amiss: dict[str, Exception]) -> list[str]:
    """Return those of some shortcuts that do as botocore does, by themselves and together."""
    from pipemodels.transport.probes import compare, is_the_same, says_the_same

    right: list[str] = []
    for name in wanted:
        same = says_the_same if name == "requests" else is_the_same
        try:
            compare(probe(right), probe([*right, name]), same)
        except Exception as error:
            amiss[name] = error
        else:
            right.append(name)
    return right


# -- both -----------------------------------------------------------------------------------------------------------


def found_right(key: Any, find: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Return what was found right for this key; found at the first question, once in a process."""
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


@contextmanager
def saying(what: str) -> Iterator[dict[str, Exception]]:
    """Warn, once for all of it, of what was amiss inside the block, by the names of the shortcuts."""
    amiss: dict[str, Exception] = {}
    try:
        yield amiss
    except Exception as error:  # whatever another version has done to its inside
        amiss["all"] = error
    warn(what, {name: words(error) for name, error in amiss.items()})


def warn(what: str, reasons: dict[str, str]) -> None:
    """Warn of what stays as it is, unless all of the reasons were given before."""
    if new := set(reasons.values()) - _said:
        _said.update(new)
        _log.warning("%s: %s", what, "; ".join(f"{name} ({reason})" for name, reason in reasons.items()))


def words(error: Exception) -> str:
    """Return an error as a warning says it."""
    said = str(error).partition("\n")[0][:200]
    return said if isinstance(error, Amiss) else f"{type(error).__name__}: {said}"


def versions(*packages: str) -> tuple[str, ...]:
    """Return the versions of packages."""
    return tuple(str(getattr(import_module(package), "__version__", None)) for package in packages)


def check_versions(*packages: str) -> None:
    """Refuse versions for which the fast path is not tested.

    Raises:
        Amiss: one is not within its range.
    """
    for package in packages:
        low, high = TESTED[package]
        if not _at_least(package, low) or _at_least(package, high):
            raise Amiss(f"{package} {versions(package)[0]} is not of the tested versions, {low} to below {high}")


def _at_least(package: str, version: str) -> bool:
    return _numbers(versions(package)[0]) >= _numbers(version)


def _numbers(version: str) -> list[int]:
    """Return the numbers of a version before any letters."""
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(number) for number in found[0].split(".")] if found else []
