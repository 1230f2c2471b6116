"""Events as another program's log gets them: an http.server that parses a form, as people do."""

from __future__ import annotations

import logging
import threading
from base64 import b64encode
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from twisted.internet.task import deferLater

from downloader import Downloader
from downloader.errors import BadUrl, NotFound
from downloader.events import EventLog
from downloader.jobs import Job, Result, Status


class Received(HTTPServer):
    """A log server in a thread. `records` are what was posted; `statuses` are answered one after
    the other, and then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Peer)
        self.records: list[tuple[str, Any, dict[str, str]]] = []
        self.statuses: list[int] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def url(self, path: str = "/log", user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.server_port}{path}"

    @property
    def messages(self) -> list[str]:
        return [fields["msg"] for _, _, fields in self.records]

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Peer(BaseHTTPRequestHandler):
    server: Received

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True)
        fields = {name: value for name, (value,) in form.items()}
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.records.append((self.path, self.headers, fields))
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Not on the tests' standard error."""


@pytest.fixture
def received() -> Generator[Received, None, None]:
    server = Received()
    yield server
    server.close()


Make = Callable[..., EventLog]


@pytest.fixture
def events(reactor: Any) -> Make:
    return lambda url, **more: EventLog(reactor, Downloader(reactor), url, **more)


JOB = Job("http://me:secret@a.example/f?token=hidden", "out")


async def test_it_is_a_log_record(received: Received, events: Make, reactor: Any) -> None:
    """All the fields of one, and none besides; nothing of it is secret."""
    log = events(received.url("/app?x=1", "me:p%40w@"))
    log.result(Result(JOB, Status.COMPLETE, "out/f", bytes=12))
    log.result(Result(JOB, Status.ERROR, error=NotFound("404")))
    log.result(Result(JOB, Status.REMOVED))
    await log.close()
    done, failed, removed = received.records
    path, headers, fields = done
    assert path == "/app?x=1"
    assert headers["Host"] == f"127.0.0.1:{received.server_port}"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Authorization"] == "Basic " + b64encode(b"me:p@w").decode()
    assert fields.keys() == logging.makeLogRecord({}).__dict__.keys()
    assert fields["name"] == "downloader.job"
    assert (fields["levelname"], fields["levelno"]) == ("INFO", "20")
    assert fields["msg"].endswith(" -> out/f (12 bytes)")
    assert failed[2]["levelname"] == "ERROR" and "404" in failed[2]["msg"]
    assert removed[2]["msg"].startswith("removed: http")
    assert "secret" not in str(received.messages) and "hidden" not in str(received.messages)


async def test_what_a_server_is_too_busy_for_comes_again(
    received: Received, events: Make, warnings: list[str]
) -> None:
    received.statuses = [503]
    log = events(received.url())
    log.result(Result(JOB, Status.REMOVED))
    await until(log, lambda: received.records)
    await log.close()
    assert len(received.records) == 1
    assert len(warnings) == 1 and "503" in warnings[0]


async def test_what_is_refused_is_dropped_and_counted(
    received: Received, events: Make, warnings: list[str]
) -> None:
    received.statuses = [401, 401]
    log = events(received.url(user="me:secret@"))
    for _ in range(3):
        log.result(Result(JOB, Status.REMOVED))
    await log.close()
    assert received.messages[0].startswith("removed")
    assert received.messages[1:] == ["2 events were dropped here"]
    assert len(warnings) == 1 and "401" in warnings[0] and "secret" not in str(warnings)


async def test_it_is_bounded_while_nobody_is_there(
    received: Received, events: Make, warnings: list[str]
) -> None:
    """The oldest go, and how many is told."""
    log = events(received.url(), most=2)
    received.statuses = [503]
    for n in range(5):
        log.ended(Status.COMPLETE, "http://a/", f"f{n}", n, None)
    await until(log, lambda: not received.statuses)
    await log.close()
    first, dropped, third, last = received.messages
    assert "f0" in first  # it was on its way
    assert dropped == "2 events were dropped here"
    assert "f3" in third and "f4" in last


async def test_closing_waits_for_no_server_that_is_mute(
    scripted: Any, events: Make, warnings: list[str]
) -> None:
    async def mute(connection: Any) -> None:
        await connection.head()

    log = events(scripted(mute).url("/log"))
    for _ in range(3):
        log.result(Result(JOB, Status.REMOVED))
    await log.close()
    assert warnings[-1].startswith("3 events did not get to http://127.0.0.1:")


async def test_nobody_there_at_the_end(
    received: Received, events: Make, warnings: list[str], reactor: Any
) -> None:
    """It is between two tries: there is one more, and no other."""
    received.statuses = [503] * 99
    log = events(received.url())
    log.result(Result(JOB, Status.REMOVED))
    await until(log, lambda: len(received.statuses) == 98)
    await log.close()
    assert received.records == []
    assert warnings[-1].startswith("1 events did not get to")
    log.result(Result(JOB, Status.REMOVED))  # is too late, and harmless


def test_a_url_that_is_none(events: Make) -> None:
    with pytest.raises(BadUrl):
        events("ftp://a/")


async def until(log: EventLog, holds: Callable[[], object]) -> None:
    from twisted.internet import reactor

    while not holds():
        await deferLater(reactor, 0.01)  # type: ignore[arg-type]
