"""The benchmarks at their smallest: figures come out, and a tool that fails has none.

No figure is looked at here, only whether there is one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.data import Data
from benchmarks.measure import ToolFailed
from benchmarks.servers import http2_words
from benchmarks.table import BEGIN, END
from benchmarks.workloads import NAMES, WORKLOADS

ROOT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"

# Programs called curl that do not do their work, and what is said of each.
BROKEN = {
    "sys.exit(3)": "exit code 3",
    "sys.exit('no such host')": "exit code 1: no such host",
    "pass": "files are missing",
    "write(wanted, bytes(4095))": "has 4095 bytes, not 4096",
    "write(wanted, bytes(4096))": "has not the bytes that were served",
    "write([*wanted, 'x.part'], b'')": "1 files that nobody asked for",
}
CURL = """\
#!{python}
import pathlib, re, sys
if "--version" in sys.argv:
    sys.exit()
config = pathlib.Path(sys.argv[sys.argv.index("-K") + 1]).read_text()
wanted = re.findall('output = "(.*)"', config)
def write(names, data):
    for name in names:
        pathlib.Path(name).write_bytes(data)
{does}
"""


def benchmarks(directory: Path, *options: object) -> str:
    """Run the command with these options, `directory`/bin first on the PATH; what it prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, options)],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{directory}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def run_small(directory: Path, tool: str, *options: object) -> Any:
    """Two files of 4 KiB by one tool, two rounds; the tool's row in the JSON."""
    (directory / "work").mkdir()
    little = ["--workload", "small", "--scale", "0.0001", "--rounds", "2"]
    where = ["--work-dir", directory / "work", "--json", directory / "json"]
    benchmarks(directory, *little, *where, "--tool", tool, *options)
    assert not list((directory / "work").iterdir())
    (work,) = json.loads((directory / "json").read_text())["works"]
    (row,) = work["rows"]
    assert (work["lines"], work["bytes"], row["tool"]) == (2, 8192, tool)
    return row


@pytest.mark.usefixtures("nginx")
def test_ours_has_figures_in_every_form(tmp_path: Path) -> None:
    """JSON, table and picture; the page keeps its own words, and --from makes the same again."""
    page = tmp_path / "page.rst"
    page.write_text(f"Words before\n\n{BEGIN}\nold\n{END}\n\nWords after\n")
    row = run_small(tmp_path, "downloader", "--rst", page)
    assert row["failed"] is None and len(row["runs"]) == 2
    assert all(value > 0 for run in row["runs"] for value in run.values())
    assert row["median"]["to_ours"] == 1

    written = page.read_text()
    assert written.startswith("Words before\n") and written.endswith("\nWords after\n")
    assert "old" not in written and ".. image:: page.svg" in written
    picture = page.with_suffix(".svg").read_text()
    drawn = ElementTree.fromstring(picture)
    assert drawn.tag == f"{SVG}svg"
    assert len(drawn.findall(f"{SVG}rect")) == 2  # the ground, and one bar
    assert "downloader" in [text.text for text in drawn.findall(f"{SVG}text")]

    again = tmp_path / "again.svg"
    printed = benchmarks(tmp_path, "--from", tmp_path / "json", "--svg", again, "--rst", page)
    assert (again.read_text(), page.read_text()) == (picture, written)
    assert f"{row['median']['seconds']:.3f}" in printed


@pytest.mark.usefixtures("nginx")
def test_every_workload_runs(tmp_path: Path) -> None:
    """TLS, the far server, the repeated names and the mute server too, each with a figure."""
    little = ["--scale", "0.0001", "--rounds", "1", "--tool", "downloader"]
    benchmarks(tmp_path, *little, "--work-dir", tmp_path, "--json", tmp_path / "json")
    works = json.loads((tmp_path / "json").read_text())["works"]
    assert [work["name"] for work in works] == NAMES
    assert [work["rows"][0]["failed"] for work in works] == [None] * len(NAMES)
    assert all(len(work["rows"][0]["runs"]) == 1 for work in works)


@pytest.mark.usefixtures("nginx")
@pytest.mark.parametrize(("does", "said"), BROKEN.items())
def test_a_broken_tool_has_failed_and_is_not_fast(tmp_path: Path, does: str, said: str) -> None:
    """It has no figure in any form, and is not run again."""
    (tmp_path / "bin").mkdir()
    curl = tmp_path / "bin" / "curl"
    curl.write_text(CURL.format(python=sys.executable, does=does))
    curl.chmod(0o755)
    page = tmp_path / "page.rst"
    row = run_small(tmp_path, "curl", "--rst", page)
    assert said in row["failed"]
    assert row["runs"] == [] and row["median"] is None
    assert "curl -Z FAILED: " in page.read_text()
    drawn = ElementTree.parse(page.with_suffix(".svg")).getroot()
    assert len(drawn.findall(f"{SVG}rect")) == 1  # the ground, and no bar
    assert "failed" in [text.text for text in drawn.findall(f"{SVG}text")]


def test_a_file_of_a_repeated_list_has_its_own_name_and_its_source(tmp_path: Path) -> None:
    """Five lines of two files: five names, and each is checked against the file it came from."""
    served, out = tmp_path / "served", tmp_path / "out"
    served.mkdir()
    out.mkdir()
    data = Data(served, [100, 100], lines=5)
    wanted = list(data.wanted())
    assert len({one.name for one in wanted}) == data.lines == 5
    assert data.bytes == 500
    for one in wanted:
        (out / one.name).write_bytes((served / one.source.name).read_bytes())
    data.check(out, contents=True)
    (out / wanted[4].name).write_bytes((served / wanted[1].source.name).read_bytes())
    with pytest.raises(ToolFailed, match="not the bytes"):
        data.check(out, contents=True)


@pytest.mark.parametrize("scale", [0.00001, 0.003, 1.0])
def test_every_workload_has_files_at_any_scale(scale: float) -> None:
    for workload in WORKLOADS:
        sizes = workload.sizes(scale)
        assert sizes and min(sizes) > 0 and (workload.lines(scale) or 1) > 0
        assert workload.room(scale) >= sum(sizes)


@pytest.mark.parametrize(
    ("version", "built", "words"),
    [
        ("nginx/1.22.1", "--with-http_v2_module", (" http2", "")),
        ("nginx/1.25.0", "--with-http_v2_module", (" http2", "")),
        ("nginx/1.25.1", "--with-http_v2_module", ("", "http2 on;")),
        ("nginx/1.28.0 (Ubuntu)", "--with-http_v2_module", ("", "http2 on;")),
        ("nginx/1.28.0", "--with-http_ssl_module", ("", "")),
    ],
)
def test_http2_is_asked_for_as_this_nginx_knows_it(
    version: str, built: str, words: tuple[str, str]
) -> None:
    assert http2_words(version, built) == words


@pytest.mark.time_limit(60)
def test_what_a_cluster_brings() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.sharding", "--lines", "40", "--shards", "20"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert ended.returncode == 0, ended.stderr
    workers, *shards = map(json.loads, ended.stdout.splitlines())
    assert workers["ratio"] > 0
    assert [one["shards"] for one in shards] == [2, 20]
    assert all(one["MB"] > 0 for one in shards)
