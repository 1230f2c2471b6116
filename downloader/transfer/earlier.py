"""What an earlier run has left in a directory."""

from __future__ import annotations

import os

from downloader.errors import DownloadError
from downloader.transfer.folder import Folders
from downloader.transfer.partfile import remove_second_name


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
