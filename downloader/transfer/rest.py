"""What is still to come of a file, and whether it comes over several connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from twisted.web.iweb import IResponse

from downloader.errors import DownloadError
from downloader.jobs import Pieces, Splitting
from downloader.sansio.pieces import PieceChecks, has_pieces
from downloader.sansio.proof import Proof
from downloader.sansio.ranges import Gap, Ranges
from downloader.sansio.resume import Decision, Take
from downloader.sansio.retry import Tries
from downloader.sansio.segments import Segments, splits
from downloader.sansio.url import HttpUrl, parse_url
from downloader.sansio.version import Version, version_of
from downloader.transfer.heads import answer_of
from downloader.transfer.segments import First, Streams
from downloader.transfer.setup import Setup
from downloader.transfer.writer import PartWriter

Request = Callable[[HttpUrl, Gap, Version], Awaitable[tuple[IResponse, Decision]]]


class Rest(NamedTuple):
    """What is to come of a file: all but `held`, of `version`, from `urls`. `pieces` are its
    checksums; `first` is an answer of the first URL."""

    urls: Sequence[HttpUrl]
    held: Ranges
    version: Version
    pieces: Pieces | None
    first: First | None = None

    def splits(self, splitting: Splitting, provable: bool) -> bool:
        """Whether it comes over several connections, or piece by piece. `provable` says that a sum
        will tell of a mixture."""
        total = self.version.total
        if total is None or (self.first is not None and self.first.answer.encoded):
            return False
        if self.pieces is not None:
            return has_pieces(total, self.pieces)
        if self.first is None or self.first.answer.parts is False:
            return False
        known = provable or self.version.validator is not None
        return known and splits(total - self.held.size, self.urls, splitting)

    def streams(self, setup: Setup, part: PartWriter, request: Request) -> Streams:
        """They fetch it into `part`. `request(url, range, version)` asks."""
        total, pieces = self.version.total, self.pieces
        assert total is not None
        # Each byte is proven by its piece: mirrors need not agree on more.
        version = self.version if pieces is None else Version(total=total)
        segments = Segments(
            self.held.missing(total),
            self.urls,
            setup.splitting,
            lambda url: Tries((str(url),), setup.retries, setup.backoff),
            1 if pieces is None else pieces.length,
        )
        return Streams(
            *(setup, segments, part),
            lambda stream: request(stream.mirror.url, (stream.start, stream.stop), version),
            *(total, None if pieces is None else PieceChecks(pieces, total)),
        )


def rest_of(
    setup: Setup,
    proof: Proof,
    urls: tuple[HttpUrl, Sequence[str]],
    held: Ranges,
    version: Version | None,
    first: tuple[IResponse, Take, Gap] | None,
) -> Rest | None:
    """What is to come, all but `held` of `version`; None where that comes as one.

    `urls` are the one that is asked, and it and the others. `first` is an answer of it, and what
    was asked for; where `version` is None, it is that of this answer, which brings the whole.
    """
    begun = None if first is None else First(answer_of(first[0]), *first)
    if version is None:
        assert begun is not None
        version = version_of(begun.answer.get, begun.answer.length)
    rest = Rest(_mirrors(setup, *urls), held, version, proof.pieces, begun)
    return rest if rest.splits(setup.splitting, proof.provable) else None


def _mirrors(setup: Setup, url: HttpUrl, texts: Sequence[str]) -> Sequence[HttpUrl]:
    """`url`, which is the first of `texts`, and those of the others that may be asked beside it:
    none of a host that is to be left alone, nor any that robots.txt has not permitted."""
    urls = [url]
    for text in texts[1:] if setup.robots is None else ():
        with suppress(DownloadError):
            mirror = parse_url(text)
            if not setup.limiter.shuns(mirror.server):
                urls.append(mirror)
    return urls
