"""What an earlier run has left in a directory."""

from __future__ import annotations

import os

from downloader.errors import DownloadError, TooManyOpenFiles
from downloader.jobs import Job, OnConflict
from downloader.sansio.url import parse_url
from downloader.transfer.folder import Folder
from downloader.transfer.journalfile import JournalFile
from downloader.transfer.partfile import JOURNAL, SUFFIX
from downloader.transfer.proving import proof_of
from downloader.transfer.setup import Setup
from downloader.transfer.system import close_settled


class Earlier:
    """What earlier runs have left, as a run that is made with `setup` sees it."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    @property
    def gives_way(self) -> bool:
        """Whether a job takes another name where a file has its own: then that need not be told."""
        return self._setup.on_conflict is OnConflict.RENAME

    def meet(self, url: str) -> None:
        """There is a job of this URL, fetched or not: credentials that do not say which server they
        are for are for that of the first."""
        if self._setup.authorizations is not None:
            self._setup.authorizations.meet_job(url)

    def checksum_of(self, job: Job) -> str | None:
        """The checksum that its file has to have, by its own word or the run's checksum file's.
        Raises NoChecksum, and BadUrl or WrongRequest for what is no job."""
        return proof_of(job, parse_url(job.url), self._setup).own

    def is_there(
        self, directory: str, path: str, size: int | None, inode: int | None = None
    ) -> bool:
        """Whether the file `path` below the root `directory` is there, ours, `size` bytes long.

        With an `inode`, it has to be that one; the process may have been killed while the file got
        its name, so its part file is removed if it is a second name of it. It is synced where files
        are.
        """
        folders = self._setup.folders
        if directory not in folders and not os.path.isdir(directory):
            return False
        try:
            folder = folders.use(directory)
        except DownloadError:
            return False
        try:
            return _is_there(folder, path, size, inode)
        except TooManyOpenFiles:
            return inode is None  # it was complete, and this will pass
        except DownloadError:
            return False
        finally:
            folders.unuse(folder)


def _is_there(folder: Folder, path: str, size: int | None, inode: int | None) -> bool:
    found = folder.inode(path)
    if found is None or found[1] != size:
        return False
    if inode is not None and found[0] == inode:
        remove_second_name(folder, path)
        if folder.disk.commits is not None:
            folder.sync_file(path)
    return inode in (None, found[0])


def remove_second_name(folder: Folder, path: str) -> None:
    """Remove what a process that was killed while it gave `path` its name has left beside it."""
    directory, name = folder.parent(path)
    try:
        part = folder.os.stat(name + SUFFIX, dir_fd=directory, follow_symlinks=False)
        whole = folder.os.stat(name, dir_fd=directory, follow_symlinks=False)
        if os.path.samestat(part, whole):
            folder.os.unlink(name + SUFFIX, dir_fd=directory)
    except OSError:
        pass  # there is none
    finally:
        JournalFile(folder.os, directory, name + SUFFIX + JOURNAL).remove()
        if directory != folder.fd:
            close_settled(folder.os, directory)
