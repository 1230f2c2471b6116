"""Certificates as PEM text: our own, and those of the authorities that are believed.

They are values: two of the same text are equal, so that connections are shared among those who
mean the same, and among nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate as X509Certificate
from cryptography.x509 import load_pem_x509_certificates
from OpenSSL import crypto
from twisted.internet.ssl import Certificate, trustRootFromCertificates


@dataclass(frozen=True, repr=False)
class Authorities:
    """The only certificate authorities that are believed, in `pem`.

    Raises ValueError when there is none in it.
    """

    pem: bytes

    def __post_init__(self) -> None:
        certificates_in(self.pem)

    def __repr__(self) -> str:
        return f"<Authorities {len(certificates_in(self.pem))}>"

    @cached_property
    def trust_root(self) -> Any:
        """An IOpenSSLTrustRoot."""
        found = [crypto.X509.from_cryptography(one) for one in certificates_in(self.pem)]
        return trustRootFromCertificates([Certificate(one) for one in found])


@dataclass(frozen=True, repr=False)
class ClientCertificate:
    """The certificate that we show to servers who ask for one, and its key, both PEM.

    `certificate` may be followed by those between it and its authority. `private_key` is None
    when it is in the same text. `password` is the key's, if it has one. Raises ValueError when
    they cannot be read, or do not belong together.
    """

    certificate: bytes
    private_key: bytes | None = None
    password: str | None = None

    def __post_init__(self) -> None:
        certificate = certificates_in(self.certificate)[0]
        if certificate.public_key() != _private_key(self._key_pem, self.password).public_key():
            raise ValueError("the private key is not that of the certificate")

    def __repr__(self) -> str:
        return "<ClientCertificate>"

    @cached_property
    def options(self) -> dict[str, Any]:
        """What CertificateOptions is to be given."""
        first, *others = certificates_in(self.certificate)
        key = _private_key(self._key_pem, self.password)
        return {"privateKey": key, "certificate": first, "extraCertChain": others}

    @property
    def _key_pem(self) -> bytes:
        return self.certificate if self.private_key is None else self.private_key


def certificates_in(pem: bytes) -> list[X509Certificate]:
    """What Authorities and ClientCertificate read of `pem`; ValueError where there is none."""
    try:
        return load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ValueError("it holds no certificate in PEM that can be read") from error


def _private_key(pem: bytes, password: str | None) -> Any:
    """The first private key in `pem`. A password that it does not need does no harm."""
    if b"PRIVATE KEY" not in pem:
        raise ValueError("there is no private key in it")
    encrypted = b"ENCRYPTED" in pem
    if encrypted and password is None:
        raise ValueError("the private key needs a password")
    secret = password.encode("utf-8", "surrogateescape") if encrypted and password else None
    try:
        return load_pem_private_key(pem, secret)
    except Exception as error:  # of many classes, and none of their texts says what to do
        reason = "it has another password, or is damaged" if encrypted else "it is damaged"
        raise ValueError(f"the private key cannot be read: {reason}") from error
