"""Folders and object stores: what has a name is whole, and every error is ours."""

from __future__ import annotations

import gzip
import uuid
from pathlib import Path

import pytest

from downloader.cluster.places import Place, chunks, find_parts, sample
from downloader.errors import PlaceError


@pytest.fixture(params=["folder", "objects"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = str(tmp_path / "out") if request.param == "folder" else f"memory://{uuid.uuid4()}/out"
    return Place(url)


def test_what_is_put_is_there(place: Place, tmp_path: Path) -> None:
    assert list(place.names()) == []
    place.make()
    (tmp_path / "one").write_bytes(b"1" * 5000)
    (tmp_path / "two").write_bytes(b"a\nb\n")
    place.put(str(tmp_path / "one"), "000001.tar")
    place.put_all([(str(tmp_path / "two"), "000002/d/two")])
    place.write("list", iter([b"a\n", b"b\n"]))
    assert sorted(place.names()) == ["000001.tar", "000002", "list"]
    assert place.has("000001.tar")
    assert not place.has("000003.tar")
    assert place.read("list") == b"a\nb\n"
    assert place.tail("000001.tar") == b"1" * 4096
    assert list(place.lines("000002/d/two")) == [b"a\n", b"b\n"]
    place.remove("list")
    place.remove("list")
    assert not place.has("list")
    assert list(place.below("000002").names()) == ["d"]


def test_a_list_that_is_written_in_a_folder_is_its_owners(tmp_path: Path) -> None:
    """It may hold secrets; and what fails half way leaves nothing."""
    place = Place(str(tmp_path))
    place.write("list", iter([b"a"]))
    assert (tmp_path / "list").stat().st_mode & 0o777 == 0o600

    def half():
        yield b"half"
        raise OSError("no more")

    with pytest.raises(PlaceError, match="no more"):
        place.write("other", half())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list"]


def test_errors_are_ours(tmp_path: Path) -> None:
    """Of a name that is none, a scheme that nobody knows, a package that is missing."""
    for url in (str(tmp_path / "none"), "nothing://x/y", f"memory://{uuid.uuid4()}"):
        with pytest.raises(PlaceError):
            find_parts(url)
    with pytest.raises(PlaceError, match=r"gcsfs|nothing"):
        Place("nothing://x")
    (tmp_path / "file").touch()
    with pytest.raises(PlaceError):
        Place(str(tmp_path / "file" / "below")).make()
    with pytest.raises(PlaceError):
        Place(str(tmp_path)).read("none")


def test_secrets_in_urls_are_not_told(tmp_path: Path) -> None:
    with pytest.raises(PlaceError) as raised:
        Place("nothing://me:secret@host/x?token=secret")
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(Place("memory://me:secret@host/x"))


def test_the_parts_of_a_list(tmp_path: Path) -> None:
    """By their names; packed ones are known by how they begin."""
    for n, data in enumerate([b"http://h/a\n", gzip.compress(b"http://h/b\n"), b""]):
        (tmp_path / f"part-{2 - n}").write_bytes(data)
    found = find_parts(str(tmp_path / "part-*"))
    assert [one.part.url for one in found] == [str(tmp_path / f"part-{n}") for n in range(3)]
    assert [one.part.is_plain for one in found] == [True, False, True]
    assert [one.part.size for one in found] == [0, len(gzip.compress(b"http://h/b\n")), 11]
    with pytest.raises(PlaceError):
        find_parts(str(tmp_path))


def test_versions_of_a_part(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"http://h/a\n")
    (before,) = find_parts(str(path))
    path.write_bytes(b"http://h/b\n")
    (after,) = find_parts(str(path))
    assert before.part == after.part
    assert before.version != after.version


def test_bytes_from_the_middle(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(bytes(range(256)) * 4096)
    url = str(tmp_path / "list")
    assert b"".join(chunks(url, 1000)) == (bytes(range(256)) * 4096)[1000:]
    assert sample(url) == (bytes(range(256)) * 1024)


def test_a_name_with_a_star(tmp_path: Path) -> None:
    """A file that is called so is meant."""
    (tmp_path / "a*").write_bytes(b"x")
    (tmp_path / "ab").write_bytes(b"y")
    assert [one.part.size for one in find_parts(str(tmp_path / "a*"))] == [1]
