"""What is known of a file before it is there: how long it has to be, and which checksum it has.

The job's own words go first. Where it has no checksum, the one that the server tells with the file
takes its place: it shows that what is here is what was sent, not that this is the right file. A
server that tells one which nobody can forge may name mirrors too: they are held to it.
"""

from __future__ import annotations

from collections.abc import Callable

from downloader.errors import BadResponse, SizeMismatch, TruncatedBody
from downloader.jobs import Pieces
from downloader.sansio.checksum import is_weak
from downloader.sansio.linkheaders import mirrors_of, told_checksum
from downloader.sansio.resume import Answer
from downloader.sansio.url import HttpUrl

# The headers that may tell a checksum, or mirrors.
TELLING = frozenset((b"repr-digest", b"digest", b"link"))

Digest = Callable[[bytes | memoryview], object]


class Proof:
    """What one file is held to. `size`, in bytes, `own`, a checked checksum, and `pieces`, checked
    ones, are the job's; None for what it does not say. `pinned` is a checksum that was told and
    stays, since mirrors are asked that only it tells from others."""

    __slots__ = ("_told", "own", "pieces", "pinned", "size")

    def __init__(self, size: int | None, own: str | None, pieces: Pieces | None = None) -> None:
        self.size = size
        self.own = own
        self.pieces = pieces
        self.pinned: str | None = None
        self._told: str | None = None

    def __repr__(self) -> str:
        return f"<Proof {self.size} bytes, {self.checksum}>"

    @property
    def checksum(self) -> str | None:
        """The checksum that the file has to have: the job's, or else what was told."""
        return self.own or self.pinned or self._told

    @property
    def provable(self) -> bool:
        """Whether a sum that stays will tell what is another file, or a mixture of two."""
        return self.own is not None or self.pinned is not None or self.pieces is not None

    def hear(self, total: int | None, answer: Answer | None, part: bool = False) -> None:
        """An answer brings the file, or a `part` of it, which adds to what is there.

        All of it has `total` bytes, None where that is not told. `answer` is None where it has none
        of the `TELLING` headers. Raises SizeMismatch for a file of another size.
        """
        if not self.fits(total):
            raise SizeMismatch(f"{total} bytes, and not {self.size}")
        told = None if answer is None or answer.encoded else told_checksum(answer.get)
        if not part or self._told is None:
            self._told = told

    def mirrors(self, answer: Answer, base: HttpUrl) -> list[str]:
        """The URLs that an answer to `base`, which was heard, tells of the same file; none where no
        checksum tells their file from another. With any, the one that is known is pinned."""
        checksum = self.checksum
        if checksum is None or is_weak(checksum):
            return []
        found = mirrors_of(answer.get("link"), base)
        if found:
            self.pinned = self.own or checksum
        return found

    def fits(self, total: int | None) -> bool:
        """Whether a file of `total` bytes may be it; None is a total that is not known."""
        return total is None or self.size in (None, total)

    def bounded(self, digest: Digest | None, length: int | None) -> Digest | None:
        """`digest` for the pieces of a body of `length` bytes.

        Where that is not told, it raises SizeMismatch once more has come than the file has: a body
        without an end would fill the disk.
        """
        size, received = self.size, 0
        if size is None or length is not None:
            return digest

        def bounding(data: bytes | memoryview) -> None:
            nonlocal received
            received += len(data)
            if received > size:
                raise SizeMismatch(f"more than {size} bytes")
            if digest is not None:
                digest(data)

        return bounding

    def proven(self, received: int, ended: bool) -> bool:
        """Whether the length of the file is proven, once all its bytes are `received`: by an end
        that the server told (`ended`), or by its size.

        Raises SizeMismatch for a file of another size, TruncatedBody where nothing tells whether
        the rest was lost.
        """
        if self.size is None:
            return ended
        if received < self.size and not ended:
            raise TruncatedBody(f"{received} of {self.size} bytes")
        if received != self.size:
            raise SizeMismatch(f"{received} bytes, and not {self.size}")
        return True


def no_more_than(size: int) -> Digest:
    """For the pieces of a part of `size` bytes: raises BadResponse once more has come.

    What is behind a part is of no version that its head told of; chunks can bring it.
    """
    received = 0

    def bounding(data: bytes | memoryview) -> None:
        nonlocal received
        received += len(data)
        if received > size:
            raise BadResponse(f"more than the {size} bytes of the part")

    return bounding
