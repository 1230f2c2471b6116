"""One job, from its first request to its file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.web.iweb import IResponse

from downloader.drain import drain
from downloader.errors import DownloadError, Interrupted, SizeMismatch, TruncatedBody
from downloader.sansio.checksum import Checksum
from downloader.sansio.condition import NOT_MODIFIED
from downloader.sansio.proof import TELLING, Digest, no_more_than
from downloader.sansio.ranges import Gap, Range, Ranges, range_header
from downloader.sansio.resume import WITH_FILE, Complete, Decision, Take, judge
from downloader.sansio.url import HttpUrl, parse_url, redacted
from downloader.sansio.version import Version
from downloader.transfer.body import FileBody
from downloader.transfer.heads import answer_of, has_any, length_of, validators_of
from downloader.transfer.incoming import Incoming
from downloader.transfer.partfile import WORTH
from downloader.transfer.proving import piece_sums

if TYPE_CHECKING:
    from downloader.transfer.rest import Rest

_log = Logger()


class Transfer(Incoming):
    """A job on its way to its file: what is asked for, and what the answers bring."""

    __slots__ = ()

    async def _exchange(self, url: HttpUrl) -> None:
        self._part = None
        try:
            if self._may_go_on and self.target.has_journal:
                await self._go_on(url)
            else:
                await self._begin_anew(url)
            if not self._changed:
                self._discard()
            elif self._part is not None or not self._write_at_once():
                await self._commit()
        except CancelledError:
            if self._part is not None:
                self._part.keep()  # and not wait for it: what hangs must not hold up a cancel
            raise
        except Exception:
            await self._close()
            raise
        if self._part is not None:
            await self._close()

    @property
    def _may_go_on(self) -> bool:
        """Whether there may be something to go on with, and it may be asked for."""
        return not (self._whole_only or (self._tries.made == 0 and self.target.began_empty))

    async def _begin_anew(self, url: HttpUrl) -> None:
        """Ask for the whole file, or for none if it is there already."""
        more = () if self._condition is None else (self._condition,)
        response = await self._ask(b"GET", url, more=more)
        if more and response.code == NOT_MODIFIED:
            await drain(response, self._setup.deadlines)
            self._changed = False
            return
        if response.code not in WITH_FILE or self._says_more:  # hardly ever
            decision = await self._judged(response, None, Version())
            assert isinstance(decision, Take)
        if not await self._receive_whole(url, response):
            self._whole_only = True
            await self._begin_anew(url)

    async def _go_on(self, url: HttpUrl) -> None:
        """Ask for what is missing; for all of it, if that is of no use."""
        part = self._part = self.target.open(self._setup.folders, True)
        found = await part.found()
        if found is not None and self._proof.fits(found.version.total):
            self._proof.pinned = found.version.checksum or self._proof.pinned
            if not self._tries.made:
                self._setup.found.bytes += found.size
            if await self._complete(url, Ranges(found.ranges), found.version):
                return
            self._whole_only = True
        await self._begin_anew(url)

    async def _complete(self, url: HttpUrl, held: Ranges, version: Version) -> bool:
        """Fetch what is missing of `version`. False when the whole is to be fetched."""
        self._base, self._body, self._streams = held.size, None, None
        if self._proof.pieces is not None:  # they prove each byte, whatever version it is of
            version = Version(total=version.total)
        while (gap := held.gap(version.total)) is not None:
            response, decision = await self._ask_part(url, gap, version)
            if isinstance(decision, Take) and decision.version is None:
                return await self._receive_whole(url, response)
            if not isinstance(decision, Take):
                await drain(response, self._setup.deadlines)
                if isinstance(decision, Complete):
                    version = replace(version, total=held.prefix)
                    break
                told = redacted(self._final_url)
                _log.debug("{url}: begun anew: {why}", url=told, why=decision.why)
                return False
            await self._hear_part(response, decision)
            version = replace(version, total=self._length)
            rest = self._rest(url, held, version, (response, decision, gap))
            if rest is not None:
                return await self._receive_split(rest)
            before = held.size
            held.add(*await self._receive_part(response, decision))
            self._base, self._body = held.size, None
            if held.gap(version.total) is None:
                break
            # A request is a start of its own, and costs no try if the next can go on behind it.
            raise self._cut(before, held.size)
        if not self._proof.fits(held.size):
            self._forget()
            return False
        if self._proof.pieces is not None:
            rest = self._rest(url, held, version)
            return rest is not None and await self._receive_split(rest)
        self._verified = True
        self._validators = version.etag, version.last_modified
        return await self._has_checksum()

    def _cut(self, before: int, now: int) -> DownloadError:
        """A part ended early. That is a failed try if it brought little, or if what the last one
        brought was not kept: who asks for the same again asks without end."""
        kept, self._before = before > self._before, before
        if kept and now - before >= WORTH:
            return Interrupted()
        return TruncatedBody("a part of what was missing")

    async def _ask_part(
        self, url: HttpUrl, gap: Gap, version: Version
    ) -> tuple[IResponse, Decision]:
        """Ask for these bytes of `version`; raises what a refusal means."""
        held = [] if version.validator is None else [("If-Range", version.validator)]
        more = [("Range", range_header(*gap)), *held]
        response = await self._ask(b"GET", url, more=more)
        return response, await self._judged(response, gap[0], version)

    async def _judged(self, response: IResponse, start: int | None, version: Version) -> Decision:
        """What the answer means. Raises what a refusal means."""
        try:
            decision = judge(answer_of(response), start, version, self._proof.provable)
        except DownloadError:
            await drain(response, self._setup.deadlines)
            raise
        if decision is None:
            await self._refused(response)
        return decision

    async def _receive_whole(self, url: HttpUrl, response: IResponse) -> bool:
        """The body is the whole file. False as `_receive_split`."""
        self._base, self._streams = 0, None
        self._length = length_of(response)
        try:
            self._hear(response)
            if self._setup.content_disposition:
                self._take_offered(response)
        except Exception:
            # Nobody reads the body then, and its connection would wait for somebody to.
            await drain(response, self._setup.deadlines)
            raise
        if self._recorder is not None:
            self._validators = validators_of(response)
        if self._part is not None:
            self._begin(self._part, response)
        pieces = self._proof.pieces
        if pieces is not None or (self._length or 0) >= 2 * self._setup.splitting.least:
            take = Take(0, self._length, None)
            rest = self._rest(url, Ranges(), None, (response, take, (0, None)))
            if rest is not None:
                return await self._receive_split(rest)
        wanted = self._proof.checksum
        checksum = Checksum(wanted) if wanted else None
        digest: Digest | None = checksum.update if checksum else None
        sums = None if pieces is None else piece_sums(pieces, digest)
        digest = self._proof.bounded(sums.update if sums else digest, self._length)
        try:
            body = self._deliver(response, self._length, 0, digest)
            ended = await body.done if body.result is None else body.told()
            self._verified = self._proof.proven(self.moved, ended) or sums is not None
        except SizeMismatch:
            self._discard()
            raise
        if sums is not None and not sums.matches:
            self._refuse("that of a piece is another")
        if checksum is not None:
            self._check(checksum)
        return True

    async def _receive_part(self, response: IResponse, take: Take) -> Range:
        """The body is these bytes of the file, of which more is here already."""
        assert take.stop is not None
        within = no_more_than(take.stop - take.start)
        body = self._deliver(response, length_of(response), take.start, within)
        await body.done
        return take.start, take.start + body.received

    def _hear(self, response: IResponse, part: bool = False) -> None:
        """What an answer says of the whole file, before its body is received."""
        answer = answer_of(response) if self._says_more and has_any(response, TELLING) else None
        first = not part and self._tries.takes_offers
        if first:  # it was of what an earlier run has left, and nobody is asked who needs it
            self._proof.pinned = None
        self._proof.hear(self._length, answer, part)
        if answer is not None and first:
            self._tries.offer(self._proof.mirrors(answer, parse_url(self._final_url)))

    async def _hear_part(self, response: IResponse, take: Take) -> None:
        assert take.version is not None
        self._length = take.version.total
        try:
            self._hear(response, part=True)
        except Exception:  # nobody reads the body then
            await drain(response, self._setup.deadlines)
            raise

    def _deliver(
        self, response: IResponse, length: int | None, start: int, digest: Digest | None
    ) -> FileBody:
        """Let the body come to its place in the file."""
        setup = self._setup
        body = self._body = FileBody(
            lambda: self._opened(response),
            *(length, setup.deadlines, setup.timeouts, digest, setup.throttle),
            *(self._part, start),
        )
        response.deliverBody(body)
        return body

    # --- over several connections, or piece by piece ------------------------------------------

    def _rest(
        self,
        url: HttpUrl,
        held: Ranges,
        version: Version | None,
        first: tuple[IResponse, Take, Gap] | None = None,
    ) -> Rest | None:
        """What comes so: all but what is `held`, if it does. See `rest_of`."""
        if self._whole_only:
            return None
        from downloader.transfer.rest import rest_of  # late: few files come so

        return rest_of(self._setup, self._proof, (url, self._tries.urls), held, version, first)

    async def _receive_split(self, rest: Rest) -> bool:
        """Fetch what is missing. False when it has to be fetched as a whole."""
        part = self._part
        if part is None:
            assert rest.first is not None
            try:
                part = self._opened(rest.first.response)
            except Exception:
                await drain(rest.first.response, self._setup.deadlines)
                raise
        self._length = rest.version.total
        self._streams = rest.streams(self._setup, part, self._ask_part)
        first = self._http_status, self._final_url  # whoever comes last
        if not await self._streams.start(rest.first, rest.held):
            return False
        self._http_status, self._final_url = first
        self._verified = True
        return await self._has_checksum()
