"""Our IAgent: HTTP/1.1 on the httptools parser. Knows no job and no file."""

from downloader.http1.agent import Agent
from downloader.http1.redirect import RedirectAgent
from downloader.http1.tls import TlsOptions

__all__ = ["Agent", "RedirectAgent", "TlsOptions"]
