"""Jobs in plain values, and nothing secret in them; no queue, no disk."""

from __future__ import annotations

import json
from typing import Any

import pytest

from downloader.jobs import Job, Limits, Status
from downloader.queue.entry import Entry, Told
from downloader.service.shown import limits, name_of, shown, stats


class Meter:
    rate = 2.6


class Still:
    """A queue in which nothing happens."""

    def __init__(self, place: int | None = None) -> None:
        self.meter = Meter()
        self.limits = Limits(3, 2, bytes_per_second=1000)
        self.counts = {status: n for n, status in enumerate(Status)}
        self._place = place

    def position(self, entry: Entry) -> int | None:
        return self._place


def entry(job: Job, status: Status = Status.WAITING, **fields: Any) -> Entry:
    found = Entry(1, "0123456789abcdef", job, status, 5, 0.0)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def seen(one: Entry, place: int | None = None) -> dict[str, Any]:
    queue: Any = Still(place)
    found = shown(one, queue)
    assert json.loads(json.dumps(found)) == found
    return found


def test_one_that_waits() -> None:
    found = seen(entry(Job("http://a/b", "/out", size=7), added=3.0), place=4)
    assert (found["gid"], found["status"], found["name"]) == ("0123456789abcdef", "waiting", "b")
    assert (found["priority"], found["position"], found["added"]) == (5, 4, 3.0)
    assert (found["received"], found["length"], found["dir"]) == (0, 7, "/out")
    nothing = ("path", "ended", "error", "message", "http_status", "final_url", "verified")
    assert [found[name] for name in nothing] == [None] * len(nothing)
    assert (found["attempts"], found["seconds"], found["troubles"]) == (0, 0.0, [])


def test_one_that_runs() -> None:
    """A length that the server tells is the one that counts."""
    job = Job("http://a/b", "/out", subdirectory="sub", size=7)
    fields = {"received": 4, "length": 8, "rate": 1.5, "path": "sub/c"}
    found = seen(entry(job, Status.ACTIVE, troubles=[(1.0, "no")], **fields))
    assert (found["received"], found["length"], found["rate"]) == (4, 8, 2)
    assert (found["path"], found["dir"], found["name"]) == ("/out/sub/c", "/out/sub", "c")
    assert found["troubles"] == [{"at": 1.0, "message": "no"}]


def test_one_that_has_ended() -> None:
    told = Told(None, None, 200, "http://c/", 9, 0.12345, 2, False, "md5=0", 7.0)
    found = seen(entry(Job("http://a/b", "/out"), Status.COMPLETE, told=told))
    assert (found["http_status"], found["final_url"], found["attempts"]) == (200, "http://c/", 2)
    assert (found["seconds"], found["checksum"], found["ended"]) == (0.123, "md5=0", 7.0)
    assert found["verified"] is False
    failed = Told("NotFound", "It is not there.", 404, ended=7.0)
    found = seen(entry(Job("http://a/b", checksum="md5=1"), Status.ERROR, told=failed))
    assert (found["error"], found["message"]) == ("NotFound", "It is not there.")
    assert (found["verified"], found["checksum"]) == (None, "md5=1")


def test_nothing_secret() -> None:
    """No user, password, header or signature, wherever it stands."""
    url = "https://me:hunter2@a/b?signature=hunter2&x=1"
    job = Job(url, "/out", mirrors=(url,), headers=(("Authorization", "hunter2"),))
    options = (("http-passwd", "hunter2"),)
    found = seen(entry(job, options=options))
    assert "hunter2" not in json.dumps(found)
    assert len(found["urls"]) == 2 and found["name"] == "b"


@pytest.mark.parametrize(
    ("job", "path", "name"),
    [
        (Job("http://a/b/c?d=/e"), None, "c"),
        (Job("http://a/b/"), None, "b"),
        (Job("http://a/b", name="x/y"), None, "y"),
        (Job("http://a/b", name="x"), "sub/z", "z"),
        (Job("http://a"), None, "a"),
    ],
)
def test_a_name(job: Job, path: str | None, name: str) -> None:
    assert name_of(entry(job, path=path)) == name


def test_the_whole() -> None:
    queue: Any = Still()
    told = {"concurrency": 3, "per_host": 2, "bytes_per_second": 1000}
    assert limits(queue) == told
    found = stats(queue)
    assert (found["rate"], found["limits"]) == (3, told)
    assert found["jobs"] == {str(status): n for n, status in enumerate(Status)}
