"""Checksums: how they are written, and whether bytes have them."""

from __future__ import annotations

import hashlib

import pytest

from downloader.sansio.checksum import (
    DIGITS,
    Checksum,
    checked_checksum,
    is_weak,
    strongest,
)


@pytest.mark.parametrize("kind", DIGITS)
def test_checksums(kind: str) -> None:
    """Each type with its number of digits, in lower case; nothing else."""
    digest = "aB" * (DIGITS[kind] // 2)
    assert checked_checksum(f"{kind.upper()} = {digest}") == f"{kind}={digest.lower()}"
    for wrong in (
        f"{kind}",
        f"{kind}={digest}0",
        f"{kind}={digest[:-1]}g",
        f"{kind}=",
        f"x{kind}={digest}",
    ):
        with pytest.raises(ValueError):
            checked_checksum(wrong)


@pytest.mark.parametrize("kind", DIGITS)
def test_bytes_in_pieces(kind: str) -> None:
    """The digest is that of all pieces together, and no other matches."""
    right = hashlib.new(kind.replace("-", ""), b"abcdef").hexdigest()
    checksum = Checksum(f"{kind}={right}")
    checksum.update(b"abc")
    assert not checksum.matches
    checksum.update(b"def")
    assert (checksum.kind, checksum.found, checksum.matches) == (kind, right, True)


def test_what_is_weak() -> None:
    """Those of which different files with the same one were made."""
    assert {kind for kind in DIGITS if is_weak(f"{kind}=00")} == {"md5", "sha-1"}


def test_the_strongest() -> None:
    """Of those that are there, in whatever order."""
    assert strongest(["sha-1", "sha-512", "md5", "sha-256"]) == "sha-512"
    assert strongest(["sha-224", "md5"]) == "sha-224"
    assert strongest([]) is None
