"""The page with something to do, as pictures: `cd tests; python -m support.screenshots ../docs`.

Further arguments are widths in pixels, other than 1440.

The service goes through a proxy that has every file, so that real names can be shown without the
network. The page's clock goes faster, so that its graph is full before all is fetched.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater, react

from downloader import Downloader, Limits
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies
from downloader.service.service import DownloadService, Listener
from downloader.testing import Connection, ScriptedServer
from support.browsing import Browser, find_chromium
from support.serving import Client

MIB = 1024 * 1024
SECONDS = 24
FASTER = f"const now = performance.now.bind(performance); performance.now = () => now() * {12};"
# What is at each URL: bytes, and bytes a second.
FILES = {
    "http://mirror.example.org/debian/dists/bookworm/main/Contents-amd64.gz": (9 * MIB, 9.0 * MIB),
    "http://dumps.wikimedia.org/dewiki/dewiki-pages-articles.xml.bz2": (310 * MIB, 3.1 * MIB),
    "http://data.commoncrawl.org/crawl-data/CC-MAIN-2026-10/wet.paths.gz": (41 * MIB, 1.2 * MIB),
    "http://cdimage.ubuntu.com/releases/26.04/ubuntu-26.04-live-server.iso": (140 * MIB, 4.4 * MIB),
    "http://ftp.gnu.org/gnu/gcc/gcc-16.1.0/gcc-16.1.0.tar.xz": (7 * MIB, 7.0 * MIB),
    "http://www.python.org/ftp/python/3.14.2/Python-3.14.2.tar.xz": (5 * MIB, 5.0 * MIB),
}
WAITING = (
    "http://planet.openstreetmap.org/pbf/planet-260316.osm.pbf",
    "http://archive.apache.org/dist/spark/spark-4.1.1/spark-4.1.1-bin-hadoop3.tgz",
    "http://ftp.ncbi.nlm.nih.gov/blast/db/nt.000.tar.gz",
)
MISSING = "http://mirror.example.org/videos/keynote-2026.webm"


async def give(reactor: Any, connection: Connection) -> None:
    """The files of FILES, each at its rate, which goes up and down a little."""
    while True:
        target = (await connection.head()).split(b" ")[1].decode()
        size, rate = FILES.get(target, (0, 0.0))
        status = b"200 OK" if size else b"404 Not Found"
        connection.send(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, size))
        for n in range(10_000):
            swing = (0.55, 0.8, 1.0, 1.1, 0.9, 0.3, 0.7)[n // 24 % 7]
            part = min(size, int(rate * swing / 10))
            if connection.end is not None or not part:
                break
            connection.send(bytes(part))
            size -= part
            await deferLater(reactor, 0.1)


def take(browser: Browser, base: str, token: str, directory: Path, widths: list[int]) -> None:
    """A picture of each width and theme."""
    for theme in ("", "-dark"):
        context = browser.chromium.new_context(color_scheme="dark" if theme else "light")
        context.add_init_script(FASTER)
        page = context.new_page()
        page.goto(f"{base}/#token={token}")
        page.wait_for_timeout(SECONDS * 500)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 1080})
            page.wait_for_timeout(400)
            page.screenshot(path=directory / f"page{'' if width == 1440 else width}{theme}.png")
        context.close()


async def show(reactor: Any, directory: Path, widths: list[int], state: Path) -> None:
    proxy = ScriptedServer(reactor, partial(give, reactor))
    limits = Limits(total=3)
    network = Network(Proxies(all=proxy.url("")))
    listener = Listener(serverFromString(reactor, "tcp:0:interface=127.0.0.1"), False)
    service = DownloadService(
        *(reactor, str(state / "state"), [str(state / "downloads")], [listener], limits),
        lambda: Downloader(reactor, limits=limits, network=network),
        lambda: None,
    )
    service.startService()
    while not service.ready:
        await deferLater(reactor, 0.01)
    token = (state / "state" / "token").read_text().strip()
    client = Client(reactor, service.addresses[0].port, token)
    jobs = [{"urls": [url]} for url in (MISSING, *reversed(FILES))]
    jobs += [{"urls": [url], "paused": n == 1} for n, url in enumerate(WAITING)]
    await client.ask("POST", "/api/v1/jobs", jobs)
    browser = Browser(reactor, find_chromium() or "chromium")
    base = f"http://127.0.0.1:{service.addresses[0].port}"
    await browser.run(partial(take, browser, base, token, directory, widths))
    browser.stop()
    await client.close()
    await service.stopService()
    await proxy.stop()


def main(reactor: Any, directory: str, *widths: str) -> Deferred[None]:
    state = tempfile.TemporaryDirectory()
    wide = [int(width) for width in widths] or [1440]
    done = Deferred.fromCoroutine(show(reactor, Path(directory), wide, Path(state.name)))
    return done.addBoth(lambda result: (state.cleanup(), result)[1])


if __name__ == "__main__":
    react(main, sys.argv[1:])
