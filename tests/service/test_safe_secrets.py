"""Secrets that a job or a request brings are told to nobody."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from support.rawhttp import connect, request, say
from twisted.logger import LogEvent, eventAsText, globalLogPublisher

from downloader.testing import Origin

CANARY = "c4n4ry"
PASSWORD, QUERY, HEADER = f"{CANARY}-password", f"{CANARY}-query", f"{CANARY}-header"


@pytest.fixture
def log() -> Generator[list[str], None, None]:
    """Everything that is logged, with tracebacks."""
    texts: list[str] = []

    def observe(event: LogEvent) -> None:
        texts.append(eventAsText(event))

    globalLogPublisher.addObserver(observe)
    yield texts
    globalLogPublisher.removeObserver(observe)


def secretive(url: str) -> str:
    """`url` with what may be secret in it."""
    return url.replace("http://", f"http://me:{PASSWORD}@") + f"?token={QUERY}"


async def test_they_are_in_no_answer_no_event_and_no_log(
    served: Any, origin: Origin, log: list[str]
) -> None:
    """Whether the job succeeds, fails, or is refused, with the token and without."""
    s = await served()
    reader = await connect(s.reactor, s.port)
    reader.transport.write(request("GET", "/events", s.token))
    await s.until(lambda: b"progress" in reader.came)
    headers = [f"X-Key: {HEADER}", f"Authorization: Bearer {HEADER}"]
    told = []
    for path in ("/there", "/not-there"):
        url = secretive(origin.url(path))
        wanted = {"urls": [url, url + "&more"], "headers": headers}
        told.append(await s.ask("POST", "/api/v1/jobs", wanted))
        told.append(await s.ask("POST", "/api/v1/jobs", {"list": f"{url}\n header={headers[0]}"}))
    await s.until(lambda: len(s.queue.over) == 4)
    bad = [
        {"urls": [f"http://me:{PASSWORD}@ho st/"]},
        {"urls": [f"ftp://me:{PASSWORD}@host/?token={QUERY}"]},
        {"urls": ["http://a/"], "headers": [f"Host: {HEADER}"]},
        {"urls": ["http://a/"], "headers": [f"X: {HEADER}\r\nY: z"]},
        {"urls": ["http://a/"], "headers": [f"no colon {HEADER}"]},
        {"urls": ["http://a/"], "out": 3, "headers": [HEADER]},
        {"list": f"ftp://me:{PASSWORD}@host/?token={QUERY}\nhttp://a:{PASSWORD}@b c/"},
        {"list": f"http://a/\n header={HEADER}\n header=Host: {HEADER}"},
    ]
    for one in bad:
        told.append(await s.ask("POST", "/api/v1/jobs", one))
    told.append(await s.ask("POST", "/api/v1/jobs", json.dumps(bad[0]).encode()[:-3]))
    for path in ("jobs", "jobs?status=error", "stats", "limits", f"jobs/{s.queue.over[0].gid}"):
        told.append(await s.ask("GET", f"/api/v1/{path}"))
    told.append(await s.ask("GET", "/metrics"))
    told.append(await s.ask("GET", f"/{QUERY}?token={QUERY}"))
    raw = await say(s.reactor, s.port, request("GET", "/api/v1/stats", f"{s.token}-{CANARY}"))
    everything = [one.body for one in told] + [raw.body, reader.came]
    assert [one for one in everything if CANARY.encode() in one] == []
    token = s.token.encode()
    assert [one for one in everything if token in one] == []
    assert [line for line in log if CANARY in line or s.token in line] == []
    assert reader.came.count(b"event: job") >= 8 and len(log) > 4
    reader.transport.abortConnection()
    await reader.ended


async def test_the_token_file_is_its_owners(served: Any) -> None:
    s = await served()
    assert s.state.stat().st_mode & 0o777 == 0o700
    assert (s.state / "token").stat().st_mode & 0o777 == 0o600
    assert [path for path in s.state.iterdir() if path.stat().st_mode & 0o077] == []
