"""What a service keeps beside its queue: the token that who asks has to show."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from downloader.errors import StoreError
from downloader.sansio.printable import printable
from downloader.store.place import TOKEN

# Bytes of chance in a token that is made; it has twice as many hexadecimal digits.
_MADE = 32
# Characters of one that was put there by hand: as hexadecimal digits, 128 bits.
_LEAST = 32
_OWN = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def token_in(directory: str) -> str:
    """The token in the directory `directory`, made if there is none; both are for their owner only.
    Raises StoreError."""
    path = Path(directory, TOKEN)
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        if not os.path.lexists(path):
            _make(directory, path)
        return _read(path)
    except OSError as error:
        raise StoreError(f"{printable(str(path))}: {error.strerror}") from error


def _make(directory: str, path: Path) -> None:
    """Whole or not at all, whatever ends the process."""
    unfinished = path.with_name(f".{TOKEN}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, _OWN, 0o600), "w") as file:
        file.write(secrets.token_hex(_MADE) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check_private(found: os.stat_result, path: str) -> None:
    """Raises StoreError for what is no file, is not ours, or is for others' eyes too."""
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StoreError(f"{printable(path)}: it may be read by others, or is no file of ours")


def _read(path: Path) -> str:
    check_private(os.lstat(path), str(path))
    token = path.read_text("ascii", "replace").strip()
    if len(token) < _LEAST:
        raise StoreError(f"{printable(str(path))}: it is too short to be a token")
    return token
