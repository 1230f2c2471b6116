"""A service's jobs in words and columns. What they are called came from outside."""

from __future__ import annotations

import json
import os
from typing import Any

from downloader.listrun.words import size_text
from downloader.sansio.printable import printable

# Names and messages may be cut, in a terminal that has no room for them.
_COLUMNS = ("gid", "status", "progress", "rate", "name")


def json_line(job: dict[str, Any]) -> str:
    """A job as one line of JSON, in ASCII: it acts on no terminal."""
    return json.dumps(job, separators=(",", ":"))


def line_of(job: dict[str, Any], *fields: str) -> str:
    """These fields of it, parted by a space."""
    return " ".join(cell(job, field) for field in fields)


def cell(job: dict[str, Any], field: str) -> str:
    """One field of it, to be read."""
    if field == "progress":
        return progress(job.get("received") or 0, job.get("length"))
    if field == "rate":
        rate = job.get("rate")
        return f"{size_text(rate)}/s" if rate and job.get("status") == "active" else ""
    if field == "name":
        return printable(str(job.get("name") or (job.get("urls") or ["-"])[0]))
    return printable(str(job.get(field) or ""))


def progress(received: int, length: int | None) -> str:
    """`45% of 1.2 GiB`, or how much has come where nobody knows of how much."""
    if not length:
        return size_text(received)
    return f"{min(100, received * 100 // length)}% of {size_text(length)}"


def table(jobs: list[dict[str, Any]], columns: int | None) -> str:
    """They in columns, of so many characters in all; None cuts nothing."""
    rows = [[field.upper() for field in _COLUMNS]]
    for job in jobs:
        rows.append([cell(job, field) for field in _COLUMNS])
        if job.get("message"):
            rows[-1][-1] += f": {cell(job, 'message')}"
    widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS) - 1)]
    lines = ("  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows)
    return "\n".join(line[:columns] for line in lines)


def write(text: str) -> None:
    """Write to standard output. Who has gone, such as `head`, misses nothing, and is no fault."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python would try again at its end
