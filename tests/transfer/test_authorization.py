"""Which user, password or token a job's own requests carry, and what goes before what."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest
from support.playing import ONCE, error_of, refuse
from twisted.web.http_headers import Headers

from downloader import Bearer, Credentials, Downloader, Identity, Job, OnConflict, PutJob
from downloader.sansio.netrc import parse_netrc
from downloader.sansio.url import parse_url
from downloader.testing import AgentSpy
from downloader.transfer.request import Authorizations, request_headers

Make = Callable[..., Downloader]

URL = "http://one.test/a"
NETRC = parse_netrc(
    """
    machine one.test login netrc password n1
    machine one.test login second password n2
    machine nothing.test
    machine user.test login only
    default login default password d
    """
)


def shown(url: str, ours: Authorizations | None = None, job: Job | None = None) -> str | None:
    """The user and password, or what else the Authorization header holds."""
    job = job or Job(url)
    sent = request_headers(Headers(), job, parse_url(job.url), parse_url(url), ours)
    values = sent.getRawHeaders(b"authorization", [])
    assert len(values) < 2
    if not values:
        return None
    scheme, _, rest = values[0].decode().partition(" ")
    return b64decode(rest).decode() if scheme == "Basic" else values[0].decode()


def ours(url: str = URL, **options: Any) -> Authorizations:
    """What an identity of these is after a first job of `url`."""
    made = Authorizations(Identity(**options))
    made.meet(parse_url(url))
    return made


@pytest.mark.parametrize(
    ("url", "user_and_password"),
    [
        ("http://u:p@one.test/", "u:p"),
        ("http://u%40x:p%3Aq%25@one.test/", "u@x:p:q%"),
        ("http://u:@one.test/", "u:"),
        ("http://u@one.test/", "u:"),
        ("http://:p@one.test/", ":p"),
        ("http://@one.test/", None),
        ("http://a.com:@evil.test/", "a.com:"),
        ("http://one.test/", None),
    ],
)
def test_what_the_url_says(url: str, user_and_password: str | None) -> None:
    """RFC 7617: there is always a colon."""
    assert shown(url) == user_and_password


@pytest.mark.parametrize(
    ("url", "user_and_password"),
    [
        ("http://one.test/", "netrc:n1"),
        ("http://ONE.test:81/", "netrc:n1"),
        ("https://one.test/", "netrc:n1"),
        ("http://second@one.test/", "second:n2"),
        ("http://third@one.test/", "third:"),
        ("http://second:@one.test/", "second:"),
        ("http://:@one.test/", ":"),
        ("http://@one.test/", "netrc:n1"),
        ("http://a:b@one.test/", "a:b"),
        # the host is the one that is connected to, whatever stands before it (CVE-2024-47081)
        ("http://one.test:@evil.test/", "one.test:"),
        ("http://one.test:x@evil.test/", "one.test:x"),
        ("http://evil.test/#@one.test/", "default:d"),
        ("http://one.test.evil.test/", "default:d"),
        ("http://one.test./", "default:d"),
        ("http://nothing.test/", None),
        ("http://user.test/", "only:"),
    ],
)
def test_what_netrc_says(url: str, user_and_password: str | None) -> None:
    """By the parsed host; a password in the URL is not looked up, an empty one neither."""
    assert shown(url, ours(netrc=NETRC)) == user_and_password


def test_what_goes_before_what() -> None:
    """The job's own header, then the URL, then the credentials, then .netrc."""
    every = ours(credentials=Credentials("me", "pw"), netrc=NETRC)
    own = (("AUTHORIZATION", "Own x"),)
    assert shown("http://u:p@one.test/", every, Job("http://u:p@one.test/", headers=own)) == "Own x"
    assert shown("http://u:p@one.test/", every) == "u:p"
    assert shown(URL, every) == "me:pw"
    assert shown("http://other.test/", every) == "default:d"
    assert shown(URL, ours(credentials=Bearer("abc"), netrc=NETRC)) == "Bearer abc"


def test_netrc_is_for_the_urls_that_the_job_names() -> None:
    """Another port is another server, and an answer may name any."""
    every = ours(netrc=NETRC)
    job = Job(URL, mirrors=("no url", "http://one.test:81/b"))
    assert shown("http://one.test:81/c", every, job) == "netrc:n1"
    assert shown("http://one.test/c", every, job) == "netrc:n1"
    for url in ("http://one.test:82/", "https://one.test/", "http://two.test/"):
        assert shown(url, every, job) is None


ELSEWHERE = ["https://one.test/", "http://one.test:81/", "http://two.test/", "http://x.one.test/",
             "http://one.test./"]  # fmt: skip


@pytest.mark.parametrize("carrier", [Credentials("me", "pw"), Bearer("abc")])
def test_credentials_are_for_one_origin(carrier: Any) -> None:
    """That of the first job, so that a list cannot spread them (CVE-2021-41125)."""
    made = ours(credentials=carrier)
    for url in ELSEWHERE:
        made.meet(parse_url(url))
        assert shown(url, made) is None
    assert shown("http://one.test:80/other", made) is not None


def test_credentials_that_say_for_whom() -> None:
    """Then the order of the jobs does not matter."""
    made = ours("http://evil.test/", credentials=Credentials("me", "pw", "https://one.test/x"))
    assert shown("http://evil.test/", made) is None
    assert shown("https://one.test/y", made) == "me:pw"


def test_a_job_without_secrets_costs_nothing() -> None:
    """Its headers are the run's own object."""
    base, job, url = Headers(), Job(URL), parse_url(URL)
    assert request_headers(base, job, url, url) is base


