"""Where one job's file goes: from the name it is given to the file that has it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from twisted.python.failure import Failure

from downloader.errors import TargetExists
from downloader.jobs import Job, Naming, OnConflict
from downloader.sansio.journal import identity_of
from downloader.sansio.names import checked_name, path_for
from downloader.sansio.url import HttpUrl
from downloader.transfer.commits import Commits
from downloader.transfer.folder import Folder, Folders
from downloader.transfer.partfile import JOURNAL, SUFFIX
from downloader.transfer.taken import TakenNames
from downloader.transfer.wholefile import NoNameless, WholeFile, write_whole
from downloader.transfer.writer import PartWriter


class Target:
    """The place of `job`'s file. The name is given out at once, and may change twice: for one
    that the server offers, if it is asked, and for the next number when it was taken meanwhile.
    `began_empty` says that nothing was there when the directory was first met.
    """

    def __init__(
        self, job: Job, url: HttpUrl, naming: Naming, on_conflict: OnConflict, names: TakenNames
    ) -> None:
        self._job = job
        self._url = url
        self._naming = naming
        self._on_conflict = on_conflict
        self._names = names
        self.began_empty = names.began_empty(job.directory)
        record = job.record
        if record is not None and record.replace:
            self._on_conflict = OnConflict.OVERWRITE
        # A file of that name may be ours, from before a run was killed.
        self._kept = record is not None and record.path is not None
        if record is not None and record.path is not None:
            self._proposed = checked_name(record.path)
            self.relative = self._assign(_unknown)
        else:
            self._proposed = self._propose(None)
            self.relative = self._assign(self._existed)

    def __repr__(self) -> str:
        return f"<Target {self.relative!r}>"

    @property
    def path(self) -> str:
        """The file's path."""
        return os.path.join(self._job.directory, self.relative)

    @property
    def satisfied(self) -> bool:
        """Whether there is nothing to do: the file is there, and that is enough."""
        return self._on_conflict is OnConflict.SKIP and os.path.lexists(self.path)

    def take_offered(self, disposition: str) -> None:
        """Take the name that the server offers in Content-Disposition, unless the job has one.

        Equal names are numbered in the order of arrival, since nobody knows them before.
        """
        if self._job.name is not None or self._kept:
            return
        path = self._propose(disposition)
        if path != self._proposed:  # else it has it, or its number, from the try before
            self.release()
            self._proposed = path
            # What is replaced is the user's choice, never the server's (CVE-2020-8177).
            if self._on_conflict is OnConflict.OVERWRITE:
                self._on_conflict = OnConflict.RENAME
            self.relative = self._assign(self._existed)

    @property
    def has_journal(self) -> bool:
        """Whether something may be there to go on with."""
        try:
            return os.access(f"{self.path}{SUFFIX}{JOURNAL}", os.F_OK)
        except ValueError:  # told when it is opened
            return False

    def open(self, folders: Folders, long: bool) -> PartWriter:
        """Its part file, with what is there of this job's file: the caller's to end."""
        of = identity_of(self._job.url)
        return PartWriter(folders, self._job.directory, self.relative, long, of)

    async def commit(
        self, part: PartWriter, intended: Callable[[PartWriter], Awaitable[None]]
    ) -> None:
        """Give the whole file its name; the next number when somebody took it meanwhile. Before,
        `intended` is called, and waited for."""
        overwrite = self._on_conflict is OnConflict.OVERWRITE
        while True:
            await intended(part)
            try:
                await part.commit(self.relative, overwrite)
                return
            except TargetExists:
                if self._kept and await part.is_at(self.relative):
                    part.discard()
                    return
                self._take_another(part.folder)

    def write(self, data: bytes, folders: Folders) -> bool:
        """Make the file of `data`, which is all of it, and give it its name, as `commit` does.

        False, and nothing is done, where that cannot be done at once: it takes a part file then.
        """
        if self._on_conflict is OnConflict.OVERWRITE:
            return False
        folder = folders.use(self._job.directory)
        try:
            if folder.disk.slow or folder.disk.commits is not None:
                return False
            while True:
                try:
                    return folder.disk.do(write_whole, folder, self.relative, data)
                except TargetExists:
                    if self._kept and folder.holds(self.relative, data):
                        return True
                    self._take_another(folder)
        finally:
            folders.unuse(folder)

    def commits(self, folders: Folders) -> Commits | None:
        """Where its file waits for its name; None where none has to."""
        folder = folders.use(self._job.directory)
        folders.unuse(folder)
        return folder.disk.commits

    async def write_synced(self, data: bytes, folders: Folders) -> bool:
        """The same on a disk that keeps it, when it is there."""
        if self._on_conflict is OnConflict.OVERWRITE:
            return False
        folder = folders.use(self._job.directory)
        commits = folder.disk.commits
        if commits is None or folder.disk.slow:
            folders.unuse(folder)
            return False
        try:
            file = folder.disk.do(WholeFile, folder, self.relative, data)
        except BaseException as error:
            folders.unuse(folder)
            if isinstance(error, NoNameless):
                return False
            raise

        def over(failure: Failure | None) -> None:
            if failure is None or not failure.check(TargetExists):
                file.close()
                folders.unuse(folder)

        while True:
            try:
                await commits.add(file, self.relative, False, over)
            except TargetExists:
                if self._kept:  # it may be ours, and is to be looked at in a thread
                    over(None)
                    return False
                try:
                    self._take_another(folder)
                except BaseException:
                    over(None)
                    raise
            except NoNameless:
                return False
            else:
                return True

    def _take_another(self, folder: Folder) -> None:
        """Somebody took the name: take the next one, if that may be; called while handling it."""
        if self._on_conflict is not OnConflict.RENAME:
            raise
        # On a slow disk we do not look which are free; the next commit will tell.
        self.relative = self._assign(_unknown if folder.disk.slow else folder.exists)

    def release(self) -> None:
        """The name may be given out again."""
        self._names.release(self._job.directory, self.relative)

    def _propose(self, disposition: str | None) -> str:
        return path_for(
            self._url,
            name=self._job.name,
            naming=self._naming,
            disposition=disposition,
            subdirectory=self._job.subdirectory,
        )

    def _assign(self, exists: Callable[[str], bool]) -> str:
        return self._names.assign(self._job.directory, self._proposed, exists)

    def _existed(self, path: str) -> bool:
        """Whether a file that was there before stands in the way of the name."""
        if self._on_conflict is not OnConflict.RENAME or self.began_empty:
            return False
        return os.path.lexists(os.path.join(self._job.directory, path))


def _unknown(path: str) -> bool:
    return False
