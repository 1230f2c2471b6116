"""Whatever servers do with the parts of a file, and whenever: its bytes are right, or it fails."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.spied import Time, downloaders
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.python.failure import Failure
from twisted.web.client import ResponseFailed

from downloader import Job, Result, Retries, Splitting, Status
from downloader.errors import DownloadError, Interrupted, TruncatedBody
from downloader.testing import AgentSpy, SpiedRequest, SpiedResponse
from downloader.transfer.partfile import WORTH

URLS = [f"http://{host}.example/a.bin" for host in ("one", "two", "three")]
SIZE = 5 * WORTH
DATA = bytes(n * n % 251 for n in range(SIZE))
CUT = ResponseFailed([Failure(TruncatedBody())])
STOPPED = ResponseFailed([Failure(Interrupted())])


class Servers:
    """Answers the requests of a spied agent by chance, or as it should be. What it brings of the
    version `"1"` is right, always."""

    def __init__(self, spy: AgentSpy) -> None:
        self._spy = spy
        self._bodies: dict[SpiedRequest, tuple[SpiedResponse, int, int]] = {}
        self._over: set[SpiedRequest] = set()

    def live(self) -> list[SpiedRequest]:
        """Those that are under way."""
        for request, (response, _, _) in self._bodies.items():
            if "abortConnection" in response.transport.calls:
                self._over.add(request)
        return [one for one in self._spy.requests if not (one.cancelled or one in self._over)]

    def step(self, chance: int, number: int) -> None:
        """One thing happens to one of them."""
        live = self.live()
        if live:
            request = live[number % len(live)]
            if request in self._bodies:
                self._feed(request, chance, number)
            else:
                self._answer(request, chance)

    def _answer(self, request: SpiedRequest, chance: int) -> None:
        told = request.headers.getRawHeaders("range")
        if chance == 0:
            self._over.add(request)
            request.fail(Refused())
        elif chance in (1, 2):
            self._over.add(request)
            request.answer((503, 404)[chance - 1], length=0).finish()
        elif told is None or chance == 3:
            self._bodies[request] = (self._whole(request, chance), 0, SIZE)
        else:
            start, stop = (int(n or SIZE - 1) for n in told[0][6:].split("-"))
            etag = '"2"' if chance == 4 else '"1"'
            headers = {"Content-Range": f"bytes {start}-{stop}/{SIZE}", "ETag": etag}
            response = request.answer(206, headers, length=stop + 1 - start)
            self._bodies[request] = (response, start, stop + 1)

    def _whole(self, request: SpiedRequest, chance: int) -> SpiedResponse:
        headers = {"ETag": '"1"'} | ({"Accept-Ranges": "bytes"} if chance % 2 else {})
        return request.answer(200, headers, length=SIZE)

    def _feed(self, request: SpiedRequest, chance: int, number: int) -> None:
        response, at, stop = self._bodies[request]
        if chance in (0, 1):
            self._over.add(request)
            response.finish((CUT, STOPPED)[chance])
            return
        size = min(stop - at, number * 100)
        self._bodies[request] = (response, at + size, stop)
        response.feed(DATA[at : at + size])
        if at + size == stop and request in self.live():
            self._over.add(request)
            response.finish()


def outcome(fetching: Any) -> Result | DownloadError | None:
    found: list[Any] = []
    fetching.addBoth(found.append)
    if not found:
        return None
    result: Result | DownloadError = getattr(found[0], "value", found[0])
    return result


@given(
    st.integers(1, 3),
    st.builds(Splitting, st.integers(1, 3), st.integers(1, 5), st.sampled_from([WORTH, 2 * WORTH])),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 2000)), max_size=60),
    st.booleans(),
)
def test_right_or_not_at_all(
    mirrors: int,
    splitting: Splitting,
    chances: list[tuple[int, int]],
    cancels: bool,
) -> None:
    """And never more at a time than were allowed, or anything left behind."""
    clock, spy = Time(), AgentSpy()
    servers = Servers(spy)
    with tempfile.TemporaryDirectory() as out, downloaders(clock, spy) as make:
        retries = Retries(tries=3, wait=0.5)
        downloader = make(splitting=splitting, retries=retries)
        fetching = downloader.fetch(Job(URLS[0], out, mirrors=tuple(URLS[1:mirrors])))
        for chance, number in chances:
            servers.step(chance, number)
            clock.advance(chance / 10)
            live = servers.live()
            assert len(live) <= splitting.parts
            for url in URLS:
                of_host = [one for one in live if one.absoluteURI.decode() == url]
                assert len(of_host) <= splitting.connections
        if cancels:
            fetching.cancel()
        for _ in range(500):
            servers.step(9, 2000)
            clock.advance(0.5)
            if fetching.called:
                break
        result = outcome(fetching)
        assert result is not None, "it does not end"
        assert servers.live() == []
        if isinstance(result, Result):
            assert (result.status, result.bytes) == (Status.COMPLETE, SIZE)
            assert os.listdir(out) == ["a.bin"]
            assert Path(out, "a.bin").read_bytes() == DATA
        else:
            assert "a.bin" not in os.listdir(out)
