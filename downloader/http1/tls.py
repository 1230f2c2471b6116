"""What a TLS connection must prove, and the objects that make it prove it."""

from __future__ import annotations

from dataclasses import dataclass, field

from OpenSSL import SSL
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, optionsForClientTLS
from zope.interface import implementer

# Contexts are costly (the trusted certificates are read for each) and one host has many
# connections; a list may have many hosts, so only so many are kept.
KEPT = 256


@dataclass(frozen=True)
class TlsOptions:
    """How servers are judged. Part of the pool's key: connections are never shared across it.

    `verify` off accepts any certificate, from anybody in between too. `trust_root` is an
    IOpenSSLTrustRoot; None is the system's, which SSL_CERT_FILE and SSL_CERT_DIR can move.
    """

    verify: bool = True
    trust_root: IOpenSSLTrustRoot | None = None
    _creators: dict[str, IOpenSSLClientConnectionCreator] = field(
        default_factory=dict, compare=False, repr=False
    )

    def creator(self, host: str) -> IOpenSSLClientConnectionCreator:
        """The object that sets up TLS with `host`: its name in SNI, and checked."""
        host = host.removesuffix(".")  # RFC 6066 §3: SNI has no trailing dot, nor has a certificate
        creator = self._creators.pop(host, None) or self._make(host)
        self._creators[host] = creator
        if len(self._creators) > KEPT:
            del self._creators[next(iter(self._creators))]
        return creator

    def _make(self, host: str) -> IOpenSSLClientConnectionCreator:
        if not self.verify:
            return _Unverified(host)
        return optionsForClientTLS(host, trustRoot=self.trust_root)


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Encrypts and proves nothing."""

    def __init__(self, host: str) -> None:
        self._host = host.encode("ascii")
        self._context = CertificateOptions(verify=False).getContext()

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        if not self._host.replace(b".", b"").isdigit() and b":" not in self._host:
            connection.set_tlsext_host_name(self._host)
        return connection
