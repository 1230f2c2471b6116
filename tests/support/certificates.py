"""Certificates with one thing odd about each, and the chain that the server sends along."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from twisted.internet.ssl import Certificate
from twisted.internet.ssl import trustRootFromCertificates as trust_root_from

from support.ca import ServerTls

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass
class Issued:
    """A key, its certificate and those between it and the root, as a server puts them to use."""

    key: Any
    certificate: x509.Certificate
    chain: list[x509.Certificate] = field(default_factory=list)

    def configure_cert(self, context: Any) -> None:
        """As trustme's LeafCert, and with keys that OpenSSL would not let a server use."""
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        context.use_privatekey(self.key)
        context.use_certificate(self.certificate)
        for one in self.chain:
            context.add_extra_chain_cert(one)

    @property
    def tls(self) -> ServerTls:
        """TLS for a server that has it."""
        return ServerTls(self)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Odd:
    """What is odd about a certificate: the rest is as it should be."""

    common_name: str | None = None
    alternatives: Sequence[x509.GeneralName] | None = ()
    start: datetime.datetime = NOW - DAY
    end: datetime.datetime = NOW + DAY
    weak: bool = False
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
    digest: Any = hashes.SHA256


def names(*texts: str) -> tuple[x509.GeneralName, ...]:
    """subjectAltNames, those that are addresses as addresses."""
    return tuple(map(_name, texts))


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


@cache
def _weak_key() -> Any:
    return rsa.generate_private_key(65537, 1024)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Issuer:
    """An authority: a root, or one below another; `path_length` and `permitted` bound it."""

    def __init__(
        self,
        name: str,
        above: Issuer | None = None,
        path_length: int | None = None,
        permitted: Sequence[x509.GeneralName] = (),
        may_issue: bool = True,
    ) -> None:
        self.above = above
        self.key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_subject(name), self.key, NOW - DAY, NOW + DAY)
        basic = x509.BasicConstraints(may_issue, path_length if may_issue else None)
        builder = builder.add_extension(basic, critical=True)
        if permitted:
            builder = builder.add_extension(x509.NameConstraints(list(permitted), None), True)
        self._name = _subject(name)
        signer = above or self
        self.certificate = builder.issuer_name(signer._name).sign(signer.key, hashes.SHA256())

    @property
    def trust_root(self) -> Any:
        """Trusts what it issues."""
        return trust_root_from([Certificate.loadPEM(self.certificate.public_bytes(Encoding.PEM))])

    @property
    def chain(self) -> list[x509.Certificate]:
        """Itself and those above it, without the root."""
        return [self.certificate, *self.above.chain] if self.above else []

    def issue(self, *alternatives: str, **odd: Any) -> Issued:
        """A server's certificate for these names."""
        return self.issue_odd(Odd(alternatives=names(*alternatives), **odd))

    def issue_odd(self, odd: Odd) -> Issued:
        """A server's certificate with something odd about it."""
        key = _weak_key() if odd.weak else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([]) if odd.common_name is None else _subject(odd.common_name)
        builder = _builder(subject, key, odd.start, odd.end).issuer_name(self._name)
        builder = builder.add_extension(x509.ExtendedKeyUsage([odd.usage]), False)
        if odd.alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(odd.alternatives), odd.common_name is None
            )
        return Issued(key, builder.sign(self.key, hashes.SHA256()), self.chain)


def _builder(subject: x509.Name, key: Any, start: Any, end: Any) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def without_chain(issued: Issued) -> Issued:
    """The same from a server that does not send what is between it and the root."""
    return Issued(issued.key, issued.certificate)


def self_signed(root: Issuer) -> Issued:
    """For the right name, vouched for by nobody else."""
    own = Issuer("own")
    return without_chain(own.issue("h.test"))


def renamed_root(root: Issuer) -> Issued:
    """Of an authority that has the trusted one's name and another key."""
    return Issuer("root").issue("h.test")


def below_a_leaf(root: Issuer) -> Issued:
    """Signed with the key of a certificate that may sign none (CVE-2002-0862)."""
    return Issuer("leaf", root, may_issue=False).issue("h.test")


def too_deep(root: Issuer) -> Issued:
    """Below an authority that may have no other below it."""
    return Issuer("second", Issuer("first", root, path_length=0)).issue("h.test")


def outside_its_names(root: Issuer) -> Issued:
    """Of an authority that may speak for another domain only."""
    return Issuer("bound", root, permitted=[x509.DNSName("other.test")]).issue("h.test")


