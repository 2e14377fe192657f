"""The gate: each shortcut is compared with botocore before its first use, and stays off if the results differ.

The fast path uses private parts of botocore and PynamoDB, which any of their versions may change. It is therefore
used only with the tested versions, and only after it has prepared the same requests, read the same replies and made
the same objects as botocore and PynamoDB. A shortcut that differs stays off, and one warning says which and why.

The process compares once for each kind of endpoint, when it creates the first client; no request is sent.
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

from pipemodels.transport.errors import ShortcutError
from pipemodels.transport.shortcuts import is_of_aws, shortcut

if TYPE_CHECKING:
    from pipemodels.transport.probes import Probe

_log = logging.getLogger("pipemodels.fast_path")

TESTED = {"botocore": ("1.35", "2"), "urllib3": ("1.26.18", "3"), "pynamodb": ("6.1", "7"), "msgspec": ("0.19", "1")}
"""The tested versions: the first and, exclusive, the last; the same as in `setup.cfg` and `make wire-versions`."""
_SINCE = {"calls": "1.40", "user_agent": "1.40"}  # older versions of botocore have nothing to shorten there
_SHORTCUTS = ("signing", "calls", "user_agent", "replies")  # they change no byte of a request written by `requests`

_lock = RLock()
_open: dict[Any, tuple[str, ...]] = {}  # the shortcuts found right, by kind
_asked: set[Any] = set()
_logged: set[str] = set()


# -- clients --------------------------------------------------------------------------------------------------------


def install(client: Any, session: Any) -> None:
    """Install in a client the shortcuts that passed the comparison for its kind of client.

    Args:
        client: a new client that has not been used.
        session: the session that created it, and creates the clients to compare.
    """
    for name in found_right(("requests", *_kind(client)), lambda: _right_shortcuts(client, session)):
        try:
            shortcut(name).install(client)
        except Exception as error:  # this client differs from the compared ones
            warn("a client keeps what is botocore's", {name: words(error)})


def _kind(client: Any) -> tuple[Any, ...]:
    return versions("botocore", "urllib3", "msgspec"), urlsplit(client.meta.endpoint_url).scheme, is_of_aws(client)


def _right_shortcuts(client: Any, session: Any) -> tuple[str, ...]:
    """Return the shortcuts whose results equal those of botocore."""
    right: Sequence[str] = ()
    with warning_of("requests and replies stay botocore's") as problems:
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
        except Exception as error:  # any error, as another version may have changed any private part
            found = _right_ones(probe, wanted, problems)
            if problems:
                right = found
            else:
                problems["together"] = error
    return tuple(right)


def _right_ones(probe: Callable[..., Probe], wanted: Sequence[str], problems: dict[str, Exception]) -> list[str]:
    """Return the shortcuts, of those wanted, whose results equal those of botocore, alone and together."""
    from pipemodels.transport.probes import compare, is_the_same, says_the_same

    right: list[str] = []
    for name in wanted:
        same = says_the_same if name == "requests" else is_the_same
        try:
            compare(probe(right), probe([*right, name]), same)
        except Exception as error:
            problems[name] = error
        else:
            right.append(name)
    return right


# -- clients and codecs ----------------------------------------------------------------------------------------------


def found_right(key: Any, find: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """Return the result of `find` for this key; the process calls it once."""
    with _lock:
        if key not in _open and key not in _asked:  # false for a nested call by `find`, which gets ()
            _asked.add(key)
            try:
                _open[key] = find()
            finally:
                _asked.remove(key)
        return _open.get(key, ())


def _after_fork() -> None:
    """Replace the lock, which a thread that does not exist in the child may hold."""
    global _lock
    _lock = RLock()
    _asked.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def warning_of(what: str) -> Iterator[dict[str, Exception]]:
    """Yield a dict for problems by name of the shortcut, and log them after the block as one warning."""
    problems: dict[str, Exception] = {}
    try:
        yield problems
    except Exception as error:  # any error, as another version may have changed any private part
        problems["all"] = error
    warn(what, {name: words(error) for name, error in problems.items()})


def warn(what: str, reasons: dict[str, str]) -> None:
    """Log a warning, unless all of the reasons were logged before."""
    if new := set(reasons.values()) - _logged:
        _logged.update(new)
        _log.warning("%s: %s", what, "; ".join(f"{name} ({reason})" for name, reason in reasons.items()))


def words(error: Exception) -> str:
    """Return the text of an error for a warning."""
    said = str(error).partition("\n")[0][:200]
    return said if isinstance(error, ShortcutError) else f"{type(error).__name__}: {said}"


def versions(*packages: str) -> tuple[str, ...]:
    """Return the versions of the packages."""
    return tuple(str(getattr(import_module(package), "__version__", None)) for package in packages)


def check_versions(*packages: str) -> None:
    """Check that the packages have versions with which the fast path is tested.

    Raises:
        ShortcutError: a version is outside its range.
    """
    for package in packages:
        low, high = TESTED[package]
        if not _at_least(package, low) or _at_least(package, high):
            raise ShortcutError(
                f"{package} {versions(package)[0]} is not within the tested versions, >={low},<{high}"
            )


def _at_least(package: str, version: str) -> bool:
    return _numbers(versions(package)[0]) >= _numbers(version)


def _numbers(version: str) -> list[int]:
    """Return the leading numbers of a version."""
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(number) for number in found[0].split(".")] if found else []