def test_the_first_job_decides_even_when_it_is_skipped(
    make: Make, spy: AgentSpy, out: str, tmp_path: Any
) -> None:
    """A file that is there makes no other server the one that is meant."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").touch()
    identity = Identity(credentials=Credentials("me", "pw"))
    downloader = make(identity=identity, on_conflict=OnConflict.SKIP, retries=ONCE)
    urls = [URL, "http://two.test/b", "http://one.test/c"]
    run = downloader.fetch_all([Job(url, out) for url in urls])
    sent = [request.headers.getRawHeaders(b"authorization") for request in spy.requests]
    assert sent == [None, [b"Basic bWU6cHc="]]
    for request in spy.requests:
        request.answer(404, length=0).finish()
    assert run.result.failed == 2


REFUSED = {
    "a bad name": {"name": "../a"},
    "a bad checksum": {"checksum": "sha-256=zz"},
    "a bad directory": {"subdirectory": "/etc"},
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED.keys())
def test_the_first_job_decides_even_when_it_is_refused(
    make: Make, spy: AgentSpy, out: str, wrong: dict[str, str]
) -> None:
    """A mistake in it makes no other server the one that is meant."""
    downloader = make(identity=Identity(credentials=Credentials("me", "pw")), retries=ONCE)
    jobs = [Job(URL, out, **wrong), *(Job(url, out) for url in ("http://two.test/b", URL))]  # type: ignore[arg-type]
    run = downloader.fetch_all(jobs)
    assert authorizations(spy) == [None, [b"Basic bWU6cHc="]]
    assert run.result.failed == 3


def authorizations(spy: AgentSpy) -> list[Any]:
    """What those requests showed that are not answered yet; they are refused then."""
    asked = [request for request in spy.requests if not request.deferred.called]
    sent = [request.headers.getRawHeaders(b"authorization") for request in asked]
    for request in asked:
        request.answer(404, length=0).finish()
    return sent


@pytest.mark.parametrize("bearer", [False, True])
@pytest.mark.parametrize("way", ["fetch", "fetch_all", "upload", "request", "noted"])
def test_nobody_gets_them_when_the_first_is_no_job(
    make: Make, spy: AgentSpy, out: str, warnings: list[str], way: str, bearer: bool
) -> None:
    """As where a typo is in its scheme: it cannot be told whose they are. That is told, once."""
    carrier = Bearer("sesame") if bearer else Credentials("me", "sesame")
    downloader = make(identity=Identity(credentials=carrier, netrc=NETRC), retries=ONCE)
    wrong = "htps://one.test/a"
    if way == "noted":
        downloader.note_refused()
    elif way == "fetch_all":
        downloader.fetch_all([Job(wrong, out), Job(wrong, out)])
    else:
        begin = {"upload": lambda: downloader.upload(PutJob("f", wrong)),
                 "request": lambda: downloader.request("GET", wrong)}  # fmt: skip
        error_of(begin.get(way, lambda: downloader.fetch(Job(wrong, out)))())
    downloader.fetch_all([Job("http://two.test/b", out), Job(URL, out)])
    assert [b64decode(value[0][6:]) for value in authorizations(spy)] == [b"default:d", b"netrc:n1"]
    (told,) = warnings
    assert told.startswith("nobody gets the credentials: ") and "sesame" not in told


@pytest.mark.parametrize("known", ["by its URL", "by a job before"])
def test_what_is_refused_later_changes_nothing(
    make: Make, spy: AgentSpy, out: str, warnings: list[str], known: str
) -> None:
    """It is known then whose the credentials are."""
    credentials = Credentials("me", "pw", URL if known == "by its URL" else None)
    downloader = make(identity=Identity(credentials=credentials), retries=ONCE)
    first = [] if known == "by its URL" else [Job(URL, out)]
    downloader.fetch_all([*first, Job("htps://one.test/a", out)])
    downloader.note_refused()
    downloader.fetch_all([Job(URL, out)])
    assert authorizations(spy) == [[b"Basic bWU6cHc="]] * (1 + len(first))
    assert warnings == []


def test_without_credentials_there_is_nothing_to_tell(make: Make, warnings: list[str]) -> None:
    """Neither where .netrc is all there is, nor where nothing is."""
    for identity in (None, Identity(), Identity(netrc=NETRC)):
        make(identity=identity).note_refused()
    assert warnings == []


def test_others_are_told_of_once(make: Make, spy: AgentSpy, out: str, warnings: list[str]) -> None:
    """Whose the credentials are is said, and not what they are."""
    downloader = make(identity=Identity(credentials=Credentials("me", "sesame")), retries=ONCE)
    for url in (URL, "http://two.test/b", "http://three.test/c"):
        fetching = downloader.fetch(Job(url, out))
        refuse(spy, 404)
        error_of(fetching)
    (told,) = warnings
    assert told.startswith("the credentials are for http://one.test:80 only")
    assert "sesame" not in told


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (Credentials, ("a:b", "sesame")),
        (Credentials, ("a", "sesame\n")),
        (Credentials, ("a\r", "sesame")),
        (Bearer, ("",)),
        (Bearer, ("sesame x",)),
        (Bearer, ("sesame\r\nX-Evil: 1",)),
        (Bearer, ("sesame\u00e9",)),
    ],
)
def test_what_cannot_be_sent(kind: Any, arguments: tuple[str, ...]) -> None:
    """Is refused at once, without being quoted."""
    with pytest.raises(ValueError) as caught:
        kind(*arguments)
    assert "sesame" not in str(caught.value)


def test_nothing_is_shown(make: Make) -> None:
    """Neither by the values, nor by what holds them."""
    identity = Identity(Credentials("me", "sesame"), parse_netrc("default password sesame"))
    bearer = Identity(Bearer("sesame"))
    text = f"{identity!r} {identity} {bearer!r} {Authorizations(identity)!r}"
    assert "sesame" not in text + repr(vars(make(identity=identity)))
