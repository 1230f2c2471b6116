"""Amounts as people write them on a command line: bytes, and how often something may happen."""

from __future__ import annotations

import re

_SIZE = re.compile(r"([0-9]{1,15})([KMGkmg]?)")
_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_size(text: str) -> int:
    """A number of bytes, with K, M or G for 1024, 1024² or 1024³ of them, as aria2 writes it.

    ValueError says what is wrong with any other text.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size, such as 4096, 10K or 1M")
    return int(match[1]) * _FACTORS[match[2].upper()]


def parse_rate(text: str) -> float:
    """How many in a second `N/s`, `N/m`, `N/h` or `N/d` are: a second, minute, hour or day.

    ValueError says what is wrong with any other text. curl reads a bare number as one an hour,
    which hardly anybody means, so it is none here.
    """
    match = _RATE.fullmatch(text)
    rate = float(match[1]) / _SECONDS[match[2]] if match else 0.0
    if not rate:
        raise ValueError(f"{text!r} is not a rate above 0, such as 10/s, 100/m or 1000/h")
    return rate
