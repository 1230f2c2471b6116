"""What is on a disk when the power has failed, as far as it may be (Pillai et al., "All File
Systems Are Not Created Equal", OSDI 2014).

What was synced is there. Of a write that was not, each piece is there or not; the file may have got
its length without it, and reads zeros then. Of the changes of directories that were not synced each
is there or not, whatever came of the others and of the data. A transaction that was committed is
there, of those under way the first few.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from downloader.store.jobstore import Row
from support.lossy import ROOT, Begin, Commit, Enter, Lossy, Op, Sync, Truncate, Write

# What a disk writes in one, at least; a long write comes in some more pieces.
_SECTOR = 4096
_PIECES = 16
_LIKELY = (0.0, 0.1, 0.5, 0.9, 0.98, 1.0)


@dataclass(frozen=True)
class Change:
    """A change of a file, the `index`-th thing that was done."""

    index: int
    op: Write | Truncate


class Recording:
    """What `lossy` has written down, sorted by what it is about."""

    def __init__(self, lossy: Lossy, synchronous: bool = True) -> None:
        self.ops: Sequence[Op] = list(lossy.ops)
        self.numbers = dict(lossy.numbers)
        self.directories = set(lossy.directories)
        # Whether a transaction that was committed is on the disk.
        self.synchronous = synchronous
        self.start = lossy.start
        self.changes: dict[int, list[Change]] = {}
        self._durable: dict[tuple[int, int], bytes] = {}
        for index, op in enumerate(self.ops):
            if isinstance(op, Write | Truncate):
                self.changes.setdefault(op.inode, []).append(Change(index, op))

    def durable(self, inode: int, stop: int) -> bytes:
        """What the file has, when all that was done before the `stop`-th thing is on the disk."""
        done = [change for change in self.changes.get(inode, ()) if change.index < stop]
        key = inode, len(done)
        if key not in self._durable:
            data = bytearray()
            for change in done:
                _apply(data, change.op)
            self._durable[key] = bytes(data)
        return self._durable[key]

    def after(self, stop: int, seed: int) -> AfterLoss:
        """The disk when the power fails after `stop` things were done: one of many, by `seed`."""
        return AfterLoss(self, stop, seed)

    def killed(self, stop: int) -> AfterLoss:
        """What there is when only the process is killed then: nothing is lost."""
        return AfterLoss(self, stop, 0, loses=False)

    def some(self, count: int, seed: int, since: str | None = None) -> Iterator[AfterLoss]:
        """So many, from all of the time, or from that when something has got the name `since`."""
        chance = Random(seed)
        start = self.start if since is None else self._named(since)
        for number in range(count):
            stop = chance.randint(start, len(self.ops))
            yield self.after(stop, seed * 1_000_000 + number)

    def _named(self, name: str) -> int:
        entered = (
            index
            for index, op in enumerate(self.ops)
            if isinstance(op, Enter) and any(name == change[1] for change in op.changes)
        )
        return next(entered) + 1


class AfterLoss:
    """The disk after a loss of power. `names` are the files that can be reached, as inodes by their
    paths, `directories` too, and `rows` those of the store by their numbers. `ops` were done."""

    def __init__(self, recording: Recording, stop: int, seed: int, loses: bool = True) -> None:
        self.recording = recording
        self.ops = recording.ops[:stop]
        self.seed = seed
        self._stop = stop
        self._likely = _LIKELY if loses else (1.0,)
        self._contents: dict[int, bytes] = {}
        self._synced = dict.fromkeys(recording.numbers, -1)
        chance = Random(seed)
        entries = self._entries(chance)
        self.rows = self._rows(chance)
        self.names: dict[str, int] = {}
        self.directories: dict[str, int] = {}
        self._walk(entries, ROOT, "")

    def __repr__(self) -> str:
        return f"<AfterLoss {self._stop} things were done, seed {self.seed}>"

    def content(self, path: str) -> bytes:
        """The bytes of the file."""
        inode = self.names[path]
        if inode not in self._contents:
            self._contents[inode] = self._chosen(inode)
        return self._contents[inode]

    def number(self, path: str) -> int:
        """The file's number in the file system, as it was before."""
        return self.recording.numbers[self.names[path]]

    def build(self, root: Path) -> list[Row]:
        """Make it in the directory `root`. The rows, with the numbers that the files have there."""
        numbers = {}
        made: dict[int, Path] = {}
        for path in self.directories:
            (root / path).mkdir()
        for path, inode in self.names.items():
            if inode in made:
                os.link(made[inode], root / path)
            else:
                (root / path).write_bytes(self.content(path))
                made[inode] = root / path
            numbers[self.number(path)] = (root / path).stat().st_ino
        return [
            row._replace(inode=numbers.get(row.inode)) if row.inode is not None else row
            for row in self.rows.values()
        ]

    def _entries(self, chance: Random) -> dict[int, dict[str, int]]:
        """What each directory holds."""
        for index, op in enumerate(self.ops):
            if isinstance(op, Sync):
                for inode in self._synced if op.inode is None else (op.inode,):
                    self._synced[inode] = index
        entries: dict[int, dict[str, int]] = {}
        likely = chance.choice(self._likely)
        for index, op in enumerate(self.ops):
            if isinstance(op, Enter) and (self._is_synced(op, index) or chance.random() < likely):
                for directory, name, inode in op.changes:
                    names = entries.setdefault(directory, {})
                    names.pop(name, None)
                    if inode is not None:
                        names[name] = inode
        return entries

    def _is_synced(self, op: Enter, index: int) -> bool:
        return any(self._synced[directory] > index for directory, _, _ in op.changes)

    def _rows(self, chance: Random) -> dict[int, Row]:
        begun = [op for op in self.ops if isinstance(op, Begin)]
        committed = (
            sum(isinstance(op, Commit) for op in self.ops) if self.recording.synchronous else 0
        )
        kept = chance.randint(committed, len(begun))
        return {row.number: row for op in begun[:kept] for row in op.rows}

    def _walk(self, entries: dict[int, dict[str, int]], directory: int, head: str) -> None:
        for name, inode in entries.get(directory, {}).items():
            path = head + name
            if inode in self.recording.directories:
                self.directories[path] = inode
                self._walk(entries, inode, f"{path}/")
            else:
                self.names[path] = inode

    def _chosen(self, inode: int) -> bytes:
        """What was synced, and of the rest what the disk happened to write."""
        synced = self._synced[inode]
        durable = self.recording.durable(inode, synced)
        changes = self.recording.changes.get(inode, ())
        pending = [change.op for change in changes if synced < change.index < self._stop]
        if not pending:
            return durable
        chance = Random(f"{self.seed} {inode}")
        likely = chance.choice(self._likely)
        data = bytearray(durable)
        size = len(data)
        sizes = [size]
        for op in pending:
            size = max(size, op.at + len(op.data)) if isinstance(op, Write) else op.size
            sizes.append(size)
            if isinstance(op, Truncate):
                if chance.random() < likely:
                    _apply(data, op)
                continue
            for piece in _pieces(op):
                if chance.random() < likely:
                    _apply(data, piece)
        if likely < 1:
            _apply(data, Truncate(inode, chance.choice((chance.choice(sizes), sizes[-1]))))
        return bytes(data)


def _apply(data: bytearray, op: Write | Truncate) -> None:
    stop = op.at if isinstance(op, Write) else op.size
    if len(data) < stop:
        data.extend(bytes(stop - len(data)))
    if isinstance(op, Write):
        data[op.at : op.at + len(op.data)] = op.data
    else:
        del data[op.size :]


def _pieces(op: Write) -> Iterator[Write]:
    """What the disk writes of it at a time."""
    step = max(_SECTOR, len(op.data) // _PIECES // _SECTOR * _SECTOR)
    at, stop = op.at, op.at + len(op.data)
    while at < stop:
        following = min((at // step + 1) * step, stop)
        yield Write(op.inode, at, op.data[at - op.at : following - op.at])
        at = following
