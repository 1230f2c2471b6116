"""A certificate authority of the suite's own, for servers and for the clients that trust it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trustme
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import Certificate
from twisted.internet.ssl import trustRootFromCertificates as trust_root_from
from zope.interface import implementer

NAMES = ("localhost", "127.0.0.1")


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """TLS for a Twisted server, with the certificate `issued`."""

    def __init__(self, issued: trustme.LeafCert) -> None:
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        issued.configure_cert(self._context)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        return SSL.Connection(self._context, None)


class Authority:
    """Issues server certificates; `pem` is the path of its own, `trust_root` makes it trusted."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self._directory = directory
        self.pem = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.pem))
        self.trust_root = trust_root_from([Certificate.loadPEM(self._ca.cert_pem.bytes())])

    def server(self, *names: str, **options: Any) -> ServerTls:
        """TLS for a Twisted server that says it is `names`; `options` as trustme's issue_cert."""
        return ServerTls(self._ca.issue_cert(*(names or NAMES), **options))

    def server_pem(self) -> Path:
        """A PEM file with key and certificate, for a server that is another program."""
        path = self._directory / "server.pem"
        self._ca.issue_cert(*NAMES).private_key_and_cert_chain_pem.write_to_path(str(path))
        return path
