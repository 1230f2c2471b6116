"""A service's jobs in columns, whatever they are called."""

from __future__ import annotations

from typing import Any

import pytest

from downloader.cli.ctlshown import json_line, progress, table


def job(**fields: Any) -> dict[str, Any]:
    same = {"gid": "0123456789abcdef", "status": "active", "received": 0, "length": None}
    return {**same, "rate": 0, "name": "a", **fields}


@pytest.mark.parametrize(
    ("received", "length", "text"),
    [
        (0, None, "0 B"),
        (512, 1024, "50% of 1.0 KiB"),
        (5, 0, "5 B"),
        (2000, 1000, "100% of 1000 B"),
    ],
)
def test_progress(received: int, length: int | None, text: str) -> None:
    assert progress(received, length) == text


def test_columns_line_up() -> None:
    lines = table([job(rate=2048), job(status="error", message="no", name="b")], None).split("\n")
    assert lines[1].index("2.0 KiB/s") == lines[0].index("RATE")
    assert lines[1].rindex("a") == lines[2].index("b: no") == lines[0].index("NAME")


def test_a_terminal_of_few_columns() -> None:
    lines = table([job(name="n" * 100)], 40).split("\n")
    assert all(len(line) <= 40 for line in lines)


def test_names_act_on_no_terminal() -> None:
    """Nor do messages, nor JSON."""
    nasty = "\x1b]0;x\x07\u202e\n"
    text = table([job(name=nasty, status="error", message=nasty)], None)
    assert text.replace("\n", "").isprintable() and text.count("\n") == 1
    assert json_line(job(name=nasty)).isprintable()
