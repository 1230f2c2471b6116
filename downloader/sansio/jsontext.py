"""JSON from outside, bounded: a text may be small and yet take all memory, or the whole stack."""

from __future__ import annotations

import json
import re
from typing import Any

# As deep as any honest request, and far from what ends Python's recursion.
MAX_DEPTH = 32
_BRACKET = re.compile(rb"[\[\]{}]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(data: bytes) -> Any:
    """What `data`, in UTF-8, says. ValueError for what is no JSON (RFC 8259), for NaN and its like,
    for half a surrogate pair, which is no text, and for what is nested deeper than `MAX_DEPTH`."""
    if _depth(data) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    found = json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_int=_integer)
    if _SURROGATE.search(data):
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def is_whole(value: Any, span: range) -> bool:
    """Whether `value` is a whole number, and one of `span`; true and 1.0 are none."""
    return isinstance(value, int) and not isinstance(value, bool) and value in span


def _depth(data: bytes) -> int:
    """How deep it is nested, or more than allowed: brackets in strings are left out."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(b" ".join(_outside_strings(data))):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
    return deepest


def _outside_strings(data: bytes) -> list[bytes]:
    # An escaped backslash first, then an escaped quote: what is left of quotes begin and end.
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return plain.split(b'"')[::2]


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a number is too long")
    return int(digits)
