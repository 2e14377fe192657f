"""Format values for people: instants in a time zone, durations, counts, statuses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from rich.text import Text

from pipemodels.cli.output import Screen, cleaned
from pipemodels.instants import in_zone, utc_now
from pipemodels.models.run import RunStatus, seconds_between

# None: an item that another program wrote may have no status
COLOURS: dict[RunStatus | None, str] = {
    None: "#8b919c",
    RunStatus.SUCCESS: "#2f9e5f",
    RunStatus.FAILED: "#dc4c4c",
    RunStatus.RUNNING: "#3f87f0",
    RunStatus.CANCELLED: "#c98d1e",
    RunStatus.PENDING: "#8b919c",
    RunStatus.SKIPPED: "#8b919c",
}
STYLES = COLOURS | {status: f"bold {COLOURS[status]}" for status in (RunStatus.FAILED, RunStatus.RUNNING)}
MARKS: dict[RunStatus | None, str] = {
    None: "?",
    RunStatus.SUCCESS: "✓",
    RunStatus.FAILED: "✗",
    RunStatus.RUNNING: "▶",
    RunStatus.PENDING: "…",
    RunStatus.CANCELLED: "◼",
    RunStatus.SKIPPED: "↷",
}


def status_text(status: RunStatus | None, screen: Screen) -> Text:
    """Return a status: with a mark and a colour on a terminal, as a plain word in a pipe."""
    word = status_word(status)
    return Text(f"{MARKS[status]} {word}" if screen.is_terminal else word, STYLES[status])


def status_word(status: RunStatus | None) -> str:
    """Return the word for a status."""
    return "no status" if status is None else status.value


def moment_text(at: datetime | None, zone: ZoneInfo, screen: Screen) -> str:
    """Return an instant in a zone, to the second: short on a terminal, in full with its UTC offset in a pipe."""
    if at is None:
        return "-"
    local = in_zone(at, zone)
    if not screen.is_terminal:
        return datetime.isoformat(local, timespec="seconds")  # pendulum's isoformat has no timespec
    return f"{local:%d %b %H:%M:%S}" if local.year == utc_now().year else date_and_time(local, zone)


def date_and_time(local: datetime, zone: ZoneInfo) -> str:
    """Return a local time to the second."""
    return datetime.isoformat(local, sep=" ", timespec="seconds")[:19] + utc_mark(local, zone)


def utc_mark(local: datetime, zone: ZoneInfo) -> str:
    """Return " UTC" if the time is shown in UTC because it has no local time in the zone, else an empty text."""
    return "" if local.utcoffset() == zone.utcoffset(local.replace(tzinfo=None)) else " UTC"


def duration_text(seconds: Decimal | None) -> str:
    """Return a duration in its two largest units: `850 ms`, `12.4 s`, `3m 07s`, `2h 05m`, `4d 03h`."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{int(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < Decimal("59.95") else "60 s"
    whole = int(seconds)
    for size, unit, small, small_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // small:02}{small_unit}"
    return f"{whole} s"


def count_text(number: int | None) -> str:
    """Return a whole number with thousands separators."""
    return "" if number is None else f"{number:,}"


def plural(number: int, word: str, words: str | None = None) -> str:
    """Return a number and a noun, in the singular or the plural."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def first_line(text: str | None) -> str:
    """Return the first line that is not blank."""
    return next((cleaned(line).strip() for line in (text or "").splitlines() if line.strip()), "")


def bar(parts: Sequence[tuple[int, str]], width: int) -> Text:
    """Return a bar divided in proportion to the parts; each part above zero gets at least one cell."""
    total = sum(size for size, _ in parts)
    drawn = Text()
    for size, style in parts:
        drawn.append("█" * (max(1, size * width // total) if size else 0), style)
    return drawn


def age_text(start: datetime, now: datetime) -> str:
    """Return how long ago something started."""
    return duration_text(seconds_between(start, max(start, now)))
