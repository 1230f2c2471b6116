"""The command against a real nginx, plain and over TLS: right byte for byte, and accounted for."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SIZES = [0, 1, 65_535, 65_536, 10 * 1024 * 1024]
SMALL = 2000


@pytest.fixture(scope="module")
def served(nginx: Any) -> dict[str, bytes]:
    """What nginx serves below /many: each file's bytes by its name."""
    bytes_of = random.Random(1).randbytes
    files = {f"{n:05}.bin": bytes_of(4096) for n in range(SMALL)}
    files.update({f"size{size}": bytes_of(size) for size in SIZES})
    (nginx.root / "many").mkdir()
    for name, data in files.items():
        (nginx.root / "many" / name).write_bytes(data)
    return files


def fetch(directory: Path, urls: list[str], **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the command on a list of `urls`; its exit code and its report."""
    (directory / "list").write_text("".join(f"{url}\n" for url in urls))
    command = [sys.executable, "-m", "downloader", "fetch", "-i", "list", "-d", "out", "-q",
               "-j", "32", "-m", "1", "--report", "report"]  # fmt: skip
    ended = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **environment},
        capture_output=True,
        timeout=50,
    )
    lines = (directory / "report").read_text().splitlines()
    return ended.returncode, [json.loads(line) for line in lines]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_every_file_is_right_and_has_its_line(
    nginx: Any, ca: Any, served: dict[str, bytes], tmp_path: Path, tls: bool
) -> None:
    url = nginx.tls_url if tls else nginx.url
    names = sorted(served)
    code, report = fetch(
        tmp_path, [url(f"/many/{name}") for name in names], SSL_CERT_FILE=str(ca.pem)
    )
    *results, summary = report
    found = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("[!.]*")}
    assert found == served
    assert code == 0
    assert sorted(one["line"] for one in results) == list(range(1, len(names) + 1))
    assert {one["status"] for one in results} == {"complete"}
    assert all(one["bytes"] == len(served[Path(one["path"]).name]) for one in results)
    assert summary["summary"]["complete"] == summary["summary"]["lines"] == len(names)
    assert summary["summary"]["bytes"] == sum(map(len, served.values()))


def test_each_line_is_in_exactly_one_class(
    nginx: Any, served: dict[str, bytes], tmp_path: Path
) -> None:
    """Good, missing and invalid lines, and the same file twice."""
    urls = [nginx.url("/many/size1"), nginx.url("/many/none"), "no url", nginx.url("/many/size1")]
    code, (*results, summary) = fetch(tmp_path, urls)
    assert code == 1
    assert Counter(one["line"] for one in results) == {1: 1, 2: 1, 3: 1, 4: 1}
    counts = summary["summary"]
    assert (counts["complete"], counts["failed"], counts["invalid"]) == (2, 1, 1)
    assert counts["lines"] == 4
    (missing,) = [one for one in results if one["line"] == 2]
    assert (missing["error"], missing["http_status"], missing["attempts"]) == ("NotFound", 404, 1)
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == ["size1", "size1.1"]


def test_an_authority_nobody_trusts(nginx: Any, served: dict[str, bytes], tmp_path: Path) -> None:
    code, (result, _) = fetch(tmp_path, [nginx.tls_url("/many/size1")])
    assert (code, result["error"]) == (1, "TlsError")
    assert not list((tmp_path / "out").glob("[!.]*"))
