"""What a TLS connection must prove, and the objects that make it prove it.

The check of the name is made here and not by Twisted's ClientTLSOptions: that one, as of 26.10,
logs a certificate without any subjectAltName and goes on, so that one from a trusted authority is
good for every host; and it has no word for hosts with an underscore.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import Any

from OpenSSL import SSL
from service_identity.exceptions import VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, platformTrust
from twisted.python.failure import Failure
from zope.interface import implementer

from downloader.certificates import Authorities, ClientCertificate
from downloader.errors import BadUrl, TlsError


@dataclass(frozen=True)
class TlsOptions:
    """How servers are judged, and what we show them. Part of the pool's key: connections are
    never shared across it.

    `verify` off accepts any certificate, from anybody in between too. `trust_root` is Authorities
    or an IOpenSSLTrustRoot; None is the system's, which SSL_CERT_FILE and SSL_CERT_DIR can move.
    `certificate` is for servers that ask who we are; None shows them nothing.
    """

    verify: bool = True
    trust_root: Any = None
    certificate: ClientCertificate | None = None

    def creator(self, host: str) -> IOpenSSLClientConnectionCreator:
        """The object that sets up TLS with `host`: its name in SNI, and checked."""
        return _Creator(host.removesuffix("."), self)

    @cached_property
    def context(self) -> SSL.Context:
        """One for all hosts, since the trusted certificates are read for each."""
        shown = {} if self.certificate is None else self.certificate.options
        if not self.verify:
            return CertificateOptions(verify=False, **shown).getContext()
        root = self.trust_root or platformTrust()
        if isinstance(root, Authorities):
            root = root.trust_root
        return CertificateOptions(trustRoot=root, **shown).getContext()


@implementer(IOpenSSLClientConnectionCreator)
class _Creator:
    """Makes the connections to one host. It has no trailing dot (RFC 6066 §3), nor do
    certificates have it."""

    def __init__(self, host: str, options: TlsOptions) -> None:
        self._options = options
        self._name: bytes | None = None
        try:
            ip_address(host)
            self._identity: DNS_ID | IPAddress_ID = IPAddress_ID(host)
        except ValueError:
            self._name = host.encode("ascii")
            self._identity = _dns_id(host)

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self._options.context, None)
        if self._name is not None:
            connection.set_tlsext_host_name(self._name)
        if self._options.verify:
            judge = _Judge(self._identity, tlsProtocol)
            connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, judge)
        return connection


def _dns_id(host: str) -> DNS_ID:
    try:
        return DNS_ID(host)
    except ValueError as error:
        raise BadUrl(f"no certificate can name the host {host!r}") from error


class _Judge:
    """OpenSSL's callback for each certificate of a chain; the last call is for the server's own.

    `ok` is OpenSSL's own judgement of the chain. Whatever goes wrong here, the answer is no.
    """

    def __init__(self, identity: DNS_ID | IPAddress_ID, protocol: Any) -> None:
        self._identity = identity
        self._protocol = protocol

    def __call__(self, connection: Any, cert: Any, error: int, depth: int, ok: int) -> bool:
        if depth or not ok:
            return bool(ok)
        try:
            verify_service_identity(extract_patterns(cert), [self._identity], [])
        except VerificationError as error_:
            return self._refuse("the certificate is for another host", error_)
        except Exception as error_:
            return self._refuse("the certificate names no host in a valid way", error_)
        return True

    def _refuse(self, detail: str, cause: Exception) -> bool:
        reason = TlsError(detail)
        reason.__cause__ = cause
        self._protocol.failVerification(Failure(reason))
        return False
