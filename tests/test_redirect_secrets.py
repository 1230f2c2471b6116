"""200 redirects: scheme, host and port the same or not, five codes, five ways to carry a secret.

A secret goes on exactly if the whole origin is the same (CVE-2022-21712, CVE-2018-1000007,
CVE-2023-43804), and from https nothing goes to http at all. All over real sockets, in one run for
each kind of start; what was sent is read where it arrived.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from support.asking import HELLO
from support.resolving import SilentResolver

from downloader import Downloader, Job, Limits, Result, Retries
from downloader.errors import InsecureRedirect
from downloader.testing import ScriptedServer

CODES = (301, 302, 303, 307, 308)
CARRIERS = ("Authorization", "Cookie", "X-Token", "Proxy-Authorization", "userinfo")
SECRET = "Sesame"
ENCODED = b64encode(f"me:{SECRET}".encode())
# What the run sends to everybody.
AGENT = "seen-by-all/1"
# How TLS begins where no TLS is.
HANDSHAKE = b"\x16"
CERTIFICATE_NAMES = ("one.test", "two.test")


@dataclass(frozen=True)
class Case:
    """One redirect: which parts of the origin stay as they are."""

    scheme: bool
    host: bool
    port: bool
    code: int
    carrier: str

    @property
    def same(self) -> bool:
        """Whether it stays in its origin."""
        return self.scheme and self.host and self.port

    @property
    def path(self) -> str:
        """Its own path."""
        parts = zip(("scheme", "host", "port"), (self.scheme, self.host, self.port), strict=True)
        kept = "-".join(part for part, same in parts if same) or "nothing"
        return f"/{kept}/{self.code}/{self.carrier}"


CASES = [Case(*parts) for parts in product(*[(True, False)] * 3, CODES, CARRIERS)]


class Site:
    """Servers for the start of each redirect and for where it leads.

    One port cannot serve two schemes, so where the scheme changes and the port does not, the
    target is the same server: the request to it must not be sent, or fails at its handshake.
    """

    def __init__(self, scripted: Any, ca: Any, scheme: str) -> None:
        self.scheme = scheme
        schemes = (("http", None), ("https", ca.server(*CERTIFICATE_NAMES)))
        self.ports = {
            (name, number): scripted(self._script, tls=tls)
            for name, tls in schemes
            for number in (1, 2)
        }

    def start(self, case: Case) -> str:
        """The URL that is asked for."""
        user = f"me:{SECRET}@" if case.carrier == "userinfo" else ""
        port = self.ports[self.scheme, 1].port
        return f"{self.scheme}://{user}one.test:{port}{case.path}"

    def target(self, case: Case) -> str:
        """Where it is redirected to."""
        other = "https" if self.scheme == "http" else "http"
        scheme = self.scheme if case.scheme else other
        host = "one.test" if case.host else "two.test"
        port = self.ports[self.scheme, 1].port if case.port else self.ports[scheme, 2].port
        return f"{scheme}://{host}:{port}/to{case.path}"

    async def _script(self, connection: Any) -> None:
        while await connection.take(1) != HANDSHAKE:
            path = (await connection.head()).split(b" ")[1].decode("ascii")
            case = next((one for one in CASES if one.path == path), None)
            if case is None:
                connection.send(HELLO)
            else:
                line = b"HTTP/1.1 %d Moved\r\nContent-Length: 0\r\n" % case.code
                connection.send(line + b"Location: %b\r\n\r\n" % self.target(case).encode())
        connection.close()

    def heads(self) -> dict[str, bytes]:
        """The request heads of all servers, by their path."""
        servers: list[ScriptedServer] = list(self.ports.values())
        heads = [head for one in servers for peer in one.connections for head in peer.heads]
        return {head.split(b" ")[1].decode("ascii"): head for head in heads}

    def received(self) -> bytes:
        """Every byte that any of them got."""
        return b"".join(peer.received for one in self.ports.values() for peer in one.connections)


def job(url: str, carrier: str, directory: Path) -> Job:
    """A job with the secret in its place."""
    headers = () if carrier == "userinfo" else ((carrier, SECRET),)
    return Job(url, str(directory), url.partition("test:")[2].replace("/", "_"), headers=headers)


@pytest.fixture
def fetch_all(reactor: Any, ca: Any) -> Any:
    """Fetch these jobs once; returns what came of each, by its URL's path."""
    downloader = Downloader(
        reactor,
        limits=Limits(total=32, connections_per_host=16),
        retries=Retries(tries=1),
        headers=[("User-Agent", AGENT)],
        trust_root=ca.trust_root,
        resolver=SilentResolver(silent=False),
    )

    async def fetch(jobs: list[Job]) -> dict[str, Result]:
        results: list[Result] = []
        await downloader.fetch_all(jobs, results.append)
        return {"/" + one.job.url.split("/", 3)[3]: one for one in results}

    yield fetch
    pytest_twisted.blockon(downloader.close())


def carries(head: bytes) -> bool:
    """Whether a request has the secret, in whatever field."""
    return SECRET.encode() in head or ENCODED in head


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_secret_leaves_its_origin(
    scripted: Any, ca: Any, fetch_all: Any, tmp_path: Path, scheme: str
) -> None:
    """In each of the 200: kept within the origin, dropped outside, and never from https to http."""
    assert len(CASES) == 200
    site = Site(scripted, ca, scheme)
    results = await fetch_all([job(site.start(one), one.carrier, tmp_path) for one in CASES])
    assert len(results) == len(CASES)
    heads = site.heads()
    for case in CASES:
        result, second = results[case.path], heads.get(f"/to{case.path}")
        sent = case.carrier != "Proxy-Authorization"  # that one is for proxies alone
        assert carries(heads[case.path]) == sent, case
        if scheme == "https" and not case.scheme:
            assert type(result.error) is InsecureRedirect and second is None, case
        elif case.port and not case.scheme:
            assert result.error is not None and second is None, case  # no TLS at that port
        else:
            assert result.error is None and second is not None, case
            assert carries(second) == (sent and case.same), case
            assert b"User-Agent: " + AGENT.encode() in second, case
    assert site.received().count(b"HTTP/1.1\r\n") == len(heads)
