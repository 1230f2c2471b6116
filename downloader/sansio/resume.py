"""What an answer means to a file of which something is there already.

Asked was for the bytes from `start` on, with If-Range where there is a strong validator. Nothing
that comes is trusted to be the rest of what is there: not the status, and not that the server has
looked at If-Range. The table, first line that fits:

=======================================================  =========================================
the answer                                               what is done
=======================================================  =========================================
206, of the same version beyond doubt, not encoded, one  ``Take``: written where the server says,
range that begins at ``start`` or before it              never elsewhere
206, anything else                                       ``AskWhole``
200 or 203, that exactly like a 206 but for the status   ``Take``, like the 206
200 or 203, with a Content-Range of a part               ``AskWhole``, or ``BadResponse`` when the
                                                         whole had been asked for
200 or 203                                               ``Take`` from 0: all before is forgotten
416, of the same version, whose length is ``start``      ``Complete``
400, 412, 416, 501                                       ``AskWhole``: it does not do ranges
anything else                                            None: it is a refusal, whatever is there
=======================================================  =========================================

"The same version" is `Version.proves`. A file whose checksum is known is proven by that in the end,
so for its sake it is enough that nothing contradicts.

Broken precedents: rustup #4710 (200 appended), httrack #198 (206 from elsewhere), bun #33548
(If-Range ignored), modelscope_hub #50 (200 with a part).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from downloader.errors import BadResponse
from downloader.sansio.ranges import ContentRange, content_range
from downloader.sansio.version import Version, version_of

WITH_FILE = frozenset((200, 203))
_NO_RANGES = frozenset((400, 412, 416, 501))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's head: `get(name)` gives the values of a header, `length` is its body's length in
    bytes, None when it is not told."""

    status: int
    get: Callable[[str], Sequence[str]]
    length: int | None

    @property
    def encoded(self) -> bool:
        """Whether the body is not the file itself (RFC 9110 §8.4); nobody asked for that."""
        return any(value.strip().lower() != "identity" for value in self.get("content-encoding"))

    @property
    def parts(self) -> bool | None:
        """Whether parts of the file may be asked for (RFC 9110 §14.3); None when it is not told."""
        told = ",".join(self.get("accept-ranges")).lower()
        return True if self.status == 206 else "bytes" in told if told else None


@dataclass(frozen=True, slots=True)
class Take:
    """The body is the bytes from `start` on, up to `stop` where that is known, of `version`.

    Without a version, it is the whole file, and what is there may be of another one.
    """

    start: int
    stop: int | None
    version: Version | None


@dataclass(frozen=True, slots=True)
class AskWhole:
    """It is of no use; ask again, for the whole file. `why` is for the log."""

    why: str


class Complete:
    """All of it is there."""


Decision = Take | AskWhole | Complete


def judge(
    answer: Answer, start: int | None, held: Version, proven: bool = False
) -> Decision | None:
    """What `answer` means; the table above. `start` is None when the whole was asked for, `held`
    the version of what is there, and `proven` says that a checksum will tell."""
    if answer.status in WITH_FILE:
        return _whole(answer, start, held, proven)
    if start is None:
        return None
    if answer.status == 206:
        return part_of(answer, start, held, proven) or AskWhole("the part is not of what is there")
    if answer.status == 416 and _ends_at(answer, start, held, proven):
        return Complete()
    if answer.status in _NO_RANGES:
        return AskWhole(f"status {answer.status} to a range")
    return None


def part_of(answer: Answer, start: int, held: Version, proven: bool) -> Take | None:
    """The part that a 206 brings, when it is one of `held` that can be used from `start` on."""
    found = _single_range(answer)
    if found is None or found.start is None or found.stop is None or answer.encoded:
        return None
    total = held.total if found.total is None else found.total
    if total is None or not found.start <= start < found.stop:
        return None
    if answer.length not in (None, found.stop - found.start):
        return None
    version = version_of(answer.get, total)
    if not (held.proves(version) or (proven and not held.contradicts(version))):
        return None
    return Take(found.start, found.stop, version)


def _whole(answer: Answer, start: int | None, held: Version, proven: bool) -> Decision:
    found = _single_range(answer)
    is_part = found is not None and (found.start != 0 or found.stop != found.total)
    if is_part and start is not None:
        exactly = found is not None and found.start == start and found.stop == found.total
        part = part_of(answer, start, held, proven) if exactly and answer.length else None
        return part or AskWhole("a part of the file as if it were all")
    if is_part:
        raise BadResponse("a part of the file, and all of it was asked for")
    return Take(0, answer.length, None)


def _single_range(answer: Answer) -> ContentRange | None:
    found = content_range(answer.get("content-range"))
    if found is None or any("multipart" in value.lower() for value in answer.get("content-type")):
        return None
    return found


def _ends_at(answer: Answer, start: int, held: Version, proven: bool) -> bool:
    found = _single_range(answer)
    if found is None or found.start is not None or found.total != start:
        return False
    version = version_of(answer.get, found.total)
    return held.proves(version) or (proven and not held.contradicts(version))
