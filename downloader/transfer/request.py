"""What a job's requests carry."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import unquote, unquote_to_bytes

from twisted.logger import Logger
from twisted.web.http_headers import Headers, InvalidHeaderName

from downloader.errors import BadUrl, WrongRequest
from downloader.fixedheaders import FixedHeaders
from downloader.identity import Identity
from downloader.jobs import AnyJob
from downloader.sansio.credentials import basic
from downloader.sansio.netrc import Netrc
from downloader.sansio.printable import printable
from downloader.sansio.url import HttpUrl, parse_url

Origin = tuple[str, str, int]
_log = Logger()


def with_headers(base: Headers, pairs: Iterable[tuple[str, str]]) -> Headers:
    """A copy of `base` in which `pairs` take the place of what has the same name.

    Case does not tell names apart, and pairs of one name are all sent, in their order. Raises
    WrongRequest for what is no header; its text leaves the value out, which may be a secret.
    """
    headers = base.copy()
    replaced: set[bytes] = set()
    for name, value in pairs:
        try:
            raw = name.lower().encode("ascii")
            if raw not in replaced:
                headers.removeHeader(raw)
                replaced.add(raw)
            headers.addRawHeader(raw, value.encode())
        except (UnicodeEncodeError, InvalidHeaderName) as error:
            raise WrongRequest(f"{printable(name)!r} is no header") from error
    return headers


def run_headers(user_agent: str, pairs: Iterable[tuple[str, str]]) -> Headers:
    """What all requests of a run carry; `pairs` may take the place of it. A file is a body as it
    lies on the server, so no coding is asked for."""
    ours = {"User-Agent": [user_agent], "Accept": ["*/*"], "Accept-Encoding": ["identity"]}
    return FixedHeaders(with_headers(Headers(ours), pairs))


class Authorizations:
    """Which user and password, or token, goes to which of the jobs' own URLs.

    `identity`'s credentials are for one server. Where they do not say which, it is that of the
    first job that `meet` is told of: a list may name servers that are no business of theirs. If
    what should have been the first job is refused, they are nobody's.
    """

    def __init__(self, identity: Identity) -> None:
        self._credentials = credentials = identity.credentials
        self._netrc = identity.netrc or Netrc()
        self._told = False
        self._origin: Origin | None = None
        if credentials is not None and credentials.url is not None:
            self._origin = parse_url(credentials.url).origin

    def __repr__(self) -> str:
        return f"<Authorizations for {self._origin}>"

    def meet_job(self, url: str) -> None:
        """A job is there, and this is its first URL, as it is. To be called in the jobs' order, and
        before anything else in the job is looked at: a mistake in one must not make another first.
        """
        try:
            self.meet(parse_url(url))
        except BadUrl:  # told by whoever begins the job
            self.refuse()

    def refuse(self) -> None:
        """Something is no job. Before any was there, nobody knows which server was meant."""
        if self._credentials is not None and self._origin is None:
            self._credentials = None
            _log.warn(
                "nobody gets the credentials: what should have come first was refused, so it is "
                "not known which server they are for"
            )

    def meet(self, url: HttpUrl) -> None:
        """The same, of a URL that is one."""
        if self._origin is None:
            self._origin = url.origin
        elif self._credentials is not None and not self._told and url.origin != self._origin:
            self._told = True
            scheme, host, port = self._origin
            _log.warn(
                "the credentials are for {server} only; other servers do not get them",
                server=f"{scheme}://{host}:{port}",
            )

    def of(self, url: HttpUrl) -> str | None:
        """The Authorization header for `url`, which has no user or password of its own."""
        if self._credentials is not None and url.origin == self._origin:
            return self._credentials.authorization
        found = self._netrc.find(url.host)
        return None if found is None else found.authorization

    def of_user(self, url: HttpUrl, user: str) -> str | None:
        """The Authorization header for `url`, which names the user and no password."""
        found = self._netrc.find(url.host, user)
        return None if found is None else found.authorization


def authorizations(identity: Identity | None) -> Authorizations | None:
    """None where no user or token is known, so that requests are not asked about them."""
    if identity is None or (identity.credentials is None and identity.netrc is None):
        return None
    return Authorizations(identity)


def request_headers(
    base: Headers, job: AnyJob, first: HttpUrl, url: HttpUrl, ours: Authorizations | None = None
) -> Headers:
    """What a request of `job` to `url` carries: `base`, and secrets that are of `url`'s origin.

    `first` is the job's first URL: the job's own headers are for its origin and for no other.
    They go before the user and password in `url`, and those before `ours`, which are for the URLs
    that the job names, and for no mirror that an answer told of.
    """
    if ours is None and not job.headers and url.userinfo is None:
        return base
    authorization = _authorization(url, ours if _is_named(job, first, url) else None)
    if authorization is not None:
        base = with_headers(base, [("Authorization", authorization)])
    own = job.headers if url.origin == first.origin else ()
    return with_headers(base, own) if own else base


def _is_named(job: AnyJob, first: HttpUrl, url: HttpUrl) -> bool:
    if url.origin == first.origin:
        return True
    for mirror in job.urls[1:]:
        with suppress(BadUrl):
            if url.origin == parse_url(mirror).origin:
                return True
    return False


def _authorization(url: HttpUrl, ours: Authorizations | None) -> str | None:
    if not url.userinfo:
        return None if ours is None else ours.of(url)
    user, colon, password = url.userinfo.partition(":")
    known = None if colon or ours is None else ours.of_user(url, unquote(user))
    return known or basic(unquote_to_bytes(user) + b":" + unquote_to_bytes(password))
