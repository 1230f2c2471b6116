"""Who we are, over real sockets: each way to say it, and each place a job can lead to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from support.asking import HELLO, path_of
from support.resolving import SilentResolver

from downloader import (
    Bearer,
    Credentials,
    Downloader,
    Identity,
    Job,
    Retries,
    read_cookies,
    read_netrc,
)
from downloader.errors import DownloadError, InsecureRedirect
from downloader.sansio.cookies import parse_cookies
from downloader.sansio.netrc import parse_netrc

NOTHING = b"Content-Length: 0\r\n\r\n"
DIGEST = (
    b"HTTP/1.1 401 Unauthorized\r\n"
    b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256\r\n' + NOTHING
)
# What stands in a request that carries it; `digest` shows only what it makes of the password.
SIGNS = {
    "userinfo": b"Authorization: Basic bWU6c2VzYW1l",
    "user": b"Authorization: Basic bWU6c2VzYW1l",
    "bearer": b"Authorization: Bearer sesame",
    "netrc": b"Authorization: Basic bWU6c2VzYW1l",
    "digest": b'Authorization: Digest username="me"',
    "header": b"Authorization: Own sesame",
    "cookie": b"Cookie: c=sesame",
}
ME = Credentials("me", "sesame")
IDENTITIES = {
    "user": Identity(ME),
    "bearer": Identity(Bearer("sesame")),
    "netrc": Identity(netrc=parse_netrc("machine one.test login me password sesame")),
    "digest": Identity(ME, digest=True),
    "cookie": Identity(cookies=parse_cookies(b"one.test\tFALSE\t/\tFALSE\t0\tc\tsesame")),
}
EVERY = set(SIGNS)
# By host alone: their files know no ports and no schemes.
BY_HOST = {"cookie"}
# Where the first URL leads, and what is carried there. The first URL is http://one.test.
PLACES = {
    "the same origin": EVERY,
    "another port": BY_HOST,
    "another scheme": BY_HOST,
    "another host": set(),
    "a host below": set(),
    "a trailing dot": set(),
}
# A mirror is the job's own word, and yet no other server gets what was said of the first.
MIRRORS = {
    "the same origin": EVERY - {"userinfo"},
    "another port": {"netrc", "cookie"},
    "another scheme": {"netrc", "cookie"},
    "another host": set(),
    "a host below": set(),
    "a trailing dot": set(),
}


class Sites:
    """Servers of several origins, and a downloader that finds them all."""

    def __init__(self, reactor: Any, scripted: Any, ca: Any) -> None:
        names = ("one.test", "two.test", "x.one.test")
        self._reactor = reactor
        self._trust_root = ca.trust_root
        self.first = scripted(self._script)
        self.other = scripted(self._script)
        self.secure = scripted(self._script, tls=ca.server(*names))
        self.challenging = False

    def url(self, place: str, path: str = "/file") -> str:
        """A URL of `place`, seen from http://one.test."""
        if place == "another port":
            return self.other.url(path, "one.test")
        if place == "another scheme":
            return self.secure.url(path, "one.test")
        hosts = {"another host": "two.test", "a host below": "x.one.test",
                 "a trailing dot": "one.test."}  # fmt: skip
        return self.first.url(path, hosts.get(place, "one.test"))

    @property
    def heads(self) -> list[bytes]:
        """All requests, of each server in the order they came."""
        servers = (self.first, self.other, self.secure)
        return [head for one in servers for peer in one.connections for head in peer.heads]

    async def fetch(self, job: Job, identity: Identity | None) -> DownloadError | None:
        """Fetch it; the error, if it failed."""
        downloader = Downloader(
            self._reactor,
            trust_root=self._trust_root,
            resolver=SilentResolver(silent=False),
            identity=identity,
            retries=Retries(tries=1),
        )
        try:
            await downloader.fetch(job)
        except DownloadError as error:
            return error
        finally:
            await downloader.close()
        return None

    async def _script(self, connection: Any) -> None:
        while True:
            head = await connection.head()
            kind, _, rest = path_of(head).partition("?")
            if self.challenging and b"Authorization" not in head:
                connection.send(DIGEST)
            elif kind == "/to":
                location = unquote(rest).encode()
                connection.send(b"HTTP/1.1 302 Found\r\nLocation: %b\r\n" % location + NOTHING)
            elif kind == "/missing":
                connection.send(b"HTTP/1.1 404 Not Found\r\n" + NOTHING)
            else:
                connection.send(HELLO)


@pytest.fixture
def sites(reactor: Any, scripted: Any, ca: Any) -> Sites:
    return Sites(reactor, scripted, ca)


def job_of(carrier: str, url: str, directory: Path, *mirrors: str) -> Job:
    """A job that says who we are in this way, or leaves it to the identity."""
    if carrier == "userinfo":
        url = url.replace("://", "://me:sesame@")
    headers = (("Authorization", "Own sesame"),) if carrier == "header" else ()
    return Job(url, str(directory), "file", mirrors=mirrors, headers=headers)


def carrying(heads: list[bytes], carrier: str, path: bytes = b"/file") -> set[bool]:
    """Whether the requests for `path` carry it, the last ones where there is a challenge."""
    asked = [head for head in heads if head.startswith(b"GET " + path)]
    if carrier == "digest":
        asked = asked[-1:]
    assert asked
    return {SIGNS[carrier] in head for head in asked}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("carrier", SIGNS)
