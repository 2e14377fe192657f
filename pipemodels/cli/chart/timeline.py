"""Draw runs as bars over time, in one or more lanes for each pipeline; below, the stages of short runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from pipemodels.cli.chart.axis import Axis, drawn_ticks, local_time, period_text, ticks
from pipemodels.cli.chart.bars import Bar, Lane, glyph, laid, painted, run_bar, shows_stages
from pipemodels.cli.formatting import MARKS, STYLES, date_and_time, duration_text, plural, status_word
from pipemodels.cli.output import Screen, cleaned
from pipemodels.instants import microseconds_since_epoch
from pipemodels.models.run import PipelineRunLog, RunStatus

_LANES = 4  # of one pipeline at most; if it would need more, all its runs share one lane
_DETAILED = 8  # draw the stages of at most this many runs
_LEAST_CELLS = 20
_LEAST_CELLS_IN_A_PIPE = 60  # however long the names are
_DIM = "bright_black"


def draw_timeline(
    screen: Screen,
    found: Sequence[PipelineRunLog],
    zone: ZoneInfo,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> None:
    """Draw runs over time and by pipeline, in the width of the screen; `found` holds whole runs, latest first."""
    at = microseconds_since_epoch(now)
    bars = [bar for bar in (run_bar(run, at) for run in found) if bar is not None]
    by_pipeline = {name: [bar for bar in bars if bar.name == name] for name in sorted({bar.name for bar in bars})}
    sides = {name: _side(those, screen) for name, those in by_pipeline.items()}
    names, cells = _columns(screen, by_pipeline, sides.values())
    axis = Axis.of(*_period(bars, at, since, until), cells)
    labels = ticks(axis, zone)
    screen.drawn(Text(f"{plural(len(bars), 'run')}  {period_text(axis, zone)}  {zone.key}", "bold"))
    screen.line()
    for name, those in by_pipeline.items():
        lanes = _lanes(those, axis, gap=0 if screen.has_colour else 1)
        _draw_lanes(screen, lanes, _name(name, names, screen), sides[name], labels)
    _draw_ticks(screen, labels, names, cells)
    screen.line()
    screen.drawn(_legend({bar.status for bar in bars}, axis, screen))
    _draw_details(screen, [bar for bar in bars if bar.stages and not shows_stages(bar, axis)], zone)


def draw_stages(screen: Screen, run: PipelineRunLog, zone: ZoneInfo, now: datetime) -> None:
    """Draw the stages of one run."""
    bar = run_bar(run, microseconds_since_epoch(now))
    if bar is not None and bar.stages:
        _draw_details(screen, [bar], zone)


def _period(bars: Sequence[Bar], now: int, since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Return the start and end of the axis: as given, else from the runs; it does not extend into the future."""
    start = min(bar.start for bar in bars) if since is None else microseconds_since_epoch(since)
    last = max(bar.end for bar in bars)
    if until is not None:
        return start, min(microseconds_since_epoch(until), max(last, now))
    return start, last if since is None else max(last, now)


