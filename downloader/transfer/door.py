"""The door through which errors from below become ours: Twisted's, OpenSSL's, any agent's.

The same fault gives the same class, whichever agent met it. What is ours already passes, and
so do the exceptions that mean "stop": CancelledError, KeyboardInterrupt, SystemExit.
"""

from __future__ import annotations

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error as net
from twisted.web import client as web
from twisted.web.error import InfiniteRedirection, SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse

from downloader.errors import (
    BadResponse,
    BadUrl,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    DownloadError,
    InternalError,
    ResolveError,
    TlsError,
    TooManyOpenFiles,
    TooManyRedirects,
    TruncatedBody,
)
from downloader.sansio.printable import printable
from downloader.sansio.retry import refusal
from downloader.transfer.disk import NO_DESCRIPTORS
from downloader.transfer.heads import values_in

# The first class that fits decides, so a class stands before those it derives from.
_CLASSES: tuple[tuple[type[BaseException], type[DownloadError]], ...] = (
    (net.DNSLookupError, ResolveError),
    (net.UnknownHostError, ResolveError),
    (net.TimeoutError, ConnectTimeout),
    (net.TCPTimedOutError, ConnectTimeout),
    (net.ConnectError, ConnectError),
    (VerificationError, TlsError),
    (SSL.Error, TlsError),
    (SchemeNotSupported, BadUrl),
    (InfiniteRedirection, TooManyRedirects),
    (net.ConnectionClosed, ConnectionLost),
)
_WRAPPERS = (web.ResponseFailed, web.ResponseNeverReceived, web.RequestTransmissionFailed)
# What a request's own body failed with, which is nobody else's fault.
_OURS = web.RequestGenerationFailed


def translate(error: BaseException) -> DownloadError:
    """Our error for `error`, with `error` as its `__cause__` unless it is ours already."""
    if isinstance(error, DownloadError):
        return error
    found = _translated(error)
    if found.__cause__ is None:
        found.__cause__ = error
    return found


def refused(response: IResponse, now: float) -> DownloadError:
    """Our error for an answer that is not what was asked for. `now` is in seconds since 1970."""
    return refusal(response.code, values_in(response)("retry-after"), now)


def _translated(error: BaseException) -> DownloadError:
    if isinstance(error, _OURS) and error.reasons:
        return translate(error.reasons[0].value)
    if isinstance(error, _WRAPPERS):
        return _unwrapped(error)
    if _number(error) in NO_DESCRIPTORS:
        return TooManyOpenFiles(_detail(error))
    for theirs, ours in _CLASSES:
        if isinstance(error, theirs):
            return ours(_detail(error))
    return InternalError(f"{type(error).__name__}: {_detail(error)}")


def _number(error: BaseException) -> object:
    """The system's number of it, which Twisted keeps apart."""
    return error.osError if isinstance(error, net.ConnectError) else getattr(error, "errno", None)


def _unwrapped(error: BaseException) -> DownloadError:
    """What is inside one of Twisted's lists of failures."""
    reasons = [failure.value for failure in getattr(error, "reasons", ())]
    for reason in reasons:
        if isinstance(reason, DownloadError):
            return reason
        if isinstance(reason, _OURS):
            return translate(reason)
    for reason in reasons:
        found = _translated(reason)
        if not isinstance(found, (ConnectionLost, InternalError)):
            return found
    if any(isinstance(reason, (net.ConnectionClosed, PotentialDataLoss)) for reason in reasons):
        headless = getattr(error, "response", None) is None
        return ConnectionLost() if headless else TruncatedBody()
    return BadResponse(_detail(reasons[0]) if reasons else "")


def _detail(error: BaseException) -> str:
    """One line of what the error says of itself; OpenSSL's are lists of triples."""
    if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
        return printable("; ".join(str(entry[-1]) for entry in error.args[0]))
    if isinstance(error, VerificationError):
        return "the certificate is for another host"
    text = str(error).rstrip(".")
    return printable(text.partition("\n")[0][:200])