def outside_its_addresses(root: Issuer) -> Issued:
    """Of an authority that may speak for other addresses only."""
    net = x509.IPAddress(ip_network("10.0.0.0/8"))
    return Issuer("bound", root, permitted=[net]).issue("127.0.0.1")


Make = Callable[[Issuer], Issued]
GOOD: dict[str, tuple[str, Make]] = {
    "with its intermediate": ("h.test", lambda root: Issuer("i", root).issue("h.test")),
    "within its issuer's names": (
        "a.h.test",
        lambda root: Issuer("i", root, permitted=[x509.DNSName("h.test")]).issue("a.h.test"),
    ),
    "no common name": ("h.test", lambda root: root.issue("h.test")),
    "another common name": ("h.test", lambda root: root.issue("h.test", common_name="x.test")),
    "upper case in it": ("h.test", lambda root: root.issue("H.TEST")),
    "wildcard, trailing dot asked": ("a.h.test.", lambda root: root.issue("*.h.test")),
    "IPv4 among names": ("127.0.0.1", lambda root: root.issue("h.test", "127.0.0.1")),
}
BAD: dict[str, tuple[str, Make]] = {
    "expired": ("h.test", lambda root: root.issue("h.test", start=NOW - 2 * DAY, end=NOW - DAY)),
    "not yet valid": ("h.test", lambda root: root.issue("h.test", start=NOW + DAY / 2)),
    "another host": ("h.test", lambda root: root.issue("evil.test")),
    "a longer host": ("h.test", lambda root: root.issue("h.test.evil.test")),
    "a host that ends alike": ("h.test", lambda root: root.issue("evilh.test")),
    "self-signed": ("h.test", self_signed),
    "of a stranger": ("h.test", lambda root: Issuer("stranger").issue("h.test")),
    "of a stranger of that name": ("h.test", renamed_root),
    "without its intermediate": (
        "h.test", lambda root: without_chain(Issuer("i", root).issue("h.test")),
    ),
    "below a leaf": ("h.test", below_a_leaf),
    "too deep": ("h.test", too_deep),
    "outside its issuer's names": ("h.test", outside_its_names),
    "outside its issuer's addresses": ("127.0.0.1", outside_its_addresses),
    "common name only": ("h.test", lambda root: root.issue(common_name="h.test")),
    "common name, others alternative": (
        "h.test", lambda root: root.issue("x.test", common_name="h.test"),
    ),
    "address in the common name": ("127.0.0.1", lambda root: root.issue(common_name="127.0.0.1")),
    "address as a DNS name": (
        "127.0.0.1",
        lambda root: root.issue_odd(Odd(alternatives=[x509.DNSName("127.0.0.1")])),
    ),
    "wildcard for an address": (
        "127.0.0.1", lambda root: root.issue_odd(Odd(alternatives=[x509.DNSName("*.0.0.1")])),
    ),
    "another address": ("127.0.0.1", lambda root: root.issue("127.0.0.2")),
    "wildcard two levels up": ("a.b.h.test", lambda root: root.issue("*.h.test")),
    "wildcard for the parent": ("h.test", lambda root: root.issue("*.h.test")),
    "wildcard in the middle": ("a.b.h.test", lambda root: root.issue("a.*.h.test")),
    "wildcard in a label": ("ab.h.test", lambda root: root.issue("a*.h.test")),
    # Stricter than browsers: service-identity matches no A-label by a wildcard.
    "wildcard for an A-label": ("xn--bcher-kva.h.test", lambda root: root.issue("*.h.test")),
    "wildcard in an A-label": ("xn--bcher-kva.h.test", lambda root: root.issue("xn--*.h.test")),
    "wildcard for all": ("h.test", lambda root: root.issue("*")),
    "wildcard twice": ("a.b.test", lambda root: root.issue("*.*.test")),
    "NUL in the name": ("h.test", lambda root: root.issue("h.test\0.evil.test")),
    "NUL in the common name": ("h.test", lambda root: root.issue(common_name="h.test\0.evil.test")),
    "an empty name": ("h.test", lambda root: root.issue("")),
    "a URI for a name": (
        "h.test",
        lambda root: root.issue_odd(
            Odd(alternatives=[x509.UniformResourceIdentifier("https://h.test/")])
        ),
    ),
    "for clients": (
        "h.test", lambda root: root.issue("h.test", usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    ),
    "weak key": ("h.test", lambda root: root.issue("h.test", weak=True)),
}  # fmt: skip
