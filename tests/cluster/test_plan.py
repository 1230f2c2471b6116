"""Which shards a run has, and that a place has one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from downloader.cluster.places import Place
from downloader.cluster.plan import RUN, planned, resumed
from downloader.cluster.retry import LIST, Failures
from downloader.errors import PlaceError

OPTIONS = {"pack": None, "names": "flat"}


@pytest.fixture
def lines(tmp_path: Path) -> str:
    (tmp_path / "list").write_text("".join(f"http://h/{n:04}\n" for n in range(1000)))
    return str(tmp_path / "list")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "out"))


def finish(place: Place, failed: dict[int, str] | None = None) -> None:
    """Let all shards of the run in `place` be done, some with failures."""
    for shard in resumed(place).shards():
        place.write(f"{shard.name}.jsonl", iter([b'{"summary":{}}\n']))
        if failed and shard.number in failed:
            place.write(f"{shard.name}.failed", iter([failed[shard.number].encode()]))


def test_the_same_command_has_the_same_run(place: Place, lines: str) -> None:
    plan = planned(place, lines, 100, OPTIONS)
    assert plan.count == 10
    place.write("000003.jsonl", iter([b""]))
    again = planned(place, lines, 100, OPTIONS)
    assert again.identity == plan.identity
    assert list(again.shards()) == list(plan.shards())
    assert again.done() == {3}
    assert resumed(place).identity == plan.identity


def test_another_command_is_refused(place: Place, lines: str) -> None:
    planned(place, lines, 100, OPTIONS)
    with pytest.raises(PlaceError, match="with another --shard-lines"):
        planned(place, lines, 200, OPTIONS)
    with pytest.raises(PlaceError, match="with another --pack"):
        planned(place, lines, 100, {**OPTIONS, "pack": "tar"})
    Path(lines).write_text("http://h/1\n")
    with pytest.raises(PlaceError, match="the list has changed"):
        planned(place, lines, 100, OPTIONS)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"parts": [1]}', b'{"parts": 7, "size": "x"}']
)
def test_a_run_that_is_none_of_ours(place: Place, lines: str, text: bytes) -> None:
    place.write(RUN, iter([text]))
    with pytest.raises(PlaceError, match="none of ours"):
        planned(place, lines, 100, OPTIONS)


def test_manifests_of_nobody(place: Place, lines: str) -> None:
    """Where its run.json is gone, nobody knows of which list they are."""
    place.write("000003.jsonl", iter([b""]))
    with pytest.raises(PlaceError, match="manifests of another run"):
        planned(place, lines, 100, OPTIONS)


def test_what_failed_makes_a_list(place: Place, lines: str) -> None:
    """What was taken into one is no failure any more; what fails there is again."""
    planned(place, lines, 100, OPTIONS)
    finish(place, {2: "http://h/b\n out=b\n", 1: "http://h/a\n"})
    failures = Failures(place)
    first = failures.listed()
    assert first is not None
    assert first.read(LIST) == b"http://h/a\nhttp://h/b\n out=b\n"
    planned(first, f"{first.url}/{LIST}", 100, OPTIONS)
    failures.forget()
    assert not [name for name in place.names() if name.endswith(".failed")]
    first.write("000000.failed", iter([b"http://h/b\n out=b\n"]))
    failures = Failures(place)
    again = failures.listed()
    assert again is not None
    assert again.url == first.url  # it is not finished, whatever has failed in it
    failures.forget()
    assert first.has("000000.failed")
    finish(first, {0: "http://h/b\n out=b\n"})
    failures = Failures(place)
    second = failures.listed()
    assert second is not None
    assert second.url != first.url
    assert second.read(LIST) == b"http://h/b\n out=b\n"
    planned(second, f"{second.url}/{LIST}", 100, OPTIONS)
    failures.forget()
    finish(second)
    assert Failures(place).listed() is None


def test_shards_that_are_not_done_hold_up_no_failures(place: Place, lines: str) -> None:
    planned(place, lines, 100, OPTIONS)
    place.write("000001.jsonl", iter([b""]))
    place.write("000001.failed", iter([b"http://h/a\n"]))
    failures = Failures(place)
    assert failures.undone == 9
    below = failures.listed()
    assert below is not None
    assert below.read(LIST) == b"http://h/a\n"


def test_nothing_failed(place: Place, lines: str) -> None:
    planned(place, lines, 100, OPTIONS)
    finish(place)
    assert Failures(place).listed() is None


def test_an_empty_list(place: Place, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    plan = planned(place, str(tmp_path / "empty"), 100, OPTIONS)
    assert plan.count == 0
    assert list(plan.shards()) == []
