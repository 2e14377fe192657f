"""Every transition of every zone from 1900 to 2100, exhaustively, against integers read from the zone files.

The oracle shares nothing with Python's zoneinfo but the files: it reads TZif (RFC 9636) and the POSIX rule at its
end, and works on whole seconds since 1970. Zones with the same file are one zone.
"""

from __future__ import annotations

import re
import struct
import zoneinfo
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pendulum
import pytest

from pipemodels.instants import instant_text, utc_instant

EPOCH = datetime(1970, 1, 1)
EPOCH_DAY = EPOCH.toordinal()
FIRST_YEAR, LAST_YEAR = 1900, 2100
MICRO = 1_000_000


def seconds_of(year: int) -> int:
    """Return the first second of a year, counted from 1970."""
    return (datetime(year, 1, 1).toordinal() - EPOCH_DAY) * 86_400


@dataclass(frozen=True)
class Transition:
    """At `at` (seconds since 1970) the offset changes (seconds east of UTC)."""

    at: int
    before: int
    after: int


@cache
def zone_files() -> dict[bytes, list[str]]:
    """Return the names of all zones by the content of their file."""
    files: dict[bytes, list[str]] = {}
    for name in sorted(zoneinfo.available_timezones()):
        files.setdefault(_file(name), []).append(name)
    return files


def _file(name: str) -> bytes:
    for folder in zoneinfo.TZPATH:
        if (path := Path(folder, name)).is_file():
            return path.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def read_zone(content: bytes) -> list[Transition]:
    """Return the transitions of a zone file up to 2100, those of its rule included."""
    start = 44 + _block_size(content, 0, 4)  # past the block of 32-bit times
    assert content[start : start + 4] == b"TZif"
    _, _, _, count, types, _ = struct.unpack_from(">6l", content, start + 20)
    place = start + 44
    times = struct.unpack_from(f">{count}q", content, place)
    indices = struct.unpack_from(f">{count}B", content, place + 8 * count)
    offsets = [struct.unpack_from(">l", content, place + 9 * count + 6 * n)[0] for n in range(types)]
    rule = content[start + 44 + _block_size(content, start, 8) :].decode().strip("\n")
    changes = [(at, offsets[index]) for at, index in zip(times, indices, strict=True)]
    last = changes[-1][0] if changes else -(2**62)
    changes += [change for change in _changes_by_rule(rule) if change[0] > last]
    before = [offsets[0], *(offset for _, offset in changes)]
    return [Transition(at, was, offset) for (at, offset), was in zip(changes, before, strict=False) if was != offset]


def _block_size(content: bytes, start: int, width: int) -> int:
    utc, standard, leaps, times, types, letters = struct.unpack_from(">6l", content, start + 20)
    return int(times * (width + 1) + types * 6 + letters + leaps * (width + 4) + standard + utc)


_NAME = r"(?:<[^>]+>|[A-Za-z]+)"
_OFFSET = r"([+-]?\d+(?::\d+){0,2})"
_DATE = r"M(\d+)\.(\d)\.(\d)(?:/" + _OFFSET + ")?"
_RULE = re.compile(f"{_NAME}{_OFFSET}(?:{_NAME}{_OFFSET}?,{_DATE},{_DATE})?")


def _changes_by_rule(rule: str) -> Iterator[tuple[int, int]]:
    """Yield when a POSIX rule changes the offset, and to what: POSIX.1-2017, section 8.3, `TZ`."""
    match = _RULE.fullmatch(rule)
    assert match, f"a rule of another form: {rule!r}"
    if match[3] is None:
        return
    standard = -_seconds(match[1])
    summer = -_seconds(match[2]) if match[2] else standard + 3_600
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        begin = _day_seconds(year, *map(int, match.group(3, 4, 5))) + _seconds(match[6] or "2") - standard
        end = _day_seconds(year, *map(int, match.group(7, 8, 9))) + _seconds(match[10] or "2") - summer
        yield from sorted([(begin, summer), (end, standard)])


def _seconds(text: str) -> int:
    parts = [int(part) for part in text.lstrip("+-").split(":")] + [0, 0]
    return (-1 if text.startswith("-") else 1) * (parts[0] * 3_600 + parts[1] * 60 + parts[2])


