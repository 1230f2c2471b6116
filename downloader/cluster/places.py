"""Where lists come from and files go: folders, and all that fsspec has a file system for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Any, BinaryIO, NamedTuple, cast

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from downloader.errors import PlaceError
from downloader.sansio.printable import printable
from downloader.sansio.shards import SAMPLE, Part, is_gzip
from downloader.sansio.url import redacted_invalid

# What tells two versions of a file apart, in the words of the file systems that have it.
_VERSIONS = ("mtime", "ETag", "etag", "LastModified", "last_modified", "updated", "md5Hash")
_CHUNK = 256 * 1024
# Objects on their way at a time, where a file system does several.
_AT_ONCE = 32
# A summary is no longer.
_TAIL = 4096
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)


class Found(NamedTuple):
    """A part of a list, and what tells its versions apart."""

    part: Part
    version: str


class Place:
    """The folder or the prefix of objects at `url`; a URL without a scheme is a path.

    `folder` is its path, where it is a folder that this machine has. Names are those of what is
    below it. All of it raises PlaceError.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        with _ours(url):
            fs, root = url_to_fs(url)
            self._fs: Any = fs
            self._root = str(root).rstrip("/")
            is_local = isinstance(fs, LocalFileSystem)
            self.folder = (self._root or "/") if is_local else None

    def __repr__(self) -> str:
        return f"<Place {self}>"

    def __str__(self) -> str:
        return shown(self.url)

    def make(self) -> None:
        """Make the folder, if it is one."""
        if self.folder is not None:
            with _ours(self.url):
                os.makedirs(self.folder, exist_ok=True)

    def below(self, name: str) -> Place:
        """The place called `name` in it."""
        return Place(f"{self.url.rstrip('/')}/{name}")

    def path(self, name: str) -> str:
        """The whole name of what is called `name`, as its file system has it."""
        return f"{self._root}/{name}"

    def names(self) -> Iterator[str]:
        """What is directly below it."""
        with _ours(self.url):
            self._fs.invalidate_cache()
            if not self._fs.exists(self._root):
                return
            for path in self._fs.ls(self._root, detail=False):
                yield str(path).rstrip("/").rpartition("/")[2]

    def has(self, name: str) -> bool:
        """Whether something is called so."""
        with _ours(self.url):
            self._fs.invalidate_cache()
            return bool(self._fs.exists(self.path(name)))

    def read(self, name: str) -> bytes:
        """What is in it."""
        with _ours(self.url):
            return cast(bytes, self._fs.cat_file(self.path(name)))

    def tail(self, name: str) -> bytes:
        """Its last bytes, 4 KiB at most."""
        with _ours(self.url):
            return cast(bytes, self._fs.cat_file(self.path(name), start=-_TAIL))

    def lines(self, name: str) -> Iterator[bytes]:
        """Its lines, as they come."""
        with _ours(self.url), self._fs.open(self.path(name), "rb") as file:
            yield from file

    def write(self, name: str, pieces: Iterator[bytes]) -> None:
        """Make it of `pieces`, whole or not at all; only its owner may read it."""
        self.make()
        with _ours(self.url):
            if self.folder is None:
                with self._fs.open(self.path(name), "wb") as file:
                    file.writelines(pieces)
                return
            unfinished = self.path(f".{name}.{token_hex(8)}")
            file = os.fdopen(os.open(unfinished, _NEW, 0o600), "wb")
            try:
                with file:
                    file.writelines(pieces)
                self._take(unfinished, name)
            except BaseException:
                os.unlink(unfinished)
                raise

    def put(self, path: str, name: str) -> None:
        """Let the local file `path` be called `name` here, whole or not at all. In a folder of the
        same file system it is moved, and is on the disk when it has its name."""
        with _ours(self.url):
            if self.folder is None:
                self._fs.put_file(path, self.path(name))
            else:
                self._take(path, name)

    def put_all(self, paths: Sequence[tuple[str, str]]) -> None:
        """`put` for files and their names, several at a time."""
        with _ours(self.url):
            if self.folder is not None:
                for path, name in paths:
                    os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
                    self._take(path, name)
                return
            for n in range(0, len(paths), 16 * _AT_ONCE):
                some = paths[n : n + 16 * _AT_ONCE]
                names = [self.path(name) for _, name in some]
                self._fs.put([path for path, _ in some], names, batch_size=_AT_ONCE)

    def remove(self, name: str) -> None:
        """Remove it; harmless where there is none."""
        with _ours(self.url):
            if self.has(name):
                self._fs.rm(self.path(name))

    def _take(self, path: str, name: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(path, self.path(name))
        fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def find_parts(url: str) -> list[Found]:
    """The parts of the list at `url`: one file, or those that a pattern such as ``part-*`` stands
    for, by their names. Raises PlaceError."""
    with _ours(url):
        fs, path = url_to_fs(url)
        paths = [path] if fs.exists(path) or "*" not in path else sorted(fs.glob(path))
        found = [_found(fs, one) for one in paths]
    if not found:
        raise PlaceError(f"{shown(url)}: no file has such a name")
    return found


def sample(url: str) -> bytes:
    """How the part at `url` begins. Raises PlaceError."""
    with _ours(url), _opened(url) as file:
        return file.read(SAMPLE)


def size_of(url: str) -> int | None:
    """How many bytes the part at `url` has now. Raises PlaceError."""
    with _ours(url):
        fs, path = url_to_fs(url)
        size = fs.info(path).get("size")
        return None if size is None else int(size)


def chunks(url: str, start: int) -> Iterator[bytes]:
    """The bytes of the part at `url` from `start` on, as they are asked for. Raises PlaceError."""
    with _ours(url), _opened(url) as file:
        file.seek(start)
        while chunk := file.read(_CHUNK):
            yield chunk


def shown(url: str) -> str:
    """`url` for a reader, without its secrets."""
    return printable(redacted_invalid(url))


def _found(fs: Any, path: str) -> Found:
    info = fs.info(path)
    if info["type"] != "file":
        raise IsADirectoryError(f"{path} is no file")
    size = info.get("size")
    if size is None:
        raise OSError("its size is not told, so it cannot be cut")
    url = path if isinstance(fs, LocalFileSystem) else str(fs.unstrip_protocol(path))
    version = " ".join(str(info[name]) for name in _VERSIONS if info.get(name) is not None)
    with fs.open(path, "rb") as file:
        is_plain = not is_gzip(file.read(2))
    return Found(Part(url, int(size), is_plain), f"{size} {version}")


def _opened(url: str) -> BinaryIO:
    fs, path = url_to_fs(url)
    return cast(BinaryIO, fs.open(path, "rb", block_size=_CHUNK))


@contextmanager
def _ours(url: str) -> Iterator[None]:
    """File systems raise whatever their makers do; here it becomes ours."""
    try:
        yield
    except (PlaceError, GeneratorExit):
        raise
    except ImportError as error:
        raise PlaceError(f"{shown(url)}: {error}") from error
    except Exception as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PlaceError(f"{shown(url)}: {_without_secrets(said)[:500]}") from error


def _without_secrets(said: str) -> str:
    """What a file system says may quote the URL that it was given."""
    return printable(_URL.sub(lambda match: redacted_invalid(match[0]), said))
