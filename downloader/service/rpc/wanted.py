"""What aria2's clients ask for, as jobs of ours."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from downloader.errors import BadLine, BadUrl, ListError, RpcError
from downloader.jobs import Job
from downloader.queue import Wanted
from downloader.sansio.aria2options import (
    HEADERS,
    ONCE,
    TERMS,
    Pairs,
    flag_of,
    headers_of,
    merged,
    public_options,
    terms_of,
    value_of,
)
from downloader.sansio.checksum import checked_checksum
from downloader.sansio.metalink import Metalink, parse_metalink
from downloader.sansio.metalinkfile import MetalinkFile
from downloader.sansio.names import checked_name
from downloader.sansio.secrecy import is_public
from downloader.sansio.url import parse_url
from downloader.sansio.urllist import MAX_MIRRORS, checked_header
from downloader.service.desk import MAX_JOBS, Desk, checked_gid

T = TypeVar("T")


def wanted_uris(desk: Desk, uris: Sequence[str], options: Pairs) -> Wanted:
    """One file, which is at each of `uris`: those that are no http or https URL are left out.
    Raises RpcError, Refusal, BadName."""
    if not uris:
        raise RpcError("URI is not provided.")
    return _wanted(desk, _at(usable(uris)), options)


def read_metalink(coded: str) -> Metalink:
    """A document in base64, which may take seconds. Raises RpcError."""
    try:
        return parse_metalink(base64.b64decode(coded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise RpcError("The document is not base64.") from error
    except ListError as error:
        raise RpcError(str(error)) from error


def wanted_metalink(desk: Desk, document: Metalink, options: Pairs) -> list[Wanted]:
    """The files of `document`. Raises RpcError, and as `wanted_uris`."""
    files = document.files
    good = [file for file in files if isinstance(file, MetalinkFile)]
    if not good:
        raise RpcError(str(next(file for file in files if isinstance(file, BadLine))))
    if len(good) > MAX_JOBS:
        raise RpcError(f"more than {MAX_JOBS} jobs at a time")
    if len(good) > 1:  # a gid or a name is of one
        options = tuple(pair for pair in options if pair[0] not in ("gid", "out", "checksum"))
    return [_wanted(desk, replace(file.job(), line=None), options) for file in good]


def usable(uris: Sequence[str]) -> list[str]:
    """Those of `uris` that can be fetched. Raises RpcError for none, or too many."""
    found = [uri for uri in uris if _is_usable(uri)]
    if not found:
        raise RpcError("No URI to download.")
    if len(found) > MAX_MIRRORS + 1:
        raise RpcError(f"more than {MAX_MIRRORS} mirrors")
    return found


def changed(desk: Desk, job: Job, before: Pairs, asked: Pairs) -> tuple[Job, Pairs]:
    """`job`, which was asked for with the options `before`, with those that are `asked` in place of
    theirs; and all its options then. Raises as `wanted_uris`."""
    options, names = merged(before, asked), {name for name, _ in asked}
    if "dir" in names:
        root, subdirectory = desk.place(value_of(options, "dir"))
        job = replace(job, directory=root, subdirectory=subdirectory)
    if "out" in names:
        job = replace(job, name=_checked_name(value_of(options, "out")))
    if "checksum" in names:
        checksum = value_of(options, "checksum")
        job = replace(job, checksum=checksum and _said(checked_checksum, checksum))
    if names & HEADERS:
        old = {_said(checked_header, text) for text in headers_of(before)}
        new = [_said(checked_header, text) for text in headers_of(options)]
        job = replace(job, headers=(*(one for one in job.headers if one not in old), *new))
    if names & TERMS:
        job = replace(job, terms=terms_of(options))
    return job, options


def at(job: Job, options: Pairs, uris: Sequence[str]) -> tuple[Job, Pairs]:
    """`job`, which was asked for with `options`, at other URLs; and its options then.

    Its headers are for the origin of its first URL. Where that is another now, they are gone, but
    for those that are known to be no secret.
    """
    moved = replace(job, url=uris[0], mirrors=tuple(uris[1:]))
    if parse_url(moved.url).origin == parse_url(job.url).origin:
        return moved, options
    headers = tuple((name, value) for name, value in job.headers if is_public(name))
    return replace(moved, headers=headers), public_options(options)


def _at(uris: Sequence[str]) -> Job:
    return Job(uris[0], mirrors=tuple(uris[1:]))


def _wanted(desk: Desk, job: Job, options: Pairs) -> Wanted:
    root, subdirectory = desk.place(None)
    job = replace(job, directory=root, subdirectory=subdirectory)
    kept = tuple(pair for pair in options if pair[0] not in ONCE)
    job, kept = changed(desk, job, (), kept)
    gid = checked_gid(value_of(options, "gid"))
    return Wanted(job, gid, flag_of(options, "pause"), options=kept)


def _said(check: Callable[[str], T], text: str) -> T:
    try:
        return check(text)
    except ValueError as error:
        raise RpcError(str(error)) from error


def _checked_name(name: str | None) -> str | None:
    if name is not None:
        checked_name(name)
    return name


def _is_usable(uri: str) -> bool:
    try:
        parse_url(uri)
    except BadUrl:
        return False
    return True