def _day_seconds(year: int, month: int, week: int, weekday: int) -> int:
    """Return the start of the week-th such weekday (0 is Sunday) of a month; the fifth is the last."""
    first = datetime(year, month, 1).toordinal()
    day = first + (weekday - first) % 7 + 7 * (week - 1)
    after = datetime(year + month // 12, month % 12 + 1, 1).toordinal()
    return (day - 7 * (day >= after) - EPOCH_DAY) * 86_400


class Oracle:
    """Says which instant a wall clock shows, by PEP 495: fold 0 sees a change at its end, fold 1 at its start."""

    def __init__(self, transitions: list[Transition]) -> None:
        self.offsets = [transitions[0].before, *(one.after for one in transitions)]
        self.starts = [
            [one.at + max(one.before, one.after) for one in transitions],
            [one.at + min(one.before, one.after) for one in transitions],
        ]
        self.times = [one.at for one in transitions]

    def instant(self, wall: int, fold: int) -> int:
        """Return the microseconds since 1970 that a wall clock's microseconds mean."""
        return wall - MICRO * self.offsets[bisect_right(self.starts[fold], wall // MICRO)]

    def wall(self, instant: int) -> int:
        """Return the wall clock's microseconds at an instant."""
        return instant + MICRO * self.offsets[bisect_right(self.times, instant // MICRO)]


def moment(microseconds: int) -> datetime:
    """Return the face of a clock that shows so many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def check(value: datetime, expected: int) -> None:
    """Check that a value means these microseconds since 1970."""
    text = instant_text(utc_instant(value, "x"))
    assert text == moment(expected).isoformat(timespec="microseconds") + "Z", f"{value!r} fold {value.fold}"


def check_transition(zone: tzinfo, pendulums: tzinfo, oracle: Oracle, one: Transition) -> int:
    """Check a microsecond before, at and after both faces that the clock shows at a transition, in both folds."""
    instants = set()
    for offset in (one.before, one.after):
        for delta in (-1, 0, 1):
            wall = (one.at + offset) * MICRO + delta
            for fold in (0, 1):
                face = moment(wall).replace(fold=fold)
                instants.add(expected := oracle.instant(wall, fold))
                check(face.replace(tzinfo=zone), expected)
                shown = (face.year, face.month, face.day, face.hour, face.minute, face.second, face.microsecond)
                check(pendulum.DateTime(*shown, tzinfo=pendulums, fold=fold), expected)
    around = {one.at * MICRO + delta for delta in (-1, 0, 1)}
    assert around <= instants, "a face of the clock was left out"
    return 12


@pytest.mark.parametrize("names", zone_files().values(), ids=lambda names: names[0])
def test_every_transition_of_a_zone(names: list[str]) -> None:
    """One microsecond before, at and after it, in both folds, the instant is the one that the integers say."""
    transitions = read_zone(_file(names[0]))
    wanted = [one for one in transitions if seconds_of(FIRST_YEAR) <= one.at < seconds_of(LAST_YEAR + 1)]
    if not transitions:
        return
    oracle, zone, pendulums = Oracle(transitions), zoneinfo.ZoneInfo(names[-1]), pendulum.timezone(names[0])
    for one in wanted:
        check_transition(zone, pendulums, oracle, one)


def test_the_oracle_reads_the_zones() -> None:
    """Known transitions are among those read: of the files, and of the rules up to 2100."""
    new_york = read_zone(_file("America/New_York"))
    assert Transition(1_710_054_000, -18_000, -14_400) in new_york  # 2024-03-10 07:00 UTC
    assert Transition(1_730_613_600, -14_400, -18_000) in new_york  # 2024-11-03 06:00 UTC
    assert [moment(one.at * MICRO).isoformat() for one in new_york[-2:]] == [
        "2100-03-14T07:00:00",
        "2100-11-07T06:00:00",
    ]
    apia = Transition(1_325_239_200, -36_000, 50_400)  # Samoa left out 2011-12-30
    assert apia in read_zone(_file("Pacific/Apia"))
    assert all(
        one.at < other.at for names in zone_files().values() for one, other in pairwise(read_zone(_file(names[0])))
    )


def test_all_zones_are_covered() -> None:
    """There are hundreds of zones and tens of thousands of transitions, or the reading went wrong."""
    assert sum(map(len, zone_files().values())) > 480
    lengths = [len(read_zone(content)) for content in zone_files()]
    assert len(lengths) > 300
    assert sum(lengths) > 40_000
