"""Draw bar charts as SVG, which a diff can show, without a library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LABELS, _NUMBERS = 860, 250, 70
_ROW, _HEAD, _GAP = 20, 26, 16
_STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.number { fill: #57606a }
rect { fill: #8c959f }
.ours { fill: #0969da }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .number { fill: #9198a1 } .ours { fill: #4493f8 } .paper { fill: #0d1117 }
}
</style>"""


@dataclass(frozen=True)
class Panel:
    """A comparison: a title, and a number for each name; smaller is better."""

    title: str
    numbers: Mapping[str, float]


def bars(panels: Sequence[Panel], ours: str) -> str:
    """Return the panels below each other, each with its shortest bar first, and the bars of `ours` in colour."""
    height = sum(_HEAD + _ROW * len(panel.numbers) + _GAP for panel in panels) + _GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
    lines = [head, _STYLE, f'<rect class="paper" width="{_WIDTH}" height="{height}"/>']
    top = _GAP
    for panel in panels:
        lines += _panel(panel, ours, top)
        top += _HEAD + _ROW * len(panel.numbers) + _GAP
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(panel: Panel, ours: str, top: int) -> Iterator[str]:
    yield f'<text class="title" x="12" y="{top + 14}">{escape(panel.title)}</text>'
    widest = max(panel.numbers.values())
    for row, (name, number) in enumerate(sorted(panel.numbers.items(), key=lambda pair: pair[1])):
        y = top + _HEAD + row * _ROW
        length = max(1, round((_WIDTH - _LABELS - _NUMBERS) * number / widest))
        style = ' class="ours"' if name == ours else ""
        yield f'<text x="{_LABELS - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
        yield f'<rect{style} x="{_LABELS}" y="{y}" width="{length}" height="{_ROW - 5}" rx="2"/>'
        yield f'<text class="number" x="{_LABELS + length + 6}" y="{y + 12}">{number:,.0f}</text>'
