"""JSON from outside, bounded: a text may be small and yet take all memory, or the whole stack."""

from __future__ import annotations

import json
import re
from typing import Any

# As deep as any honest request, and far from what ends Python's recursion.
MAX_DEPTH = 32
# Lists and objects of one text: three bytes become a hundred. Ten thousand jobs have ten each.
MAX_CONTAINERS = 100_000
_BRACES = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'{}[]"'))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(data: bytes) -> Any:
    """What `data`, in UTF-8, says. ValueError for what is no JSON (RFC 8259), for NaN and its like,
    for half a surrogate pair, which is no text, for what is nested deeper than `MAX_DEPTH`, and for
    more than `MAX_CONTAINERS`."""
    _check_brackets(_brackets(data))
    found = json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_int=_integer)
    if _SURROGATE.search(data):
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def is_whole(value: Any, span: range) -> bool:
    """Whether `value` is a whole number, and one of `span`; true and 1.0 are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value in span


def _check_brackets(brackets: bytes) -> None:
    if brackets.count(b"[") > MAX_CONTAINERS:
        raise ValueError(f"more than {MAX_CONTAINERS} lists and objects")
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")  # the innermost
    if brackets:
        raise ValueError(f"nested deeper than {MAX_DEPTH}, or not closed")


def _brackets(data: bytes) -> bytes:
    """Its brackets and braces, all as brackets; those in strings are left out. It is looked at
    before anybody has shown a token, so no byte of it costs a step of Python's."""
    # An escaped backslash first, then an escaped quote: what is left of quotes begin and end.
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_BRACES, _OTHERS)
    # A text that ends where the next begins may be one with it.
    return b"".join(plain.replace(b'""', b"").split(b'"')[::2])


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a number is too long")
    return int(digits)
