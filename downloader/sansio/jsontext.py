"""JSON from outside, bounded: a text may be small and yet take all memory, or the whole stack."""

from __future__ import annotations

import json
from typing import Any

# As deep as any honest request, and far from what ends Python's recursion.
MAX_DEPTH = 32


def parse_json(data: bytes) -> Any:
    """What `data`, in UTF-8, says. ValueError for what is no JSON (RFC 8259), for NaN and its like,
    and for what is nested deeper than `MAX_DEPTH`."""
    if _depth(data) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    return json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_int=_integer)


def _depth(data: bytes) -> int:
    """How deep it may be nested: brackets in strings are left out."""
    depth = deepest = 0
    for part in _outside_strings(data):
        for byte in part:
            if byte in b"[{":
                depth += 1
                deepest = max(deepest, depth)
            elif byte in b"]}":
                depth -= 1
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
