"""How aria2 shows a download: nearly every value is a string, numbers too."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from downloader.jobs import Status

# Bytes of a piece, as aria2 cuts what it fetches over HTTP. Longer pieces keep the map of a file
# below so many of them.
_PIECE = 1024 * 1024
_MOST_PIECES = 4096

_BY_STATUS = {401: 24, 404: 3, 502: 29, 503: 29, 504: 29}
_BY_NAME = {
    **dict.fromkeys(("ConnectTimeout", "FirstByteTimeout", "StallTimeout", "TotalTimeout"), 2),
    "NotFound": 3,
    **dict.fromkeys(("ConnectError", "ConnectionLost", "Interrupted", "TruncatedBody"), 6),
    **dict.fromkeys(("HostUnavailable", "ProxyFailed"), 6),
    "Closed": 7,
    **dict.fromkeys(("DiskFull", "StoreFull"), 9),
    "TargetBusy": 11,
    **dict.fromkeys(("TargetExists", "FetchedBefore"), 13),
    "TooManyOpenFiles": 15,
    "BadName": 16,
    "DiskError": 17,
    "ResolveError": 19,
    **dict.fromkeys(("HttpError", "ServerBusy", "BadResponse", "ProxyRefused"), 22),
    **dict.fromkeys(("TooManyRedirects", "InsecureRedirect"), 23),
    "ProxyAuthRequired": 24,
    **dict.fromkeys(("ChecksumMismatch", "NoChecksum"), 32),
}
_OF_SERVER = frozenset(("HttpError", "NotFound", "ServerBusy"))
NAMES = frozenset(_BY_NAME)


@dataclass(frozen=True, slots=True)
class Download:
    """A download, as it stands.

    `urls` are its mirrors in their order, of which `used` were asked. `path` is the whole path of
    its file, "" until it was decided. `received`, `length` (None while it is not known) and `rate`
    are in bytes and bytes a second. `error` is the name of a class of `downloader.errors`.
    """

    gid: str
    status: Status
    urls: tuple[str, ...]
    used: int
    directory: str
    path: str
    received: int
    length: int | None
    rate: float = 0.0
    error: str | None = None
    http_status: int | None = None
    message: str | None = None


def error_code(error: str, http_status: int | None = None) -> int:
    """aria2's number for the class `error` of `downloader.errors`; 1 is for what it has none of."""
    if error in _OF_SERVER and http_status in _BY_STATUS:
        return _BY_STATUS[http_status]
    return _BY_NAME.get(error, 1)


def shown_status(download: Download, keys: Collection[str] = ()) -> dict[str, Any]:
    """What tellStatus answers; of it the `keys`, unless there are none."""
    found: dict[str, Any] = {**_progress(download), **_pieces(download), **_end(download)}
    found["dir"] = download.directory
    if not keys or "files" in keys:  # it is long, and few ask for it
        found["files"] = shown_files(download)
    return {name: value for name, value in found.items() if not keys or name in keys}


def shown_files(download: Download) -> list[dict[str, Any]]:
    """The one file of an HTTP download."""
    return [
        {
            "index": "1",
            "path": download.path,
            "length": str(download.length or 0),
            "completedLength": str(download.received),
            "selected": "true",
            "uris": shown_uris(download),
        }
    ]


def shown_uris(download: Download) -> list[dict[str, str]]:
    """Its URLs: those that were asked, then the others."""
    return [
        {"uri": url, "status": "used" if n < download.used else "waiting"}
        for n, url in enumerate(download.urls)
    ]


def _progress(download: Download) -> dict[str, str]:
    active = download.status is Status.ACTIVE
    return {
        "gid": download.gid,
        "status": str(download.status),
        "totalLength": str(download.length or 0),
        "completedLength": str(download.received),
        "uploadLength": "0",
        "downloadSpeed": str(round(download.rate)) if active else "0",
        "uploadSpeed": "0",
        "connections": "1" if active else "0",
    }


def _pieces(download: Download) -> dict[str, str]:
    """In which pieces it is counted; which of them are here is told of a file that is whole."""
    length, size = download.length or 0, _PIECE
    while length > size * _MOST_PIECES:
        size *= 2
    count = -(-length // size)
    found = {"pieceLength": str(size), "numPieces": str(count)}
    if download.status is Status.COMPLETE and count:
        found["bitfield"] = _all_set(count)
    return found


def _all_set(count: int) -> str:
    """`count` bits, the first one highest, in whole bytes."""
    width = -(-count // 8)
    return f"{(1 << count) - 1 << width * 8 - count:0{width * 2}x}"


def _end(download: Download) -> dict[str, str]:
    if download.status is Status.COMPLETE:
        return {"errorCode": "0", "errorMessage": ""}
    if download.status is Status.REMOVED:
        return {"errorCode": "31", "errorMessage": ""}
    if download.status is Status.ERROR:
        code = error_code(download.error or "", download.http_status)
        return {"errorCode": str(code), "errorMessage": download.message or ""}
    return {}
