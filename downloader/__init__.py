"""A concurrent download manager on Twisted: cancel means stopped, a file means whole."""

from downloader import errors
from downloader._version import __version__
from downloader.certificates import Authorities, ClientCertificate
from downloader.checksums import Checksums, read_checksums
from downloader.client import Downloader
from downloader.identity import Bearer, Credentials, Identity, read_cookies, read_netrc
from downloader.jobs import (
    Durability,
    Job,
    Limits,
    Naming,
    OnConflict,
    Pieces,
    Progress,
    PutJob,
    Report,
    Result,
    Retries,
    Splitting,
    Status,
    Terms,
    Timeouts,
)
from downloader.replay import IReplayable
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies

__all__ = [
    "Authorities",
    "Bearer",
    "Checksums",
    "ClientCertificate",
    "Credentials",
    "Downloader",
    "Durability",
    "IReplayable",
    "Identity",
    "Job",
    "Limits",
    "Naming",
    "Network",
    "OnConflict",
    "Pieces",
    "Progress",
    "Proxies",
    "PutJob",
    "Report",
    "Result",
    "Retries",
    "Splitting",
    "Status",
    "Terms",
    "Timeouts",
    "__version__",
    "errors",
    "read_checksums",
    "read_cookies",
    "read_netrc",
]
