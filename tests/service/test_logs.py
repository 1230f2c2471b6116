"""`/log`, as the standard library's own handler meets it."""

from __future__ import annotations

import logging
import os
import re
import stat
from logging.handlers import HTTPHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from twisted.internet.threads import deferToThread

from downloader import Downloader
from downloader.errors import StoreError
from downloader.events import EventLog
from downloader.jobs import Job, Result, Status
from downloader.service.logs import Logs

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RECORD = {"created": "1.5", "name": "a", "levelname": "INFO", "msg": "hello", "args": "()"}


def lines(s: Any) -> list[str]:
    return (s.state / "log").read_text().splitlines()


async def test_the_standard_handler(served: Any) -> None:
    """Any program's logger, with the token as its password."""
    s = await served()
    handler = HTTPHandler(f"127.0.0.1:{s.port}", "/log", method="POST", credentials=("me", s.token))
    logger = logging.Logger("program.part")
    logger.addHandler(handler)

    def log() -> None:
        logger.warning("%d of %s: %s\n", 3, "many", "\x1b[31m")
        try:
            raise ValueError("oh")
        except ValueError:
            logger.exception("it failed")

    await deferToThread(log)
    first, second = lines(s)
    time = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z "
    assert re.fullmatch(time + r"program\.part WARNING 3 of many: \\x1b\[31m\\n", first)
    assert re.fullmatch(time + r"program\.part ERROR it failed .*ValueError\('oh'\).*", second)
    assert stat.S_IMODE((s.state / "log").stat().st_mode) == 0o600


async def test_our_own_events(served: Any, reactor: Any) -> None:
    """One service can keep the log of another's jobs."""
    s = await served()
    url = f"http://me:{s.token}@127.0.0.1:{s.port}/log"
    log = EventLog(reactor, Downloader(reactor), url)
    log.result(Result(Job("http://a.example/f"), Status.COMPLETE, "f", bytes=1))
    await log.close()
    (line,) = lines(s)
    assert line.endswith(" downloader.job INFO complete: http://a.example/f -> f (1 bytes)")


@pytest.mark.parametrize(
    ("method", "body", "headers", "status"),
    [
        ("POST", urlencode(RECORD).encode(), FORM, 204),
        ("POST", urlencode({**RECORD, "created": "soon"}).encode(), FORM, 422),
        ("POST", b"hello", FORM, 422),
        ("POST", b"", FORM, 422),
        ("POST", b"\xff=1", FORM, 422),
        ("POST", b"&".join(b"a=1" for _ in range(1000)), FORM, 422),
        ("POST", b"{}", {}, 415),
        ("GET", None, {}, 405),
        ("POST", urlencode(RECORD).encode(), {**FORM, "Authorization": "Basic bWU6bm8="}, 401),
        ("POST", urlencode(RECORD).encode(), {**FORM, "Authorization": ""}, 401),
    ],
)
async def test_what_is_taken(
    served: Any, method: str, body: Any, headers: dict[str, str], status: int
) -> None:
    """A record in a POST, from who has the token, and nothing else."""
    s = await served()
    assert (await s.ask(method, "/log", body, headers)).status == status
    assert len(lines(s)) == (status == 204)


async def test_a_file_of_others_is_refused(
    served: Any, tmp_path: Path, logged_failures: Any
) -> None:
    """Or a link, or one that others may read: when it starts, and when the log is opened anew."""
    path, theirs = tmp_path / "log", tmp_path / "theirs"
    theirs.write_text("theirs\n")
    made = [
        lambda: path.symlink_to(theirs),
        lambda: os.mkfifo(path, 0o600),
        lambda: path.touch(0o644),
        path.mkdir,
    ]
    s = await served(log_file=str(path))
    for make in made:
        path.rename(tmp_path / "moved") if path.exists() else path.unlink()
        make()
        with pytest.raises(StoreError, match=re.escape(str(path))):
            Logs(str(path))
        s.service.reopen()
        assert (await s.ask("POST", "/log", urlencode(RECORD).encode(), FORM)).status == 204
    assert theirs.read_text() == "theirs\n" and list(path.iterdir()) == []
    assert sum("the old file is written on" in text for text in logged_failures.texts()) == 4
    logged_failures.flush()


async def test_a_full_disk_is_told(served: Any) -> None:
    s = await served()
    full = os.open("/dev/full", os.O_WRONLY)
    own = os.open(s.state / "log", os.O_RDONLY)  # whichever it is, it gets the full one's place
    (fd,) = [
        fd for fd in map(int, os.listdir("/proc/self/fd"))
        if fd != own and _same(fd, own)
    ]  # fmt: skip
    os.dup2(full, fd)
    answer = await s.ask("POST", "/log", urlencode(RECORD).encode(), FORM)
    os.close(full)
    os.close(own)
    assert answer.status == 507


def _same(one: int, other: int) -> bool:
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


async def test_one_service_logs_for_another(served: Any, reactor: Any, origin: Any) -> None:
    """What a job's end is told as, to the last one when the service stops."""
    s = await served()
    url = f"http://me:{s.token}@127.0.0.1:{s.port}/log"
    make = lambda: EventLog(reactor, Downloader(reactor), url)  # noqa: E731
    other = await served(name="other", make_event_log=make)
    for path in (origin.add("/f", 3), origin.url("/missing")):
        await other.ask("POST", "/api/v1/jobs", {"urls": path})
    await other.until(lambda: len(other.queue.over) == 2)
    await other.restart()
    done, failed = sorted(line.partition(" downloader.job ")[2] for line in lines(s))[::-1]
    assert done == f"INFO complete: {origin.url('/f')} -> f (3 bytes)"
    assert failed.startswith(f"ERROR error: {origin.url('/missing')}: ") and "404" in failed
