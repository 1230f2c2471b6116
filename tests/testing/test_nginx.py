"""The real nginx of the suite answers, plain and over TLS, and ends when it is told."""

from __future__ import annotations

import os
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support.nginx import Nginx, find_nginx


def test_nginx_serves_its_root(nginx: Any, ca: Any) -> None:
    """A file that a test writes is there at once, under both schemes."""
    (nginx.root / "kit").mkdir()
    (nginx.root / "kit" / "file").write_bytes(b"bytes")
    context = ssl.create_default_context(cafile=str(ca.pem))
    for url in (nginx.url("/kit/file"), nginx.tls_url("/kit/file")):
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            assert answer.read() == b"bytes"


def test_nginx_ends(nginx: Any, ca: Any, tmp_path: Path) -> None:
    """After stop neither the master nor its worker is left."""
    program = find_nginx()
    assert program is not None
    second = Nginx(program, tmp_path, ca)
    children = Path(f"/proc/{second.pid}/task/{second.pid}/children")
    workers = children.read_text().split()
    assert len(workers) == 1
    second.stop()
    for pid in (second.pid, *map(int, workers)):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_an_nginx_that_cannot_start_tells_why(ca: Any, tmp_path: Path, nginx: Any) -> None:
    """A wrong start is an error with nginx's own words, not a test that waits."""
    program = find_nginx()
    assert program is not None
    (tmp_path / "nginx.pid").mkdir()
    with pytest.raises(AssertionError, match=r"nginx\.pid"):
        Nginx(program, tmp_path, ca)
