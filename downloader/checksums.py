"""Files of checksums, read."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from downloader.sansio.checksumfile import Checksums

__all__ = ["Checksums", "read_checksums"]

_CHUNK = 64 * 1024


def read_checksums(path: str) -> Checksums:
    """Read a checksum file such as SHA256SUMS, or a pipe, to its end; this blocks. Signatures in it
    are not checked. Raises OSError, or ValueError with a reason."""
    with Path(path).open("rb", buffering=0) as file:
        return Checksums(iter(partial(file.read, _CHUNK), b""))
