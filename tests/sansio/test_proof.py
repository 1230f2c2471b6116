"""What a file has to be, by its job and by what its server says."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

import pytest

from downloader.errors import BadResponse, SizeMismatch, TruncatedBody
from downloader.sansio.proof import Digest, Proof, no_more_than
from downloader.sansio.resume import Answer
from downloader.sansio.url import parse_url

BASE = parse_url("http://one.example/")
OWN = f"md5={'0' * 32}"
ONE, TWO = (sha256(data).digest() for data in (b"one", b"two"))


def answer(digest: bytes, *more: tuple[str, str]) -> Answer:
    fields = dict([("repr-digest", f"sha-256=:{b64encode(digest).decode()}:"), *more])
    return Answer(200, lambda name: [fields[name]] if name in fields else [], 5)


def test_the_jobs_checksum_goes_first() -> None:
    """Whatever the server says."""
    proof = Proof(None, OWN)
    proof.hear(5, answer(ONE))
    assert (proof.own, proof.checksum) == (OWN, OWN)


def test_what_is_told_takes_its_place() -> None:
    """A whole file's own answer counts, whatever was told of another. Of parts the first to tell
    does: none may say what the others have to be."""
    proof = Proof(None, None)
    assert proof.checksum is None
    proof.hear(5, answer(ONE), part=True)
    proof.hear(5, None, part=True)
    assert proof.checksum == f"sha-256={ONE.hex()}"
    proof.hear(5, answer(TWO), part=True)
    assert proof.checksum == f"sha-256={ONE.hex()}"
    proof.hear(5, answer(TWO))
    assert proof.checksum == f"sha-256={TWO.hex()}"
    proof.hear(5, None)
    assert proof.checksum is None


@pytest.mark.parametrize("coding", ["gzip", "br", "x"])
def test_of_what_is_packed_nothing_is_believed(coding: str) -> None:
    """It may be of the file before or after that."""
    proof = Proof(None, None)
    proof.hear(5, answer(ONE, ("content-encoding", coding)))
    assert proof.checksum is None
    proof.hear(5, answer(ONE, ("content-encoding", "identity")))
    assert proof.checksum is not None


@pytest.mark.parametrize("part", [True, False])
def test_another_size(part: bool) -> None:
    """Is known before a byte has come."""
    proof = Proof(5, None)
    proof.hear(5, None, part)
    proof.hear(None, None, part)
    for total in (4, 6, 0):
        with pytest.raises(SizeMismatch, match=f"{total} bytes, and not 5"):
            proof.hear(total, None, part)


@pytest.mark.parametrize(
    ("size", "total", "fits"),
    [(None, 5, True), (5, None, True), (5, 5, True), (5, 4, False), (0, 1, False), (0, 0, True)],
)
def test_what_fits(size: int | None, total: int | None, fits: bool) -> None:
    assert Proof(size, None).fits(total) is fits


@pytest.mark.parametrize(
    ("size", "received", "ended", "outcome"),
    [
        (None, 5, True, True),
        (None, 5, False, False),
        (5, 5, True, True),
        (5, 5, False, True),
        (5, 4, False, TruncatedBody),
        (5, 4, True, SizeMismatch),
        (5, 6, True, SizeMismatch),
        (5, 6, False, SizeMismatch),
        (0, 0, False, True),
    ],
)
def test_what_proves_the_length(
    size: int | None, received: int, ended: bool, outcome: bool | type[Exception]
) -> None:
    """An end that the server told, or the size; too little may be a lost connection."""
    proof = Proof(size, None)
    if isinstance(outcome, bool):
        assert proof.proven(received, ended) is outcome
        return
    with pytest.raises(outcome):
        proof.proven(received, ended)


@pytest.mark.parametrize("digested", [True, False])
def test_a_body_of_no_length_is_bounded(digested: bool) -> None:
    """By the file's size, to the byte; what is digested meanwhile is all that came before."""
    pieces: list[bytes | memoryview] = []
    bounded = Proof(5, None).bounded(pieces.append if digested else None, None)
    assert bounded is not None
    bounded(b"abc")
    bounded(memoryview(b"de"))
    with pytest.raises(SizeMismatch, match="more than 5 bytes"):
        bounded(b"f")
    assert pieces == ([b"abc", b"de"] if digested else [])


def test_a_body_whose_length_is_known_is_not() -> None:
    """Its length was compared before; nor is one of a file whose size nobody knows."""
    digest: Digest = bytes
    assert Proof(5, None).bounded(digest, 5) is digest
    assert Proof(None, None).bounded(digest, None) is digest
    assert Proof(None, None).bounded(None, None) is None


def test_a_part_is_bounded() -> None:
    within = no_more_than(5)
    within(b"abc")
    within(memoryview(b"de"))
    with pytest.raises(BadResponse, match="more than the 5 bytes"):
        within(b"f")


def test_repr() -> None:
    assert repr(Proof(5, OWN)) == f"<Proof 5 bytes, {OWN}>"


def test_mirrors_for_what_can_be_told_from_all_else() -> None:
    """From then on nobody's word changes what the file is held to."""
    linked = answer(ONE, ("link", "<http://two.example/>; rel=duplicate"))
    proof = Proof(None, None)
    proof.hear(5, linked)
    assert proof.mirrors(linked, BASE) == ["http://two.example/"]
    proof.hear(5, answer(TWO))
    proof.hear(5, None)
    assert (proof.checksum, proof.provable) == (f"sha-256={ONE.hex()}", True)


@pytest.mark.parametrize("own", [None, OWN])
def test_no_mirrors_else(own: str | None) -> None:
    linked = Answer(200, lambda name: ["</b>; rel=duplicate"] if name == "link" else [], 5)
    proof = Proof(None, own)
    proof.hear(5, linked)
    assert proof.mirrors(linked, BASE) == []
    assert (proof.own, proof.mirrors(answer(ONE), BASE)) == (own, [])
