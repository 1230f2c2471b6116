"""What came of a run as a picture: bars of wall seconds, each workload on a scale of its own."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmarks.results import OURS, Results, Row, Work

_WIDTH, _MARGIN, _LABEL, _FIGURE = 760, 16, 150, 90
_BAR, _GAP, _TITLE = 14, 5, 34
_OURS, _PEER = "#1f6f8b", "#b8c4cc"


def as_svg(results: Results) -> str:
    """One SVG image, drawn on white so that it can be read on any page."""
    parts: list[str] = []
    y = _MARGIN
    for work in results.works:
        parts += _block(work, y)
        y += _height(work)
    size = f'width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
            ' font-family="sans-serif" font-size="12">',
            f'<rect width="{_WIDTH}" height="{y}" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _height(work: Work) -> int:
    return _TITLE + len(work.rows) * (_BAR + _GAP) + _MARGIN


def _block(work: Work, y: int) -> Iterator[str]:
    """A workload's title and its bars, from `y` downwards."""
    yield _text(_MARGIN, y + 14, f"{work.title}, seconds", ' font-weight="bold"')
    longest = max((row.seconds for row in work.rows if not row.failed), default=0.0)
    for n, row in enumerate(work.rows):
        yield from _row(row, longest, y + _TITLE + n * (_BAR + _GAP))


def _row(row: Row, longest: float, y: int) -> Iterator[str]:
    """A label, a bar and a figure; for a tool that failed, that word and no bar."""
    left = _MARGIN + _LABEL
    yield _text(_MARGIN, y + 11, row.label)
    if row.failed:
        yield _text(left, y + 11, "failed", ' fill="#b00020"')
        return
    most = _WIDTH - left - _FIGURE - _MARGIN
    width = most * row.seconds / longest if longest else 0.0
    fill = _OURS if row.tool == OURS else _PEER
    yield f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{fill}"/>'
    yield _text(round(left + width + 6), y + 11, f"{row.seconds:.3f}")


def _text(x: int, y: int, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}"{more}>{escape(text)}</text>'
