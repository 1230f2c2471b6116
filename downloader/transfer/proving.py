"""What a job's file is held to: its own words, and those of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from downloader.errors import WrongRequest
from downloader.jobs import Job, Pieces
from downloader.sansio.checksum import checked_checksum
from downloader.sansio.names import path_for
from downloader.sansio.proof import Digest, Proof
from downloader.sansio.url import HttpUrl
from downloader.transfer.setup import Setup

if TYPE_CHECKING:
    from downloader.sansio.pieces import PieceSums


def proof_of(job: Job, url: HttpUrl, setup: Setup) -> Proof:
    """What the file of `job`, whose URL is `url`, has to be. Raises WrongRequest for checksums
    that are none, and NoChecksum."""
    own = _checksum(job) or _listed(job, url, setup)
    return Proof(job.size, own, None if job.pieces is None else _checked(job.pieces))


def piece_sums(pieces: Pieces, digest: Digest | None) -> PieceSums:
    """The sums of a body that comes in order; `digest` is fed too."""
    from downloader.sansio.pieces import PieceSums  # late: few jobs have any

    return PieceSums(pieces, digest)


def _checked(pieces: Pieces) -> Pieces:
    from downloader.sansio.pieces import checked_pieces  # late: few jobs have any

    return checked_pieces(pieces)


def _checksum(job: Job) -> str | None:
    """The job's checksum in the one form that is compared."""
    try:
        return None if job.checksum is None else checked_checksum(job.checksum)
    except ValueError as error:
        raise WrongRequest(str(error)) from error


def _listed(job: Job, url: HttpUrl, setup: Setup) -> str | None:
    """What the run's checksum file, if there is one, tells of the name that the job asks for."""
    if setup.checksums is None:
        return None
    subdirectory = job.subdirectory
    path = path_for(url, name=job.name, naming=setup.naming, subdirectory=subdirectory)
    return setup.checksums.find(path)
