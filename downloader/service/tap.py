"""`twistd downloader`: its options, and the service made of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from getopt import GetoptError, getopt
from typing import Any, ClassVar, TypeVar

from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.python import usage

from downloader.client import Downloader
from downloader.descriptors import allow_descriptors
from downloader.errors import BadUrl
from downloader.events import EventLog
from downloader.jobs import Limits, Naming, Retries, Splitting
from downloader.sansio.amounts import parse_count, parse_rate, parse_seconds, parse_size
from downloader.sansio.guard import checked_origin
from downloader.sansio.network import Network
from downloader.sansio.printable import printable
from downloader.sansio.product import checked_contact
from downloader.sansio.proxies import Proxies
from downloader.sansio.url import parse_url
from downloader.service.config import BadConfig, arguments_of, read_config
from downloader.service.hangup import Hangup, Reload
from downloader.service.notify import notify
from downloader.service.service import DownloadService, Listener
from downloader.service.watch import Watched
from downloader.store.place import TOKEN, default_state

T = TypeVar("T")
_CONNECTIONS = "Open up to so many connections to one host."
_PER_SERVER = "Fetch one file over up to so many connections to each host, a part over each."
_SPLIT = "Fetch up to so many parts of one file at once, from all its mirrors together."
_LEAST = "Cut nothing that is shorter than twice so many bytes."
_PIPELINE = "Have up to so many requests under way on one connection; 1 turns that off."
_SEEN = "A password on the command line is seen by others here, one in --config (mode 0600) is not."
_PROXY = f"Go through this proxy: http://, socks5:// or socks5h://, with its login. {_SEEN}"
_TRIES = "Ask so many times for each URL of a file."
_LIMIT_RATE = "Receive no more than so many bytes a second in all, such as 500K; 0 is no limit."
_RATE = "Start no more than so many requests a second, minute or hour, such as 10/s or 100/m."
_DELAY = "Leave so many seconds between the starts of two requests to one host."
_CONTACT = "Tell servers this http URL or mail address, so that they can reach you."
_ROBOTS = "Fetch only what each site's robots.txt allows, and as slowly as it says."
_INSECURE = "Listen also where others may read along: beyond this machine without TLS."
_PRIVATE = "Fetch from private addresses too, such as this machine's and its networks'."
_NAMES = "Name files after the last part of their URLs (flat), or after host and path (tree)."
_LOG_URL = f"Post each job's end to this http URL, with its login, as HTTPHandler does. {_SEEN}"

LISTEN = "tcp:6800:interface=127.0.0.1"
_NOT_CONFIGURED = {"config", "help", "version"}
REPEATED = ("listen", "dir", "allow-origin", "allow-host", "watch")


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


def _url(text: str) -> str:
    try:
        parse_url(text)
    except BadUrl as error:  # where the password ends in what is no URL, nobody can tell
        raise usage.UsageError(f"no URL to post to: {error.detail}") from error
    return text


def _naming(text: str) -> Naming:
    if text not in list(Naming):
        raise usage.UsageError(f"{text!r} is not {' or '.join(Naming)}")
    return Naming(text)


class Options(usage.Options):
    """What `twistd downloader` takes."""

    synopsis = "[options]"
    longdesc = (
        "A queue of downloads that survives whatever ends the process, with an HTTP API and "
        "aria2's RPC. It listens on loopback; who asks shows the token that is in the file "
        f"{TOKEN} of the state directory."
    )
    optParameters: ClassVar[list[list[object]]] = [
        ["state", None, None, "Keep the queue and the token in this directory."],
        ["config", None, None, "Read options from this TOML file; those given here come first."],
        ["concurrency", "j", Limits().total, "Fetch up to so many files at once.", _count],
        ["per-host", None, None, "Fetch up to so many files of one host at once.", _count],
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
        ["log-url", None, None, _LOG_URL, _url],
        [
            "log-file",
            None,
            None,
            "Write what is posted to /log to this file, not to STATE/log.",
        ],
    ]
    optFlags: ClassVar[list[list[object]]] = [
        ["respect-robots", None, _ROBOTS],
        ["allow-private-addresses", None, _PRIVATE],
        ["insecure-listen", None, _INSECURE],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._given: list[str] = []
        for name in REPEATED:
            self[name] = []

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Take these, behind those of the configuration."""
        self._given = list(sys.argv[1:] if options is None else options)
        configured = self._configured()
        super().parseOptions([*configured, *self._given])  # type: ignore[no-untyped-call]

    def again(self) -> Options:
        """The same, with what the configuration says now. Raises UsageError."""
        options = Options()
        options.parseOptions(self._given)
        return options

    def _configured(self) -> list[str]:
        """What the file of --config says, as arguments; less what may be repeated, and is given."""
        try:
            given, _ = getopt(self._given, self.shortOpt, self.longOpt)
        except GetoptError:
            return []  # told when it is parsed
        path = dict(given).get("--config")
        if path is None:
            return []
        self._given = [*self._given, "--config", os.path.abspath(path)]
        try:
            values = read_config(path)
            names = {name.rstrip("=") for name in self.longOpt} - _NOT_CONFIGURED
            flags = {name for name in self.longOpt if not name.endswith("=")}
            for name in values:
                _check_value(arguments_of({name: values[name]}, names, flags, REPEATED), name)
            said = {name.lstrip("-") for name, _ in given}
            said |= {"dir"} if "d" in said else set()
            left = {n: v for n, v in values.items() if not (n in REPEATED and n in said)}
            return arguments_of(left, names, flags, REPEATED)
        except (BadConfig, usage.UsageError) as error:
            raise usage.UsageError(f"--config {printable(path)}: {error}") from error

    def opt_listen(self, text: str) -> None:
        """Listen at this Twisted endpoint, such as tcp:6800:interface=127.0.0.1 (the default),
        unix:/run/downloader.sock or ssl:6800:privateKey=k.pem:certKey=c.pem; may be repeated."""
        self["listen"].append(text)

    def opt_dir(self, text: str) -> None:
        """Files may go to this directory, and below it; may be repeated. The first is where they go
        without a word; it is the current one by default."""
        self["dir"].append(os.path.abspath(text))

    opt_d = opt_dir

    def opt_allow_origin(self, text: str) -> None:
        """Let pages of this origin ask, such as https://ariang.example; may be repeated."""
        self["allow-origin"].append(_checked(checked_origin)(text))

    def opt_allow_host(self, text: str) -> None:
        """Be asked by this name too; addresses and localhost always may. May be repeated."""
        self["allow-host"].append(text.lower())

    def opt_watch(self, text: str) -> None:
        """Queue what is put into this directory: lists (*.txt, *.list, with .gz too) and Metalink
        documents (*.meta4, *.metalink). They are moved to done/ or failed/ in it. May be
        repeated."""
        self["watch"].append(os.path.abspath(text))

    def postOptions(self) -> None:
        """Check what can be known before the service starts."""
        self["listen"] = self["listen"] or [LISTEN]
        self["dir"] = self["dir"] or [os.getcwd()]
        self["state"] = os.path.abspath(self["state"] or default_state())
        if self["log-file"] is not None:
            self["log-file"] = os.path.abspath(self["log-file"])
        for name in ("state", "log-file", "config", "watch"):
            for path in self[name] if name == "watch" else filter(None, [self[name]]):
                self._keep_apart(name, path)

    def _keep_apart(self, name: str, path: str) -> None:
        """What is fetched is others' words: it must not be what the service itself reads."""
        real = os.path.realpath(path)
        for root in map(os.path.realpath, self["dir"]):
            if f"{real}/".startswith(root.rstrip("/") + "/"):
                raise usage.UsageError(
                    f"--{name} {path} is in {root}, where files are fetched to; see --dir"
                )


