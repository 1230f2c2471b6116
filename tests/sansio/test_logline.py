"""A posted LogRecord as a line: of what programs send, and of what nobody should."""

from __future__ import annotations

import logging
import unicodedata
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.logline import MAX_MESSAGE, MAX_NAME, log_line
from downloader.sansio.printable import HIDDEN


def fields_of(message: object, *args: object, **more: Any) -> dict[str, str]:
    """What the standard library's handler makes of a record."""
    record = logging.LogRecord("a.b", logging.WARNING, "/x.py", 3, message, args, None)
    record.created = 0.5
    record.__dict__.update(more)
    return dict(parse_qsl(urlencode(record.__dict__), keep_blank_values=True))


@pytest.mark.parametrize(
    ("message", "args", "text"),
    [
        ("plain", (), "plain"),
        ("100% of it", (), "100% of it"),
        ("%s is %d, %5.1f%%", ("x", 3, 2.25), "x is 3,   2.2%"),
        ("%(a)s", ({"a": 1},), "%(a)s {'a': 1}"),
        ("%r", (logging.DEBUG,), "10"),
        ("%s", (OSError("no"),), "%s (OSError('no'),)"),
        ("%d", ("no number",), "%d ('no number',)"),
        ("%*d", (10**9, 1), "%*d (1000000000, 1)"),
        ("%999999999d", (1,), "%999999999d (1,)"),
        ("a\nb \x1b[2J", (), "a\\nb \\x1b[2J"),
    ],
)
def test_messages(message: str, args: tuple[Any, ...], text: str) -> None:
    """Put together where that is safe; else both parts stand there."""
    line = log_line(fields_of(message, *args))
    assert line == f"1970-01-01T00:00:00.500Z a.b WARNING {text}"


def test_an_exception_stands_behind_it() -> None:
    assert log_line(fields_of("oh", exc_text="Traceback\n  x")).endswith(" oh Traceback\\n  x")
    assert log_line(fields_of("oh", exc_info="(ValueError,)")).endswith(" oh (ValueError,)")


@pytest.mark.parametrize("name", ["created", "name", "msg"])
def test_what_is_missing_is_told(name: str) -> None:
    fields = fields_of("x")
    del fields[name]
    with pytest.raises(ValueError, match=f"it has no {name}"):
        log_line(fields)


@pytest.mark.parametrize("created", ["", "now", "nan", "inf", "1e300", "-1e15"])
def test_a_time_that_is_none(created: str) -> None:
    with pytest.raises(ValueError, match="created is no time"):
        log_line({**fields_of("x"), "created": created})


def test_a_level_may_be_a_number() -> None:
    fields = fields_of("x")
    assert " 30 x" in log_line({**fields, "levelname": ""})
    with pytest.raises(ValueError, match="no levelname"):
        log_line({**fields, "levelname": "", "levelno": ""})


ANY = st.text() | st.sampled_from(["(1,)", "%s", "((((", "%" * 300, "(" * 5000, "{'a': 1}"])


@given(ANY, ANY, ANY, ANY)
def test_any_fields_make_one_printable_line(name: str, level: str, msg: str, args: str) -> None:
    fields = {"name": name, "levelname": level or "X", "msg": msg, "args": args, "created": "1"}
    line = log_line(fields)
    assert not HIDDEN & {unicodedata.category(character) for character in line}
    assert len(line) <= 10 * (MAX_MESSAGE + 2 * MAX_NAME + 40)
