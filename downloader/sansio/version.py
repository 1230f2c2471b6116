"""Which version of a file an answer is of, as far as its server says (RFC 9110 §8.8).

Two answers are of one version when nothing that they say differs and something strong is the same.
A validator is strong when another version of the file cannot have it: an ETag unless it is marked
W/, and a Last-Modified that was old enough when it was said (§8.8.2.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

# A file that changes twice in the second of its Last-Modified has the same one both times; nor do
# the clocks of a server and of what is behind it agree to the second. RFC 7232 §2.2.2 had 60.
SETTLED = 60.0
# A header that is longer says nothing: no server has use for it, and it goes to the disk.
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Version:
    """What an answer says of its version; None for what it does not say.

    `total` is the whole file's length. `dated` tells whether `last_modified` is a strong validator.
    `checksum` is what the file was held to when it was begun, if that was not the job's word.
    """

    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None
    dated: bool = False
    checksum: str | None = None

    @property
    def validator(self) -> str | None:
        """What If-Range is sent with (RFC 9110 §13.1.5): a strong validator, or None."""
        if self.etag is not None and self.etag.startswith('"'):
            return self.etag
        return self.last_modified if self.dated else None

    def contradicts(self, other: Version) -> bool:
        """Whether both say something and it is not the same."""
        return any(
            mine is not None and theirs is not None and mine != theirs
            for mine, theirs in (
                (self.etag, other.etag),
                (self.last_modified, other.last_modified),
                (self.total, other.total),
            )
        )

    def proves(self, other: Version) -> bool:
        """Whether `other` is of this version beyond doubt.

        What made this one's validator strong has to be in the other one too: a server that leaves
        it out may not have looked at If-Range either.
        """
        if self.validator is None or self.contradicts(other):
            return False
        if self.validator == self.etag:
            return other.etag == self.etag
        return other.last_modified == self.last_modified


def version_of(get: Callable[[str], Sequence[str]], total: int | None) -> Version:
    """The version that headers tell of; `get(name)` gives the values of one."""
    modified = _single(get("last-modified"))
    return Version(
        _single(get("etag")), modified, total, _is_settled(modified, _single(get("date")))
    )


def _single(values: Sequence[str]) -> str | None:
    value = values[0].strip() if len(values) == 1 else ""
    return value if 0 < len(value) <= _LONGEST and value.isprintable() else None


def _is_settled(modified: str | None, date: str | None) -> bool:
    if modified is None or date is None:
        return False
    try:
        age = parsedate_to_datetime(date) - parsedate_to_datetime(modified)
    except (ValueError, TypeError, OverflowError):  # TypeError: one of them has no time zone
        return False
    return age.total_seconds() >= SETTLED
