"""Nothing that a terminal or a log would act on gets through `printable`."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.sansio.printable import HIDDEN, printable, printable_lines


def test_ordinary_text_is_itself() -> None:
    """Letters of any language, spaces and symbols stay readable."""
    for text in ("", "a b.iso", "Übung №5", "日本語", "emoji 🎉", "e\u0301"):
        assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nb", "a\\r\\nb"),
        ("\x00", "\\x00"),
        ("\x7f", "\\x7f"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_a_terminal_acts_on_is_an_escape(text: str, shown: str) -> None:
    """Escape sequences, line ends, C1 controls, bidi overrides and lone surrogates."""
    assert printable(text) == shown


def test_no_character_of_unicode_gets_through_hidden() -> None:
    """All of them, one by one: the result has no hidden character and can be encoded."""
    for code in range(sys.maxunicode + 1):
        shown = printable(chr(code))
        assert not HIDDEN & {unicodedata.category(c) for c in shown}, hex(code)
        shown.encode()


@given(st.text(st.characters(exclude_categories=())))
def test_it_is_idempotent(text: str) -> None:
    """Text that is printed twice on its way is not escaped twice."""
    assert printable(printable(text)) == printable(text)


def test_lines_of_our_own_stay_lines() -> None:
    """A traceback keeps its shape; what is inside a line does not act on a terminal."""
    assert printable_lines("a\n  b\x1b[2J\n") == "a\n  b\\x1b[2J\n"
