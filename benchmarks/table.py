"""What came of a run, for people: as text, and as reStructuredText."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import Results, Row, Work

_HEAD = ("tool", "seconds", "from .. to", "to ours", "CPU s", "peak MB")
_LEFT = 1
# What a page has around what is written into it.
BEGIN, END = ".. written by python -m benchmarks --rst", ".. end of what is written"


def as_text(results: Results) -> str:
    """The whole run, workload by workload."""
    parts = [_about(results)]
    for work in results.works:
        parts += ["\n".join([_title(work), *_lines(work, "")]), *_notes(results, work)]
    return "\n\n".join(parts) + "\n"


def as_rst(results: Results, picture: str) -> str:
    """The same, with the picture, whose file is `picture`."""
    alt = "   :alt: wall seconds of each tool at each workload; the tables say the same"
    parts = [_about(results), f".. image:: {picture}\n{alt}"]
    for work in results.works:
        table = "\n".join(_lines(work, "="))
        parts += [f"**{_title(work)}**", *filter(None, [table]), *_notes(results, work)]
    return "\n\n".join(parts) + "\n"


def write_rst(page: Path, results: Results, picture: str) -> None:
    """Put it between the two marks in `page`; the rest of the page stays. A new one is made."""
    text = page.read_text("utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no lines {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{begin}\n\n{as_rst(results, picture)}\n{end}{after}", "utf-8")


def _about(results: Results) -> str:
    machine = "; ".join(f"{what}: {said}" for what, said in results.machine.items())
    tools = ", ".join(f"{tool} {version}" for tool, version in results.versions.items())
    scale = "" if results.scale == 1 else f" Scale {results.scale:g}, so no figures to quote."
    return f"{results.when}, medians, rounds: {results.rounds}.{scale}\n{machine}.\n{tools}."


def _title(work: Work) -> str:
    size = f", {work.bytes / 1e6:,.1f} MB" if work.bytes else ""
    return f"{work.name}: {work.title} ({work.lines:,}{size}, {work.jobs:,} at a time)"


def _lines(work: Work, rule: str) -> list[str]:
    """The rows in columns; with a `rule` as reStructuredText's simple tables have it.

    Nothing when no tool has figures: there is no table without a row.
    """
    rows = [_HEAD, *(_figures(work, row) for row in work.rows if not row.failed)]
    if len(rows) == 1:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if n < _LEFT else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    if rule:
        ruler = "  ".join(rule * width for width in widths)
        lines = [ruler, lines[0], ruler, *lines[1:], ruler]
    return lines


def _figures(work: Work, row: Row) -> tuple[str, ...]:
    seconds = [run.seconds for run in row.runs]
    ratio = work.ratio(row)
    return (
        row.label,
        f"{row.seconds:.3f}",
        f"{min(seconds):.3f} .. {max(seconds):.3f}",
        "-" if ratio is None else f"{ratio:.2f}",
        f"{row.cpu:.2f}",
        f"{row.memory / 1e6:.0f}",
    )


def _notes(results: Results, work: Work) -> list[str]:
    """Sentences below the table: who failed, who was not run, and what a longer list cost."""
    failed = [f"{row.label} FAILED: {row.failed}." for row in work.rows if row.failed]
    notes = [*failed, *work.notes]
    small = results.work("small")
    if work.name == "lines" and small is not None:
        notes += _growth(work, small)
    return ["\n".join(notes)] if notes else []


def _growth(work: Work, small: Work) -> list[str]:
    """How much more memory each tool took than for the short list."""
    pairs = [(row, small.row(row.tool)) for row in work.rows if not row.failed]
    more = [f"{a.label} {(a.memory - b.memory) / 1e6:+.0f}" for a, b in pairs if b is not None]
    return [f"Peak MB above {small.lines:,} lines: {', '.join(more)}."] if more else []
