"""What an earlier run has left in a directory."""

from __future__ import annotations

import os

from downloader.errors import DownloadError
from downloader.transfer.folder import Folder, Folders
from downloader.transfer.journalfile import JournalFile
from downloader.transfer.partfile import JOURNAL, SUFFIX
from downloader.transfer.system import close_settled


def is_there(
    folders: Folders, directory: str, path: str, size: int | None, inode: int | None
) -> bool:
    """Whether the file `path` below the root `directory` is there, `size` bytes long.

    With an `inode`, it has to be that one; the process may have been killed while the file got its
    name, so its part file is removed if it is a second name of it. It is synced where files are.
    """
    if directory not in folders and not os.path.isdir(directory):
        return False
    try:
        folder = folders.use(directory)
    except DownloadError:
        return False
    try:
        found = folder.inode(path)
        if found is None or found[1] != size:
            return False
        if inode is not None and found[0] == inode:
            remove_second_name(folder, path)
            if folder.disk.commits is not None:
                folder.sync_file(path)
        return inode in (None, found[0])
    except DownloadError:
        return False
    finally:
        folders.unuse(folder)


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
