"""`twistd downloader`: its options, and the service made of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from twisted.application.service import IService
from twisted.python import usage

from downloader.client import Downloader
from downloader.jobs import Limits, Naming, OnConflict, Retries, Splitting
from downloader.sansio.amounts import parse_count, parse_rate, parse_seconds, parse_size
from downloader.sansio.network import Network
from downloader.sansio.product import checked_contact
from downloader.sansio.proxies import Proxies
from downloader.service.lists import DownloadService

T = TypeVar("T")
_CONNECTIONS = "Open up to so many connections to one host."
_PER_SERVER = "Fetch one file over up to so many connections to each host, a part over each."
_SPLIT = "Fetch up to so many parts of one file at once, from all its mirrors together."
_LEAST = "Cut nothing that is shorter than twice so many bytes."
_PIPELINE = "Have up to so many requests under way on one connection; 1 turns that off."
_PROXY = "Go through this proxy: http://, socks5:// or socks5h://, with its user and password."
_TRIES = "Ask so many times for each URL of a file."
_LIMIT_RATE = "Receive no more than so many bytes a second in all, such as 500K; 0 is no limit."
_RATE = "Start no more than so many requests a second, minute or hour, such as 10/s or 100/m."
_DELAY = "Leave so many seconds between the starts of two requests to one host."
_CONTACT = "Tell servers this http URL or mail address, so that they can reach you."
_ROBOTS = "Fetch only what each site's robots.txt allows, and as slowly as it says."
_NAMES = "Name files after the last part of their URLs (flat), or after host and path (tree)."


def _checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """`parse`, with a usage error in place of its ValueError, before whose sentence Twisted would
    set "Parameter type enforcement failed"."""

    def checked(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise usage.UsageError(str(error)) from error

    return checked


_count = _checked(parse_count)


def _network(text: str) -> Network:
    return Network(Proxies(all=text))


def _positive_size(text: str) -> int:
    size = parse_size(text)
    if not size:
        raise ValueError("it has to be more than 0 bytes")
    return size


def _naming(text: str) -> Naming:
    if text not in list(Naming):
        raise usage.UsageError(f"{text!r} is not {' or '.join(Naming)}")
    return Naming(text)


class Options(usage.Options):
    """What `twistd downloader` takes."""

    synopsis = "[options] -i LIST"
    longdesc = (
        "Fetches the URLs in LIST, in aria2's input-file format. Files that are there already "
        "are not fetched again, so a start after a stop goes on."
    )
    optParameters: ClassVar[list[list[object]]] = [
        ["input-file", "i", None, "The list: a file of URLs, gzip too."],
        ["dir", "d", ".", "Write files below this directory, which is made if it is missing."],
        ["jobs", "j", Limits().total, "Fetch up to so many files at once.", _count],
        ["connections-per-host", None, Limits().connections_per_host, _CONNECTIONS, _count],
        ["max-connection-per-server", "x", Splitting().connections, _PER_SERVER, _count],
        ["split", "s", Splitting().parts, _SPLIT, _count],
        ["min-split-size", None, Splitting().least, _LEAST, _checked(_positive_size)],
        ["pipeline", None, Limits().pipeline, _PIPELINE, _count],
        ["max-tries", "m", Retries().tries, _TRIES, _count],
        ["limit-rate", None, None, _LIMIT_RATE, _checked(parse_size)],
        ["rate", None, None, _RATE, _checked(parse_rate)],
        ["per-host-delay", None, None, _DELAY, _checked(parse_seconds)],
        ["proxy", None, None, _PROXY, _checked(_network)],
        ["contact", None, None, _CONTACT, _checked(checked_contact)],
        ["names", None, Naming.FLAT, _NAMES, _naming],
    ]

    optFlags: ClassVar[list[list[object]]] = [["respect-robots", None, _ROBOTS]]

    def postOptions(self) -> None:
        """Check what can be known before the service starts."""
        path = self["input-file"]
        if path is None:
            raise usage.UsageError("say which list to fetch, with -i LIST")
        if not os.path.exists(path):
            raise usage.UsageError(f"there is no list {path}")


def makeService(options: Any) -> IService:
    """The service that `options` describe; it reads its list when it is started."""
    from twisted.internet import reactor

    def make_downloader() -> Downloader:
        return Downloader(
            reactor,
            limits=Limits(
                options["jobs"],
                connections_per_host=options["connections-per-host"],
                pipeline=options["pipeline"],
                bytes_per_second=options["limit-rate"] or None,
                rate=options["rate"],
                per_host_delay=options["per-host-delay"] or None,
            ),
            retries=Retries(tries=options["max-tries"]),
            splitting=Splitting(
                options["max-connection-per-server"], options["split"], options["min-split-size"]
            ),
            naming=options["names"],
            network=options["proxy"] or Network(),
            on_conflict=OnConflict.SKIP,
            contact=options["contact"],
            respect_robots=bool(options["respect-robots"]),
        )

    # twistd may change its working directory before it starts the service.
    list_path, directory = os.path.abspath(options["input-file"]), os.path.abspath(options["dir"])
    return DownloadService(reactor, list_path, directory, make_downloader)
