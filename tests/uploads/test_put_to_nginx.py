"""Files sent to a real server, which keeps them: byte for byte, on few connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.ca import Authority
from support.nginx import Nginx

from downloader import Authorities, Downloader, Limits, PutJob, Result
from downloader.errors import HttpError

LARGE = 3 * 1024 * 1024


def stored(nginx: Nginx, path: str) -> bytes:
    return (nginx.root / path.removeprefix("/")).read_bytes()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [0, 1, 100_000, LARGE])
async def test_a_file(
    nginx: Nginx, ca: Authority, sender: Any, file: Any, tls: bool, size: int
) -> None:
    """Small and large, over TLS too: it is there as it was."""
    sending = sender(trust_root=Authorities(Path(ca.pem).read_bytes()))
    path = f"/dav/{'tls' if tls else 'plain'}-{size}"
    sent = file(size)
    result = await sending.upload(PutJob(sent, (nginx.tls_url if tls else nginx.url)(path)))
    assert (result.http_status, result.bytes, result.path) == (201, size, sent)
    assert stored(nginx, path) == Path(sent).read_bytes()
    again = await sending.upload(PutJob(sent, (nginx.tls_url if tls else nginx.url)(path)))
    assert again.http_status == 204


@pytest.mark.parametrize("depth", [1, 8])
async def test_many_files(nginx: Nginx, sender: Any, file: Any, depth: int) -> None:
    """Pipelined or not, each has its own bytes."""
    files = [file(n * 997, f"{n}") for n in range(60)]
    limits = Limits(16, None, 2, depth, pipeline_uploads=True)
    results: list[Result] = []
    jobs = [PutJob(f, nginx.url(f"/dav/many-{depth}/{n}")) for n, f in enumerate(files)]
    report = await sender(limits=limits).upload_all(jobs, results.append)
    assert (report.complete, report.bytes) == (60, sum(n * 997 for n in range(60)))
    for n, sent in enumerate(files):
        assert stored(nginx, f"/dav/many-{depth}/{n}") == Path(sent).read_bytes()
    assert {result.attempts for result in results} == {1}


@pytest.mark.parametrize("size", [70_000, LARGE])
async def test_what_is_too_large_for_it(nginx: Nginx, sender: Any, file: Any, size: int) -> None:
    """413 comes early, and the next file is none the worse for it."""
    sending: Downloader = sender(limits=Limits(connections_per_host=1))
    large = PutJob(file(size, "large"), nginx.url("/dav/small/large"))
    with pytest.raises(HttpError) as caught:
        await sending.upload(large)
    assert caught.value.http_status == 413
    fits = PutJob(file(60_000, "fits"), nginx.url(f"/dav/small/fits-{size}"))
    assert (await sending.upload(fits)).http_status == 201
    assert not (nginx.root / "dav/small/large").exists()
