"""What came of a list, in words: the command's last lines and the service's log say the same."""

from __future__ import annotations

from collections.abc import Iterator

from downloader import errors
from downloader.errors import BadLine, first_sentence
from downloader.jobs import Report, Result
from downloader.sansio.printable import printable
from downloader.sansio.url import redacted

# How many failures the end of a run names; all of them are in the report.
MAX_EXAMPLES = 10
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def size_text(size: float) -> str:
    """`size` bytes in binary units, such as `12.3 MiB`."""
    if size < 1024:
        return f"{size:.0f} B"
    step = 0
    size /= 1024
    while size >= 1023.95 and step < len(_UNITS) - 1:
        size /= 1024
        step += 1
    return f"{size:.1f} {_UNITS[step]}"


def duration_text(seconds: float) -> str:
    """`seconds` for a reader, such as `12 ms`, `2.1 s`, `1:05` or `3:00:00`."""
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def summary_text(report: Report, cancelled: int = 0, found: int = 0) -> str:
    """One line such as `497 complete, 3 failed, 12.3 MiB in 2.1 s (5.9 MiB/s)`.

    So many of those that the report counts as skipped were `cancelled` on their own, and so many
    bytes were `found`: they took no time.
    """
    counts = [f"{report.complete:,} complete"]
    for number, word in (
        (report.failed, "failed"),
        (report.skipped - cancelled, "skipped"),
        (cancelled, "cancelled"),
        (report.invalid, "invalid"),
        (report.pending, "pending"),
        (report.unverified, "unverified"),
    ):
        if number:
            counts.append(f"{number:,} {word}")
    came = max(0, report.bytes - found)
    rate = f" ({size_text(came / report.seconds)}/s)" if came and report.seconds > 0 else ""
    took = duration_text(report.seconds)
    return f"{', '.join(counts)}, {size_text(report.bytes)} in {took}{rate}"


def refusal_text(bad: BadLine) -> str:
    """A line of a list that makes no job, and why."""
    return printable(f"line {bad.line} is left out: {bad.message}")


def failure_text(result: Result) -> str:
    """One failed job in one line: its URL without secrets, and why."""
    reason = str(result.error) if result.error else "it failed"
    return printable(f"{redacted(result.job.url)}: {reason}")


def weak_text(kind: str, source: str) -> str:
    """What to say of a checksum that `source`, such as an option, wants, and that is weak."""
    return f"WARNING: {kind} ({source}) shows accidents, but no attacks; use sha-256"


def reason_text(error: Exception) -> str:
    """Why something could not be opened, read or written, without the number and the path."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


class Failures:
    """Failures counted by class, with the first `MAX_EXAMPLES` of them in words."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def __repr__(self) -> str:
        return f"<Failures {self._counts}>"

    def add(self, result: Result) -> None:
        """Count `result`, which failed."""
        name = type(result.error).__name__ if result.error else "DownloadError"
        if sum(map(len, self._examples.values())) < MAX_EXAMPLES:
            self._examples.setdefault(name, []).append(_example(result))
        self._counts[name] = self._counts.get(name, 0) + 1

    def lines(self, with_examples: bool = True) -> Iterator[str]:
        """The most frequent class first: a line for it, and an indented one for each example."""
        for name, count in sorted(self._counts.items(), key=lambda item: -item[1]):
            examples = self._examples.get(name, []) if with_examples else []
            yield f"{count:,} x {_sentence(name)}{':' if examples else ''}"
            yield from (f"    {example}" for example in examples)
            if examples and count > len(examples):
                yield f"    and {count - len(examples):,} more"


def _sentence(name: str) -> str:
    found = getattr(errors, name, None)
    return f"{first_sentence(found)} ({name})" if found else name


def _example(result: Result) -> str:
    detail = result.error.detail if result.error else ""
    text = redacted(result.job.url)
    return printable(f"{text}: {detail}" if detail else text)
