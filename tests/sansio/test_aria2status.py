"""How a download is shown in aria2's words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader import errors
from downloader.jobs import Status
from downloader.sansio.aria2status import (
    NAMES,
    Download,
    error_code,
    shown_files,
    shown_status,
    shown_uris,
)

MIB = 1024 * 1024
HALF = Download(
    gid="2089b05ecca3d829",
    status=Status.ACTIVE,
    urls=("http://a/f", "http://b/f"),
    used=1,
    directory="/d",
    path="/d/f",
    received=MIB,
    length=2 * MIB + 1,
    rate=1000.4,
)


def test_one_that_runs() -> None:
    assert shown_status(HALF) == {
        "gid": "2089b05ecca3d829",
        "status": "active",
        "totalLength": "2097153",
        "completedLength": "1048576",
        "uploadLength": "0",
        "downloadSpeed": "1000",
        "uploadSpeed": "0",
        "connections": "1",
        "pieceLength": "1048576",
        "numPieces": "3",
        "dir": "/d",
        "files": shown_files(HALF),
    }
    assert shown_files(HALF) == [
        {
            "index": "1",
            "path": "/d/f",
            "length": "2097153",
            "completedLength": "1048576",
            "selected": "true",
            "uris": shown_uris(HALF),
        }
    ]
    assert shown_uris(HALF) == [
        {"uri": "http://a/f", "status": "used"},
        {"uri": "http://b/f", "status": "waiting"},
    ]


def test_one_that_has_ended() -> None:
    """Then there is an error code, and no speed."""
    whole = shown_status(replace(HALF, status=Status.COMPLETE, received=2 * MIB + 1))
    assert (whole["errorCode"], whole["downloadSpeed"], whole["connections"]) == ("0", "0", "0")
    assert whole["bitfield"] == "e0"
    failed = replace(HALF, status=Status.ERROR, error="NotFound", message="no", http_status=404)
    shown = shown_status(failed)
    assert (shown["errorCode"], shown["errorMessage"]) == ("3", "no")
    assert shown_status(replace(HALF, status=Status.REMOVED))["errorCode"] == "31"
    assert "errorCode" not in shown_status(replace(HALF, status=Status.PAUSED))


def test_only_what_is_asked_for() -> None:
    assert shown_status(HALF, {"gid", "files", "infoHash"}).keys() == {"gid", "files"}
    assert shown_status(HALF, {"status"}) == {"status": "active"}


def test_nothing_is_known_yet() -> None:
    new = shown_status(replace(HALF, status=Status.WAITING, received=0, length=None, path=""))
    assert (new["totalLength"], new["numPieces"]) == ("0", "0")
    assert new["files"][0]["path"] == "" and "bitfield" not in new


@given(st.integers(1, 2**63))
def test_pieces_cover_the_file(length: int) -> None:
    """However long it is, they are few, and all of them are marked when it is whole."""
    shown = shown_status(replace(HALF, status=Status.COMPLETE, length=length))
    size, count = int(shown["pieceLength"]), int(shown["numPieces"])
    assert (count - 1) * size < length <= count * size and count <= 4096
    assert len(shown["bitfield"]) == -(-count // 8) * 2
    assert int(shown["bitfield"], 16).bit_count() == count
    assert int(shown["bitfield"][0], 16) >= 8


@pytest.mark.parametrize(
    ("name", "http_status", "code"),
    [
        ("HttpError", 401, 24),
        ("HttpError", 403, 22),
        ("NotFound", 404, 3),
        ("NotFound", 410, 3),
        ("ServerBusy", 503, 29),
        ("ServerBusy", 429, 22),
        ("ChecksumMismatch", 404, 32),
        ("DiskFull", None, 9),
        ("ResolveError", None, 19),
        ("FirstByteTimeout", None, 2),
        ("TlsError", None, 1),
        ("", None, 1),
    ],
)
def test_error_codes(name: str, http_status: int | None, code: int) -> None:
    assert error_code(name, http_status) == code


def test_error_codes_are_of_errors_that_there_are() -> None:
    assert all(issubclass(getattr(errors, name), errors.DownloadError) for name in NAMES)
    assert all(0 < error_code(name) <= 32 for name in NAMES)