class _Values(Options):
    """One option by itself; how it fits the others is looked at when all are here."""

    def postOptions(self) -> None:
        pass


def _check_value(arguments: list[str], name: str) -> None:
    try:
        super(Options, _Values()).parseOptions(arguments)  # type: ignore[no-untyped-call]
    except usage.UsageError as error:
        raise usage.UsageError(f"{printable(name)}: {error}") from error


def makeService(options: Any) -> IService:
    """The service that `options` describe, in a process that may open as much as it may."""
    from twisted.internet import reactor

    allow_descriptors()
    limits = Limits(
        options["concurrency"],
        options["per-host"],
        connections_per_host=options["connections-per-host"],
        pipeline=options["pipeline"],
        bytes_per_second=options["limit-rate"] or None,
        rate=options["rate"],
        per_host_delay=options["per-host-delay"] or None,
    )

    private = bool(options["allow-private-addresses"])
    network = replace(options["proxy"] or Network(), private=private)

    def make_downloader() -> Downloader:
        return Downloader(
            reactor,
            limits=limits,
            retries=Retries(tries=options["max-tries"]),
            splitting=Splitting(
                options["max-connection-per-server"], options["split"], options["min-split-size"]
            ),
            naming=options["names"],
            network=network,
            contact=options["contact"],
            respect_robots=bool(options["respect-robots"]),
        )

    def make_event_log() -> EventLog:
        asking = Downloader(reactor, network=options["proxy"] or Network())
        return EventLog(reactor, asking, options["log-url"])

    service = DownloadService(
        reactor,
        *(options["state"], options["dir"], _listeners(reactor, options)),
        *(limits, make_downloader, lambda: reactor.callLater(0, reactor.stop)),
        make_event_log if options["log-url"] else None,
        options["log-file"],
        notify,
    )
    service.door.hosts = frozenset(options["allow-host"])
    service.door.origins = frozenset(options["allow-origin"])
    reload = Reload(service, options, options.again)
    Hangup(reactor, reload).setServiceParent(service)  # type: ignore[no-untyped-call]
    for directory in options["watch"]:
        watched = Watched(reactor, directory, options["dir"][0], lambda: service.queue_if_ready)
        watched.setServiceParent(service)  # type: ignore[no-untyped-call]
    return service


def _listeners(reactor: Any, options: Any) -> list[Listener]:
    found = []
    for text in options["listen"]:
        secure = text.startswith(("ssl:", "tls:")) or bool(options["insecure-listen"])
        try:
            found.append(Listener(serverFromString(reactor, text), secure))
        except (ValueError, TypeError, LookupError) as error:
            raise usage.UsageError(f"{text!r} is no endpoint: {error}") from error
    return found
