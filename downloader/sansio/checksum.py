"""Checksums as they are written, `TYPE=HEX`, and as they are computed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import new

# Checksum types by aria2's names, and how many hexadecimal digits each has; the weakest first.
DIGITS = {"md5": 32, "sha-1": 40, "sha-224": 56, "sha-256": 64, "sha-384": 96, "sha-512": 128}
# Different files can be made that have the same one of these (RFC 6151, SHAttered).
WEAK = frozenset(("md5", "sha-1"))
_HEX = re.compile(r"[0-9A-Fa-f]+")


def checked_checksum(text: str) -> str:
    """`TYPE=HEX` in lower case; a `ValueError` says in one sentence what is wrong."""
    kind, equals, digest = text.lower().partition("=")
    kind, digest = kind.strip(), digest.strip()
    if not equals or kind not in DIGITS:
        raise ValueError(f"a checksum is written TYPE=HEX, with a TYPE of {', '.join(DIGITS)}")
    if len(digest) != DIGITS[kind] or not _HEX.fullmatch(digest):
        raise ValueError(f"a {kind} checksum has {DIGITS[kind]} hexadecimal digits")
    return f"{kind}={digest}"


def is_weak(checksum: str) -> bool:
    """Whether `checksum`, a checked one, tells of accidents only, and not of attackers."""
    return checksum.partition("=")[0] in WEAK


def strongest(kinds: Iterable[str]) -> str | None:
    """The one of these types that is hardest to forge, or None when there is none."""
    return max(kinds, key=list(DIGITS).index, default=None)


class Checksum:
    """Computes what `wanted`, a checked checksum, is compared with. Fed with `update`."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.kind, _, self._wanted = wanted.partition("=")
        # hashlib writes sha-256 as sha256; md5 here is against accidents, not attackers.
        self._hash = new(self.kind.replace("-", ""), usedforsecurity=False)
        self.update = self._hash.update

    @property
    def found(self) -> str:
        """The digest of what was fed so far, in lower-case hexadecimal digits."""
        return self._hash.hexdigest()

    @property
    def matches(self) -> bool:
        """Whether it is the one that was wanted."""
        return self.found == self._wanted
