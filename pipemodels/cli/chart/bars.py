"""Bars of character cells: place runs and stages on an axis, and draw their cells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from pipemodels.cli.chart.axis import Axis
from pipemodels.cli.formatting import COLOURS
from pipemodels.cli.output import cleaned
from pipemodels.instants import microseconds_since_epoch
from pipemodels.models.run import PipelineRunLog, RunStatus, StageInfo

# every other stage of a run is darker, to set it apart from its neighbours
_DARKER: dict[RunStatus | None, str] = {
    None: "#6b717c",
    RunStatus.SUCCESS: "#237a49",
    RunStatus.FAILED: "#ad3838",
    RunStatus.RUNNING: "#2d68c0",
    RunStatus.CANCELLED: "#9c6d15",
    RunStatus.PENDING: "#6b717c",
    RunStatus.SKIPPED: "#6b717c",
}
_LETTERS: dict[RunStatus | None, str] = {
    None: "?",
    RunStatus.SUCCESS: "=",
    RunStatus.FAILED: "x",
    RunStatus.RUNNING: ">",
    RunStatus.CANCELLED: "~",
    RunStatus.PENDING: ".",
    RunStatus.SKIPPED: "-",
}
# of bars that share a cell, the one with the latest status in this list is drawn
_URGENCY = (
    None, RunStatus.SKIPPED, RunStatus.SUCCESS, RunStatus.PENDING, RunStatus.CANCELLED, RunStatus.RUNNING,
    RunStatus.FAILED,
)  # fmt: skip
_READABLE = 3  # minimum number of cells for each stage of a bar
_GRID = "bright_black"


@dataclass(frozen=True, slots=True)
class Bar:
    """A run or a stage. While it is open, `end` is the current time. Times are in microseconds since 1970."""

    name: str
    status: RunStatus | None
    start: int
    end: int
    is_open: bool = False
    stages: tuple[Bar, ...] = ()

    @property
    def duration(self) -> int:
        """The duration in microseconds, so far if it is open."""
        return self.end - self.start

    def from_zero(self) -> Bar:
        """Return the same bar, moved to start at 0."""
        stages = tuple(
            replace(stage, start=stage.start - self.start, end=stage.end - self.start) for stage in self.stages
        )
        return replace(self, start=0, end=self.duration, stages=stages)


def run_bar(run: PipelineRunLog, now: int) -> Bar | None:
    """Return the bar of a run, or None if the run has no start time."""
    bar = _bar(run.pipeline_id, run, now)
    stages = (_bar(stage.stage_name or "", stage, now) for stage in run.stages or ())
    return bar and replace(bar, stages=tuple(stage for stage in stages if stage is not None))


def _bar(name: str, item: PipelineRunLog | StageInfo, now: int) -> Bar | None:
    if item.start_time is None:
        return None
    start = microseconds_since_epoch(item.start_time)
    is_open = item.end_time is None and item.status is RunStatus.RUNNING
    end = max(start, now) if is_open else start
    if item.end_time is not None:
        end = microseconds_since_epoch(item.end_time)
    return Bar(name, item.status, start, end, is_open)


@dataclass(frozen=True, slots=True)
class Cell:
    """One character cell: the status that it shows, and the letter on it."""

    status: RunStatus | None
    is_darker: bool = False
    letter: str = ""
    begins: bool = False
    ends: bool = False
    is_open: bool = False


Lane = list[Cell | None]


def laid(bars: Iterable[Bar], axis: Axis, *, always_stages: bool = False) -> Lane:
    """Return a lane with these bars; where they overlap, the most urgent is drawn.

    Args:
        bars: the bars to place.
        axis: the time axis.
        always_stages: draw stages even if they are too short to tell apart.
    """
    lane: Lane = [None] * axis.cells
    for bar in sorted(bars, key=lambda bar: _URGENCY.index(bar.status)):
        first, stop = axis.span(bar.start, bar.end)
        lane[first:stop] = [Cell(bar.status)] * (stop - first)
        if always_stages or shows_stages(bar, axis):
            _lay_stages(lane, bar, axis, first, stop)
        lane[stop - 1] = Cell(bar.status, ends=True, is_open=bar.is_open)
    return lane


def shows_stages(bar: Bar, axis: Axis) -> bool:
    """Return whether the bar is long enough to draw its stages."""
    first, stop = axis.span(bar.start, bar.end)
    return stop - first >= _READABLE * len(bar.stages)


def _lay_stages(lane: Lane, bar: Bar, axis: Axis, first: int, stop: int) -> None:
    for number, stage in enumerate(bar.stages):
        begin, end = axis.span(stage.start, stage.end)
        begin, end = max(first, begin), min(stop - 1, end)
        letters = _letters(stage.name, end - begin)
        for cell in range(begin, end):
            letter = letters[cell - begin]
            lane[cell] = Cell(stage.status, number % 2 == 1, letter, begins=number > 0 and cell == begin)


def _letters(name: str, cells: int) -> Sequence[str]:
    """Return the letters for the cells of a stage: its name, if it fits with a free cell on each side."""
    name = cleaned(name)
    fits = len(name) + 2 <= cells and name.isascii()  # other characters may be two cells wide
    return ["", *(name if fits else ""), *[""] * max(0, cells)]


def painted(lane: Lane, *, coloured: bool, grid: Collection[int] = ()) -> Text:
    """Return a lane as text: coloured blocks, or letters if there is no colour."""
    text = Text()
    for number, cell in enumerate(lane):
        if cell is None:
            text.append("┊" if coloured and number in grid else " ", _GRID)
        else:
            text.append(*(_block(cell) if coloured else (_letter(cell), "")))
    return text


def glyph(status: RunStatus | None, *, coloured: bool) -> Text:
    """Return a bar of one cell with this status, for the legend."""
    return painted([Cell(status, ends=True, is_open=status is RunStatus.RUNNING)], coloured=coloured)


def _block(cell: Cell) -> tuple[str, str]:
    colour = (_DARKER if cell.is_darker else COLOURS)[cell.status]
    if cell.ends:
        return "▶" if cell.is_open else "▊", colour
    if cell.letter:
        return cell.letter, f"bold white on {colour}"
    return "▏" if cell.begins else " ", f"black on {colour}"


def _letter(cell: Cell) -> str:
    return cell.letter or ("|" if cell.begins else _LETTERS[cell.status])