async def test_redirects(sites: Sites, tmp_path: Path, carrier: str, place: str) -> None:
    """The first origin gets it, and another only what its own name is given."""
    sites.challenging = carrier == "digest"
    job = job_of(carrier, sites.url("", "/to?" + quote(sites.url(place))), tmp_path)
    error = await sites.fetch(job, IDENTITIES.get(carrier))
    assert carrying(sites.heads, carrier, b"/to") == {True}
    assert carrying(sites.heads, carrier) == {carrier in PLACES[place]}
    assert (error is None) == (carrier != "digest" or carrier in PLACES[place])
    rest = b"".join(head for head in sites.heads if SIGNS[carrier] not in head)
    assert b"sesame" not in rest and b"c2VzYW1l" not in rest


@pytest.mark.parametrize("place", MIRRORS)
@pytest.mark.parametrize("carrier", SIGNS)
async def test_mirrors(sites: Sites, tmp_path: Path, carrier: str, place: str) -> None:
    """A mirror elsewhere gets what .netrc and the cookie file say of its host, and no more."""
    sites.challenging = carrier == "digest"
    job = job_of(carrier, sites.url("", "/missing"), tmp_path, sites.url(place))
    await sites.fetch(job, IDENTITIES.get(carrier))
    assert carrying(sites.heads, carrier, b"/missing") == {True}
    assert carrying(sites.heads, carrier) == {carrier in MIRRORS[place]}


@pytest.mark.parametrize("carrier", sorted(EVERY - {"digest"}))
async def test_no_way_down_from_https(sites: Sites, tmp_path: Path, carrier: str) -> None:
    """What was meant for TLS is not sent in the clear: the redirect is refused."""
    url = sites.url("another scheme", "/to?" + quote(sites.url("the same origin")))
    error = await sites.fetch(job_of(carrier, url, tmp_path), IDENTITIES.get(carrier))
    assert type(error) is InsecureRedirect
    assert carrying(sites.secure.connections[0].heads, carrier, b"/to") == {True}
    assert sites.first.connections == []


@pytest.mark.parametrize("carrier", sorted(EVERY - {"digest"}))
async def test_there_and_back(sites: Sites, tmp_path: Path, carrier: str) -> None:
    """A server elsewhere cannot make us show ourselves at home for its purposes; cookies it can,
    as in a browser."""
    back = sites.url("", "/file")
    away = sites.url("another host", "/to?" + quote(back))
    job = job_of(carrier, sites.url("", "/to?" + quote(away)), tmp_path)
    assert await sites.fetch(job, IDENTITIES.get(carrier)) is None
    assert carrying(sites.heads, carrier) == {carrier == "cookie"}


async def test_the_treq_client(sites: Sites, reactor: Any) -> None:
    """Cookies are part of the agent, so `downloader.http` sends them; credentials are jobs'."""
    identity = Identity(ME, cookies=IDENTITIES["cookie"].cookies)
    resolver = SilentResolver(silent=False)
    downloader = Downloader(reactor, resolver=resolver, identity=identity)
    for follow in (True, False):
        response = await downloader.http.get(sites.url(""), allow_redirects=follow)
        await response.content()
    await downloader.close()
    assert [b"Cookie: c=sesame" in head for head in sites.heads] == [True, True]
    assert not any(b"Authorization" in head for head in sites.heads)


# --- files ----------------------------------------------------------------------------------

NETRC = "machine one.test login me password sesame\n"


@pytest.fixture
def netrc(tmp_path: Path) -> Path:
    path = tmp_path / "netrc"
    path.write_text(NETRC)
    path.chmod(0o600)
    return path


def test_a_private_netrc(netrc: Path, tmp_path: Path) -> None:
    """Through a link too: what it leads to is judged."""
    (tmp_path / "link").symlink_to(netrc)
    netrc.chmod(0o400)
    for path in (netrc, tmp_path / "link"):
        found = read_netrc(str(path)).find("one.test")
        assert found is not None and found.password == "sesame"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o666])
def test_a_netrc_that_others_may_touch(netrc: Path, tmp_path: Path, mode: int) -> None:
    """Is refused, through a link too."""
    netrc.chmod(mode)
    (tmp_path / "link").symlink_to(netrc)
    for path in (netrc, tmp_path / "link"):
        with pytest.raises(ValueError, match="chmod 600"):
            read_netrc(str(path))


def test_somebody_elses_netrc(netrc: Path) -> None:
    """Is refused, be it as private as it may. Only root can make one, and only root has one."""
    if os.geteuid() == 0:
        os.chown(netrc, 12345, -1)
        path = str(netrc)
    else:
        path = "/etc/passwd"
    with pytest.raises(ValueError, match="somebody else's"):
        read_netrc(path)


@pytest.mark.parametrize("read", [read_netrc, read_cookies])
def test_what_is_no_file(tmp_path: Path, read: Any) -> None:
    """A FIFO holds nobody up; no descriptor is left."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises((ValueError, IsADirectoryError)):
            read(str(path))
    with pytest.raises(FileNotFoundError):
        read(str(tmp_path / "missing"))


@pytest.mark.parametrize(("read", "size"), [(read_netrc, 1 << 20), (read_cookies, 1 << 24)])
def test_a_file_too_large(tmp_path: Path, read: Any, size: int) -> None:
    """Is not read to its end."""
    path = tmp_path / "large"
    path.touch(0o600)
    os.truncate(path, size + 1)
    with pytest.raises(ValueError, match=f"larger than {size} bytes"):
        read(str(path))