def _columns(screen: Screen, names: Iterable[str], sides: Iterable[Text]) -> tuple[int, int]:
    """Return the number of cells for the names, and the number of cells for the bars."""
    longest = max(cell_len(cleaned(name)) for name in names)
    if screen.is_terminal:
        longest = min(longest, max(12, screen.width // 4))
    side = max(side.cell_len for side in sides)
    least = _LEAST_CELLS if screen.is_terminal else _LEAST_CELLS_IN_A_PIPE
    return longest, max(least, screen.width - longest - side - 3)


def _name(name: str, width: int, screen: Screen) -> Text:
    """Return a name padded to its column; on a terminal, the middle of a long name is cut out."""
    name = cleaned(name)
    if screen.is_terminal and cell_len(name) > width:
        tail = (width - 1) // 2
        name = f"{set_cell_size(name, width - 1 - tail).rstrip()}…{name[-tail:]}"
    return Text(set_cell_size(name, width), "bold")


def _side(bars: Sequence[Bar], screen: Screen) -> Text:
    """Return the summary of a pipeline's runs that is shown beside them."""
    if len(bars) == 1:
        return _took(bars[0], screen)
    text = Text(plural(len(bars), "run"), _DIM)
    for status in (RunStatus.FAILED, RunStatus.RUNNING):
        if count := sum(bar.status is status for bar in bars):
            text.append(f"  {count} {status}", STYLES[status])
    return text


def _took(bar: Bar, screen: Screen) -> Text:
    mark = MARKS[bar.status] if screen.is_terminal else status_word(bar.status)
    return Text(f"{mark} {_length(bar.duration)}{' so far' if bar.is_open else ''}", STYLES[bar.status])


def _length(microseconds: int) -> str:
    return duration_text(Decimal(microseconds) / 1_000_000)


def _lanes(bars: Sequence[Bar], axis: Axis, *, gap: int) -> list[Lane]:
    """Place a pipeline's bars on lanes so that they do not overlap."""
    lanes: list[list[Bar]] = []
    ends: list[int] = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        first, stop = axis.span(bar.start, bar.end)
        number = next((number for number, end in enumerate(ends) if end <= first), len(lanes))
        if number == len(lanes):
            lanes.append([])
            ends.append(0)
        lanes[number].append(bar)
        ends[number] = stop + gap
    return [laid(bars, axis)] if len(lanes) > _LANES else [laid(lane, axis) for lane in lanes]


def _draw_lanes(screen: Screen, lanes: Sequence[Lane], name: Text, side: Text, labels: Mapping[int, str]) -> None:
    for number, lane in enumerate(lanes):
        drawn = painted(lane, coloured=screen.has_colour, grid=labels.keys())
        if number == 0:
            screen.drawn(Text.assemble(name, " ", drawn, "  ", side))
        else:
            screen.drawn(Text.assemble(" " * (name.cell_len + 1), drawn))


def _draw_ticks(screen: Screen, labels: dict[int, str], indent: int, cells: int) -> None:
    for line in drawn_ticks(labels, cells, plain=not screen.is_terminal):
        screen.drawn(Text(" " * (indent + 1) + line, _DIM))


def _legend(statuses: set[RunStatus | None], axis: Axis, screen: Screen) -> Text:
    parts = [
        Text.assemble(glyph(status, coloured=screen.has_colour), f" {status_word(status)}")
        for status in (*RunStatus, None)
        if status in statuses
    ]
    return Text("   ").join([*parts, Text(f"one column: {_length(axis.width // axis.cells)}", _DIM)])


def _draw_details(screen: Screen, bars: Sequence[Bar], zone: ZoneInfo) -> None:
    """Draw the stages of the latest of these runs, all starting at the left edge."""
    if not bars:
        return
    shown = bars[:_DETAILED]
    labels = _detail_labels(shown, zone)
    sides = [_took(bar, screen) for bar in shown]
    names, cells = _columns(screen, labels, sides)
    axis = Axis(0, max(1, *(bar.duration for bar in shown)), cells)
    screen.heading(f"stages of the latest {plural(len(shown), 'run')}" if len(bars) > 1 else "stages")
    for bar, label, side in zip(shown, labels, sides, strict=True):
        lane = laid([bar.from_zero()], axis, always_stages=True)
        _draw_lanes(screen, [lane], _name(label, names, screen), side, {})
    _draw_ticks(screen, _lengths(axis), names, cells)


def _detail_labels(bars: Sequence[Bar], zone: ZoneInfo) -> list[str]:
    """Return labels for runs: their pipelines, or the start times of several runs of one pipeline."""
    if len({bar.name for bar in bars}) > 1 or len(bars) == 1:
        return [bar.name for bar in bars]
    return [date_and_time(local_time(bar.start, zone), zone) for bar in bars]


def _lengths(axis: Axis) -> dict[int, str]:
    """Return the labels of an axis of durations, one at each quarter."""
    quarters = {axis.cells * part // 4: _length(axis.width * part // 4) for part in range(4)}
    return {0: "0"} | {cell: label for cell, label in quarters.items() if cell}
