"""A concurrent download manager on Twisted: cancel means stopped, a file means whole."""

from downloader import errors
from downloader._version import __version__
from downloader.client import Downloader
from downloader.jobs import (
    Job,
    Limits,
    Naming,
    OnConflict,
    Progress,
    Report,
    Result,
    Retries,
    Status,
    Timeouts,
)
from downloader.sansio.network import Network
from downloader.sansio.proxies import Proxies

__all__ = [
    "Downloader",
    "Job",
    "Limits",
    "Naming",
    "Network",
    "OnConflict",
    "Progress",
    "Proxies",
    "Report",
    "Result",
    "Retries",
    "Status",
    "Timeouts",
    "__version__",
    "errors",
]
