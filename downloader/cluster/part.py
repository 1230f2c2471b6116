"""One shard on one machine: its list before the fetch, its files and manifest after it.

Into a folder the shard's files go at once, below a folder of its own name, and what an attempt has
left there is gone on with. Elsewhere they go when all are there. Either way the manifest is last.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

from downloader.cluster.manifest import Manifest, summary_in
from downloader.cluster.places import Place, chunks, shown, size_of
from downloader.cluster.plan import run_in
from downloader.cluster.spec import Spec
from downloader.errors import PlaceError, ShardFailed, ShardRefused, StoreBusy, StoreError
from downloader.sansio.names import STATE
from downloader.sansio.shards import EntryRange
from downloader.store.database import locked

# Seconds for an earlier attempt, whose process is ending, to let go of the folder.
PATIENCE = 30.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class ShardPart:
    """The shard of `spec`, in `scratch` where its place is no folder. `sleep(seconds)` waits."""

    def __init__(self, spec: Spec, scratch: str, sleep: Callable[[float], None]) -> None:
        self.spec = spec
        self.place = Place(spec.out)
        root = self.place.folder or scratch
        self.directory = f"{root}/{spec.shard.name}"
        self._state = os.path.join(self.directory, STATE)
        self.list = os.path.join(self._state, "list")
        self.failed = os.path.join(self._state, "failed")
        self.manifest = os.path.join(self._state, "manifest")
        self._sleep = sleep
        self._lock = -1

    def __repr__(self) -> str:
        return f"<ShardPart {self.spec.shard.name} in {self.directory!r}>"

    def begin(self) -> dict[str, Any] | None:
        """Take the folder for this process alone, and write the shard's list there. The summary,
        if there is nothing left to do. Raises PlaceError, StoreError."""
        self._check_place()
        self._take()
        if (summary := self._summary_there()) is not None:
            return summary
        try:
            with os.fdopen(os.open(self.list, _NEW, 0o600), "wb") as to:
                for piece in self._entries():
                    to.write(piece)
        except OSError as error:
            raise PlaceError(f"{self.list}: {error.strerror}") from error
        return None

    def publish(self, manifest: Manifest) -> dict[str, Any]:
        """Let it be seen: its files, what failed, and then the manifest. Returns the summary.
        Raises PlaceError."""
        if manifest.file.broken:
            raise PlaceError(f"{self.manifest}: it could not be written")
        if (summary := self._summary_there()) is not None:
            return summary  # of an attempt that was thought lost
        try:
            if self.spec.pack:
                tar = self._packed(manifest)
                self.place.put(tar, f"{self.spec.shard.name}.tar")
            elif self.place.folder is None:
                self.place.put_all(manifest.files)
            if os.path.getsize(self.failed):
                self.place.put(self.failed, self.spec.failed)
            else:
                self.place.remove(self.spec.failed)
        except OSError as error:
            raise PlaceError(f"{self.directory}: {error.strerror}") from error
        self.place.put(self.manifest, self.spec.manifest)
        return self._summary()

    def clean(self) -> None:
        """Leave nothing but the files, once the manifest is there."""
        if self.spec.pack or self.place.folder is None:
            shutil.rmtree(self.directory, ignore_errors=True)
        else:
            shutil.rmtree(self._state, ignore_errors=True)
            if not os.listdir(self.directory):
                os.rmdir(self.directory)

    def _check_place(self) -> None:
        """A path may be that of another folder here than where the command runs."""
        if run_in(self.place) != self.spec.run:
            raise ShardRefused(f"{self.place} is not the place that the command has: is it shared?")

    def _take(self) -> None:
        until = monotonic() + PATIENCE
        while True:
            try:
                os.makedirs(self._state, 0o700, exist_ok=True)
                self._lock = locked(os.path.join(self._state, "shard.lock"))
                return
            except StoreBusy:
                if monotonic() > until:
                    raise ShardFailed("another process is at it") from None
            except OSError as error:
                raise StoreError(f"{self._state}: {error.strerror}") from error
            self._sleep(0.2)

    def _entries(self) -> Iterator[bytes]:
        shard = self.spec.shard
        if size_of(shard.url) != shard.size:
            raise PlaceError(f"{shown(shard.url)} is not the list that the run was begun with")
        source = chunks(shard.url, max(0, shard.start - 1))
        if not shard.is_plain:
            yield from source  # as it is: who reads it unpacks it
            return
        entries = EntryRange(shard.start, shard.end)
        for chunk in source:
            yield from entries.feed(chunk)
            if entries.is_over:
                return
        yield from entries.close()

    def _summary_there(self) -> dict[str, Any] | None:
        """What the manifest says, if there is one that can be read."""
        with suppress(PlaceError):
            return self._summary() if self.place.has(self.spec.manifest) else None
        return None

    def _summary(self) -> dict[str, Any]:
        name = self.spec.manifest
        return summary_in(self.place.tail(name), name, self.spec.identity)

    def _packed(self, manifest: Manifest) -> str:
        """The tar: each file, and behind it what the manifest tells of it."""
        path = os.path.join(self._state, "tar")
        with tarfile.open(path, "w") as tar, Path(self.manifest).open() as lines:
            for (source, name), line in zip(manifest.files, _complete(lines), strict=True):
                with Path(source).open("rb") as file:
                    found = os.fstat(file.fileno())
                    tar.addfile(_member(name, found.st_size, found.st_mtime), file)
                data = line.encode("ascii")
                told = f"{name.partition('.')[0]}.json"
                tar.addfile(_member(told, len(data), found.st_mtime), BytesIO(data))
        return path


def _complete(lines: TextIO) -> Iterator[str]:
    """Those of a manifest's lines that tell of a file."""
    return (line for line in lines if '"status":"complete"' in line)


def _member(name: str, size: int, modified: float) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = size, int(modified)
    return member
