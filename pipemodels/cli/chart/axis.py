"""A time axis of character cells: the cell of an instant, and the labels of the ticks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipemodels.cli.formatting import utc_mark
from pipemodels.instants import from_microseconds, in_zone, microseconds_since_epoch

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY = 60 * _SECOND, 3_600 * _SECOND, 86_400 * _SECOND
_STEPS = (
    *(_SECOND // 10, _SECOND // 2),
    *(number * _SECOND for number in (1, 2, 5, 10, 15, 30)),
    *(number * _MINUTE for number in (1, 2, 5, 10, 15, 30)),
    *(number * _HOUR for number in (1, 2, 3, 6, 12)),
    *(number * _DAY for number in (1, 2, 7, 14, 30, 91, 365, 3_652, 36_525)),
)
_LEAST_WIDTH = _SECOND  # microseconds; a single run without a duration needs an axis too
_SPACE = 3  # cells between labels
_LAST_YEAR = 9_900  # the next tick may be a century later


@dataclass(frozen=True, slots=True)
class Axis:
    """A period in microseconds since 1970, drawn on a number of cells."""

    start: int
    end: int
    cells: int

    @classmethod
    def of(cls, start: int, end: int, cells: int) -> Axis:
        """Return the axis of a period, extended to the minimum width if it is shorter."""
        return cls(start, max(end, start + _LEAST_WIDTH), cells)

    @property
    def width(self) -> int:
        """The length of the period in microseconds."""
        return self.end - self.start

    def cell(self, at: int) -> int:
        """Return the cell of an instant; an instant outside the period gets the first or the last cell."""
        return min(self.cells - 1, max(0, (at - self.start) * self.cells // self.width))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the first cell of a period and the cell after its last; a period has at least one cell."""
        first = self.cell(start)
        stop = -((self.start - end) * self.cells // self.width)  # rounded up
        return first, max(first + 1, min(self.cells, stop))


def ticks(axis: Axis, zone: ZoneInfo) -> dict[int, str]:
    """Return labels by cell: round local times, as close together as the labels allow."""
    step = next((step for step in _STEPS if _fits(step, axis)), _STEPS[-1])
    labels: dict[int, str] = {}
    free = 0
    for at in _round_times(axis, zone, step):
        cell, label = axis.cell(at), _label(at, zone, step)
        if axis.start <= at < axis.end and cell >= free and cell + len(label) <= axis.cells:
            labels[cell] = label
            free = cell + len(label) + 1
    return labels


def _fits(step: int, axis: Axis) -> bool:
    return step * axis.cells // axis.width >= len(_label(axis.start, ZoneInfo("UTC"), step)) + _SPACE


def _round_times(axis: Axis, zone: ZoneInfo, step: int) -> Iterator[int]:
    """Yield the instants of round local times, round also after the clock changes."""
    start = local_time(axis.start, zone).replace(tzinfo=None)
    days, part = divmod(step, _DAY)
    if days:
        wall = datetime.combine(date.fromordinal(start.toordinal() // days * days or 1), datetime.min.time())
    else:
        midnight = datetime.combine(start, datetime.min.time())
        wall = midnight + (start - midnight) // timedelta(microseconds=part) * timedelta(microseconds=part)
    while (at := _instant(wall, zone)) is not None and at < axis.end:
        yield at
        wall += timedelta(microseconds=step)


def _instant(wall: datetime, zone: ZoneInfo) -> int | None:
    """Return the instant of a local time, or None if it is after the last year."""
    return microseconds_since_epoch(wall.replace(tzinfo=zone)) if wall.year < _LAST_YEAR else None


def local_time(at: int, zone: ZoneInfo) -> datetime:
    """Return the local time of an instant as a `datetime` of the standard library."""
    local = in_zone(from_microseconds(at), zone)
    return datetime.combine(local.date(), local.time(), local.tzinfo)


def _label(at: int, zone: ZoneInfo, step: int) -> str:
    local = local_time(at, zone)
    if step >= _DAY:
        return f"{local:%d %b}" if step < 91 * _DAY else f"{local:%b %Y}"
    if step < _SECOND:
        return f"{local:%H:%M:%S}.{local.microsecond // 100_000}"
    if step < _MINUTE:
        return f"{local:%H:%M:%S}"
    return f"{local:%d %b}" if (local.hour, local.minute) == (0, 0) else f"{local:%H:%M}"


def drawn_ticks(labels: dict[int, str], cells: int, *, plain: bool) -> list[str]:
    """Return the two lines of an axis: a rule with ticks, and the labels."""
    line, tick = ("-", "+") if plain else ("─", "┬")
    rule = "".join(tick if cell in labels else line for cell in range(cells))
    below = [" "] * cells
    for cell, label in labels.items():
        below[cell : cell + len(label)] = label
    return [rule, "".join(below[:cells])]


def period_text(axis: Axis, zone: ZoneInfo) -> str:
    """Return a period as text; if it starts and ends on the same date, with the date once."""
    start, end = local_time(axis.start, zone), local_time(axis.end, zone)
    cut = len("00:00:00" if axis.width < 10 * _MINUTE else "00:00")
    beginning = f"{start.date()} {start.time().isoformat()[:cut]}{utc_mark(start, zone)}"
    ending = f"{end.time().isoformat()[:cut]}{utc_mark(end, zone)}"
    return f"{beginning} → {ending}" if start.date() == end.date() else f"{beginning} → {end.date()} {ending}"
