"""libcurl's multi interface: handles that are used again, as pycurl's own example does."""

from __future__ import annotations

from typing import Any

import pycurl

from benchmarks.drivers import Arguments


def main() -> None:
    """Keep every handle busy until the list is at its end."""
    arguments, multi = Arguments(), pycurl.CurlMulti()
    wanted = arguments.wanted()
    handles = [_handle(arguments.ca) for _ in range(arguments.jobs)]
    running = sum(_next(multi, handle, wanted) for handle in handles)
    while running:
        multi.perform()
        left = 1
        while left:
            left, ended, failed = multi.info_read()
            if failed:
                raise SystemExit(str(failed[0][1:]))
            running -= sum(not _again(multi, handle, wanted) for handle in ended)
        # How long libcurl itself would wait, in ms: not at all when it has been given more to do
        # or has bytes that it has read and not passed on; -1 is no opinion.
        wait = multi.timeout()
        if wait:
            multi.select(wait / 1000 if wait > 0 else 1.0)


def _handle(ca: str | None) -> Any:
    handle: Any = pycurl.Curl()
    handle.setopt(pycurl.FAILONERROR, True)
    handle.setopt(pycurl.NOSIGNAL, True)
    if ca is not None:
        handle.setopt(pycurl.CAINFO, ca)
    return handle


def _again(multi: Any, handle: Any, wanted: Any) -> bool:
    """Close what `handle` has fetched, and give it the next; False when there is none."""
    multi.remove_handle(handle)
    handle.file.close()
    return _next(multi, handle, wanted)


def _next(multi: Any, handle: Any, wanted: Any) -> bool:
    url, path = next(wanted, (None, ""))
    if url is None:
        return False
    handle.file = open(path, "wb")  # noqa: PTH123, SIM115
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.WRITEDATA, handle.file)
    multi.add_handle(handle)
    return True


if __name__ == "__main__":
    main()
