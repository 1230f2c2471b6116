"""Every way a transfer can fail, cut by whose move is next.

`TryAgainLater`  the network or the server may do better in a while; these are retried.
`WrongRequest`   this URL, as it is, will not work; asking again changes nothing.
`LocalProblem`   our side of the wire: the disk, the name, the caller.

The first sentence of a docstring is what a user reads, so keep it one plain sentence.
Class names are stable: they stand in reports and scripts match on them.
`CancelledError` is Twisted's, and is never renamed, retried or logged as a failure.
"""

from __future__ import annotations


class DownloadError(Exception):
    """The transfer failed.

    `detail` says what was seen, `url` is the address without secrets, `http_status` the
    status code when there was one, `attempts` how many requests the job made in all.
    The error underneath, when there is one, is `__cause__`.
    """

    def __init__(
        self,
        detail: str = "",
        *,
        url: str | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.url = url
        self.http_status = http_status
        self.attempts = 0

    def __str__(self) -> str:
        sentence = first_sentence(type(self))
        return f"{sentence}: {self.detail}" if self.detail else sentence


def first_sentence(cls: type[BaseException]) -> str:
    """The sentence a user reads for `cls`: its docstring's first line without the full stop."""
    return (cls.__doc__ or cls.__name__).partition("\n")[0].rstrip(".")


# --- the network or the server may do better in a while -------------------------------------


class TryAgainLater(DownloadError):
    """The server or the network failed for now."""


class ResolveError(TryAgainLater):
    """The host's name has no address."""


class ConnectError(TryAgainLater):
    """No connection to the server."""


class ConnectTimeout(ConnectError):
    """The connection was not ready in time."""


class ConnectionLost(TryAgainLater):
    """The server closed the connection before it answered."""


class FirstByteTimeout(TryAgainLater):
    """The server did not answer in time."""


class StallTimeout(TryAgainLater):
    """The transfer stalled."""


class Interrupted(TryAgainLater):
    """Its connection was closed for the sake of another request that was cancelled.

    Nothing went wrong, so a transfer asks again at once and does not count it.
    """


class TruncatedBody(TryAgainLater):
    """The connection ended before the whole file had come."""


class TooManyOpenFiles(TryAgainLater):
    """This process may open no more files or connections.

    Others of its files close in a while. A transfer halves how many jobs run at a time, and does
    not count the try, unless its job ran alone.
    """


class UploadCut(TryAgainLater):
    """The server took less than the whole file."""


class ServerBusy(TryAgainLater):
    """The server asked to come back later.

    For 408, 425, 429 and 5xx but 501 and 505 (RFC 9110 §15, RFC 8470, RFC 6585). `retry_after` is
    what its Retry-After header said, in seconds, or None.
    """

    retry_after: float | None = None


class HostUnavailable(TryAgainLater):
    """The host cannot be had for now, and was not asked again.

    It did not answer other jobs, or sent them away, for as long as the retries of this one would
    have lasted. `detail` is what the last of them met.
    """


# --- this URL, as it is, will not work ------------------------------------------------------


class WrongRequest(DownloadError):
    """The request cannot work as it is."""


class BadUrl(WrongRequest):
    """This is not a URL that can be asked for."""


class PrivateAddress(WrongRequest):
    """The server's address is a private one.

    Only where `Network` allows no such one. Nothing was sent to it, not even to connect.
    """


class HttpError(WrongRequest):
    """The server refused the request."""


class NotFound(HttpError):
    """The server has no such file."""


class TlsError(WrongRequest):
    """The server's certificate or TLS handshake is not acceptable."""


class BadResponse(WrongRequest):
    """The server's answer breaks HTTP."""


class TooManyRedirects(WrongRequest):
    """The server redirects too often."""


class InsecureRedirect(WrongRequest):
    """The server redirects from https to http."""


class SizeMismatch(WrongRequest):
    """The file's size is not the expected one."""


class RobotsForbidden(WrongRequest):
    """The site's robots.txt forbids it."""


class ChecksumMismatch(WrongRequest):
    """The file's checksum is not the expected one."""


class NoChecksum(WrongRequest):
    """The checksum file does not say which checksum this file has."""


# --- our side of the wire -------------------------------------------------------------------


class LocalProblem(DownloadError):
    """Something on this machine stopped it."""


class BadName(LocalProblem):
    """No file may be written under this name."""


class TargetExists(LocalProblem):
    """A file of this name is already there."""


class TargetBusy(LocalProblem):
    """Another download is writing this file."""


class DiskError(LocalProblem):
    """The file could not be written."""


class DiskFull(DiskError):
    """The disk is full."""


class FetchedBefore(LocalProblem):
    """An earlier run has fetched it."""


class NotChanged(LocalProblem):
    """It has not changed."""


class QueueError(LocalProblem):
    """The queue cannot do that."""


class NoSuchJob(QueueError):
    """There is no such job."""


class NotNow(QueueError):
    """That cannot be done with this job now."""


class OutsideRoots(NotNow):
    """The job's directory is none of those that files may go to."""


class DuplicateGid(QueueError):
    """There is a job with this gid already."""


class QueueFull(QueueError):
    """The queue takes no further job."""


class StoreError(LocalProblem):
    """What is kept from one run to the next cannot be used."""


class StoreFull(StoreError):
    """There is no space for what is kept from one run to the next."""


class StoreBusy(StoreError):
    """Another process is using this directory's state."""


class StoreTooNew(StoreError):
    """This directory's state was written by a newer version of this program."""


class UnreadableFile(LocalProblem):
    """The file to be sent cannot be read."""


class FileChanged(LocalProblem):
    """The file changed while it was sent."""


class TotalTimeout(LocalProblem):
    """The time allowed for this file is over."""


class Closed(LocalProblem):
    """The downloader is closed."""


class InternalError(LocalProblem):
    """A bug in this program, or in code that was handed to it."""


# --- proxies: of each branch one, since the next move differs ---------------------------------


class ProxyError(DownloadError):
    """The proxy did not help.

    The base of what a proxy can do wrong; `http_status`, where there is one, is the proxy's.
    """


class ProxyFailed(ProxyError, ConnectError):
    """The proxy gave no connection."""


class ProxyRefused(ProxyError, WrongRequest):
    """The proxy does not do this."""


class ProxyAuthRequired(ProxyError, LocalProblem):
    """The proxy wants a user and password, or other ones."""


# --- lists, calls and options ------------------------------------------------------------------


class ListError(Exception):
    """The list cannot be read."""


class ClusterError(Exception):
    """The cluster does not do it."""


class PlaceError(ClusterError):
    """A folder or an object store cannot be read or written."""


class ShardFailed(ClusterError):
    """A shard did not come to its end."""


class ShardRefused(ShardFailed):
    """What was asked of a shard makes no sense on its machine."""


class ServiceError(Exception):
    """The service that was asked did not do it."""


class RpcError(Exception):
    """A call cannot be answered.

    `code` is JSON-RPC's, or 1 for what a method says; the sentence is aria2's where it has one.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class BadLine(ValueError):
    """A line of a list that makes no job; `line` is its number, from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message
