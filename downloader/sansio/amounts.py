"""Amounts as people write them on a command line: how many, how long, how much, how often."""

from __future__ import annotations

import re

# Of jobs, connections or tries. Above it only other limits of the machine are met: files, ports,
# memory.
_MOST = 10_000
_COUNT = re.compile(r"[0-9]{1,9}")
_DURATION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}")
_SIZE = re.compile(r"([0-9]{1,15})([KMGkmg]?)")
_FACTORS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_count(text: str) -> int:
    """A whole number from 1 on. ValueError says what is wrong with any other text."""
    count = int(text) if _COUNT.fullmatch(text) else 0
    if not 1 <= count <= _MOST:
        raise ValueError(f"{text!r} is not a whole number from 1 to {_MOST}")
    return count


def parse_seconds(text: str) -> float:
    """A number of seconds, from 0 on. ValueError says what is wrong with any other text."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a number of seconds, such as 30 or 2.5")
    return float(text)


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
