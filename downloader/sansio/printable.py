"""Text from outside, made safe to print: on a terminal, in a log, in a report.

A server chooses file names, reason phrases and header values; an escape sequence in one of them
must not reach a terminal (CWE-150) nor a line break a log (CWE-117).
"""

from __future__ import annotations

import unicodedata

# Control, format (bidi overrides too), surrogate, private, unassigned; line and paragraph ends.
HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def printable(text: str) -> str:
    """`text` with every character that a terminal would act on written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def printable_lines(text: str) -> str:
    """`printable`, for text of several lines of our own."""
    return "\n".join(map(printable, text.split("\n")))


def _shown(character: str) -> str:
    if unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")
