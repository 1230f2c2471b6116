"""`fetch -M`: the files of Metalink documents, from good mirrors and bad ones."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.metalinks import meta4, one_file

from downloader.cli.app import commands
from downloader.cli.fetch import fetch
from downloader.testing import Origin, content

SIZE = 5


def known(origin: Origin, path: str, size: int = SIZE) -> str:
    """Serve a file, and the elements that say what it is."""
    origin.add(path, size)
    digest = sha256(b"".join(content(path, size))).hexdigest()
    return f'<size>{size}</size><hash type="sha-256">{digest}</hash>'


async def run(start: Any, *arguments: object) -> tuple[Any, list[dict[str, Any]]]:
    """The command when it has ended, and what its report says."""
    command = start("fetch", "--progress", "none", "--report", "-", *arguments)
    await command.ended
    return command, [json.loads(line) for line in command.out.splitlines()]


@pytest.mark.parametrize("name", ["-M", "--metalink", "--metalink-file"])
async def test_a_document(start: Any, origin: Origin, tmp_path: Path, name: str) -> None:
    """Names, directories, checksums and lines of its files."""
    one, two = known(origin, "/1"), known(origin, "/2")
    document = meta4(
        one_file("pool/one.bin", origin.url("/1"), inside=one),
        one_file("two.bin", origin.url("/2"), inside=two),
    )
    (tmp_path / "m.meta4").write_bytes(document)
    command, (*lines, last) = await run(start, name, "m.meta4", "-d", "out")
    assert await command.ended == 0
    assert last["summary"]["complete"] == 2
    expected = {"out/pool/one.bin": (2, "/1"), "out/two.bin": (3, "/2")}
    assert {line["path"] for line in lines} == {*expected}
    for line in lines:
        number, path = expected[line["path"]]
        data = (tmp_path / line["path"]).read_bytes()
        assert (line["line"], data) == (number, b"".join(content(path, SIZE)))
        assert line["sha256"] == sha256(data).hexdigest()


async def test_mirrors_stand_in(start: Any, origin: Origin, tmp_path: Path) -> None:
    """For those that are dead, have nothing, another size, or other bytes; each is asked once."""
    inside = known(origin, "/right")
    wrong = [origin.url("/none"), origin.add("/longer", SIZE + 1), origin.add("/other", SIZE)]
    urls = ["http://127.0.0.1:1/dead", *wrong, origin.url("/right")]
    (tmp_path / "m.meta4").write_bytes(meta4(one_file("a", *urls, inside=inside)))
    command, (line, _) = await run(start, "-M", "m.meta4", "-d", "out")
    assert await command.ended == 0
    assert (line["attempts"], line["final_url"]) == (5, origin.url("/right"))
    assert dict(origin.requests) == dict.fromkeys(["/none", "/longer", "/other", "/right"], 1)
    assert (tmp_path / "out" / "a").read_bytes() == b"".join(content("/right", SIZE))


async def test_no_mirror_has_the_size(start: Any, origin: Origin, tmp_path: Path) -> None:
    """No file then, and its own error."""
    url = origin.add("/a", SIZE)
    (tmp_path / "m.meta4").write_bytes(meta4(one_file("a", url, inside="<size>6</size>")))
    command, (line, _) = await run(start, "-M", "m.meta4", "-d", "out")
    assert await command.ended == 1
    assert line["error"] == "SizeMismatch"
    assert os.listdir(tmp_path / "out") == []


async def test_a_preferred_location(start: Any, origin: Origin, tmp_path: Path) -> None:
    """Is asked before others of its priority."""
    elements = "".join(
        f'<url priority="{priority}" location="{country}">{origin.add(f"/{country}", SIZE)}</url>'
        for country, priority in (("us", 1), ("de", 1), ("fr", 1), ("it", 2))
    )
    (tmp_path / "m.meta4").write_bytes(meta4(one_file("a", inside=elements)))
    for locations, path in (("it,fr,de", "/fr"), ("DE", "/de"), ("gb", "/us")):
        options = ["-M", "m.meta4", "--metalink-location", locations, "--on-conflict=overwrite"]
        _, (line, _) = await run(start, *options)
        assert line["final_url"] == origin.url(path)


async def test_a_bad_file_is_a_bad_line(start: Any, origin: Origin, tmp_path: Path) -> None:
    """Told with its document and line; the others are fetched, of the next document too."""
    first = meta4(
        one_file("../out.bin", origin.url("/1")),
        one_file("bad", origin.url("/1"), inside='<hash type="md5">x</hash>'),
        one_file("only-ftp", "ftp://127.0.0.1/x"),
        one_file("good", origin.add("/1", SIZE)),
    )
    (tmp_path / "1.meta4").write_bytes(first)
    (tmp_path / "2.meta4").write_bytes(meta4(one_file("also", origin.add("/2", SIZE))))
    command, (*lines, last) = await run(start, "-M", "1.meta4", "-M", "2.meta4", "-d", "out")
    assert await command.ended == 1
    assert (last["summary"]["complete"], last["summary"]["invalid"]) == (2, 3)
    assert [(line["line"], line["error"]) for line in lines if line["error"]] == [
        (2, "BadLine"),
        (3, "BadLine"),
        (4, "BadLine"),
    ]
    assert command.said[:4] == [
        "1.meta4: 1 URL is left out: neither http nor https (FTP and torrents are not fetched)",
        "line 2 is left out: 1.meta4: '../out.bin': No file may be written under this name: "
        "'../out.bin' leads upwards",
        "line 3 is left out: 1.meta4: 'bad': a md5 checksum has 32 hexadecimal digits",
        "line 4 is left out: 1.meta4: 'only-ftp': no http or https URL to fetch it from",
    ]
    assert sorted(os.listdir(tmp_path)) == ["1.meta4", "2.meta4", "out"]
    assert sorted(os.listdir(tmp_path / "out")) == ["also", "good"]


NAMES = [
    *("../x", "../../x", "a/../../x", "/etc/x", "//x", "..", ".", "a/..", "a/", "..\\x", "C:\\x"),
    *(
        "a\\..\\x",
        "./../x",
        "a/b/../../../x",
        "../out/../x",
        "../outside/x",
        "~/x",
        "...",
        "....//x",
    ),
    *(".. /x", "..%2fx", "%2e%2e/x", "\uff0e\uff0e/x", "..\u2215x", ".hidden", "-rf", "CON", "c:x"),
    *("a/.git/config", "link/x", "x\ny", "x\ty", "x.part", "x.part.journal", "a:b|c", "\u202ex"),
]


async def test_no_name_leads_elsewhere(start: Any, origin: Origin, tmp_path: Path) -> None:
    """Refused or made safe, and through no link that lies there: all that is new is below DIR."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to("../outside")
    files = [one_file(name, origin.add(f"/{n}", SIZE)) for n, name in enumerate(NAMES)]
    (tmp_path / "m.meta4").write_bytes(meta4(*files))
    command, (*lines, last) = await run(start, "-M", "m.meta4", "-d", "out", "-m", "1")
    assert await command.ended == 1
    counts = last["summary"]
    assert counts["complete"] + counts["failed"] + counts["invalid"] == len(NAMES)
    assert (counts["failed"], counts["invalid"]) == (1, 16)
    (failed,) = (line for line in lines if line["status"] == "error" and line["url"])
    assert (failed["path"], failed["error"]) == ("out/link/x", "BadName")
    written = {line["path"] for line in lines if line["status"] == "complete"}
    found = {str(p.relative_to(tmp_path)) for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == written and len(written) == len(NAMES) - 17
    assert sorted(os.listdir(tmp_path)) == ["m.meta4", "out", "outside"]
    assert os.listdir(tmp_path / "outside") == []


async def test_failures_as_a_list(start: Any, origin: Origin, tmp_path: Path) -> None:
    """With mirrors, name and checksum, so that -i asks for the file again."""
    inside = known(origin, "/right")
    bad = [origin.url("/none"), origin.add("/other", SIZE)]
    (tmp_path / "m.meta4").write_bytes(meta4(one_file("sub/a", *bad, inside=inside)))
    command, _ = await run(start, "-M", "m.meta4", "--failed", "again", "-d", "out")
    assert await command.ended == 1
    again = (tmp_path / "again").read_text().replace("/other", "/right")
    assert again.splitlines()[0].split("\t") == [origin.url("/none"), origin.url("/right")]
    (tmp_path / "again").write_text(again)
    command, (line, _) = await run(start, "-i", "again", "-d", "out")
    assert (await command.ended, line["path"]) == (0, "out/sub/a")
    assert line["sha256"] in inside


async def test_headers_go_to_the_first_mirrors_origin(
    start: Any, scripted: Any, tmp_path: Path
) -> None:
    """As they do for a list."""
    no = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    yes = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    first, second = (scripted([lambda connection: connection.head(), end]) for end in (no, yes))
    document = meta4(one_file("a", first.url("/a"), second.url("/a")))
    (tmp_path / "m.meta4").write_bytes(document)
    command, _ = await run(start, "-M", "m.meta4", "-H", "Authorization: secret")
    assert await command.ended == 0
    assert b"secret" in first.connections[0].received
    assert b"secret" not in second.connections[0].received


async def test_a_document_behind_a_url_is_a_file(start: Any, scripted: Any, tmp_path: Path) -> None:
    """Who wants what it lists asks for that: nothing else is fetched."""
    body = meta4(one_file("b", "http://127.0.0.1:1/b"))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/metalink4+xml\r\n"
    head += b'Link: </other>; rel=describedby; type="application/metalink4+xml"\r\n'
    head += b"Link: </other>; rel=duplicate\r\nContent-Length: %d\r\n\r\n" % len(body)
    server = scripted([lambda connection: connection.head(), head + body])
    command, _ = await run(start, server.url("/m.meta4"))
    assert await command.ended == 0
    assert (tmp_path / "m.meta4").read_bytes() == body
    assert [len(connection.heads) for connection in server.connections] == [1]


async def test_a_document_that_is_fetched_first(start: Any, scripted: Any, tmp_path: Path) -> None:
    """With -M; only what it names stays."""
    asked: list[bytes] = []

    async def serve(connection: Any) -> None:
        while True:
            path = (await connection.head()).split(b" ")[1]
            asked.append(path)
            body = document if path == b"/m.meta4" else b"abc"
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    server = scripted(serve)
    document = meta4(one_file("b", server.url("/b")))
    command, _ = await run(start, "-M", server.url("/m.meta4"))
    assert await command.ended == 0
    assert asked == [b"/m.meta4", b"/b"]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "The server has no such file"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "m.meta4?token=***: "),
    ],
    ids=["none", "no document"],
)
async def test_a_document_that_cannot_be_had(
    start: Any, scripted: Any, tmp_path: Path, answer: bytes, said: str
) -> None:
    """There is nothing to fetch then, and that is no success."""
    server = scripted([lambda connection: connection.head(), answer])
    command, _ = await run(start, "-M", server.url("/m.meta4?token=secret"))
    assert await command.ended == 2
    assert "the list could not be read to its end" in command.said[-1]
    assert said in command.said[-1] and "secret" not in command.said[-1]
    assert list(tmp_path.iterdir()) == []


LAUGHS = b'<!DOCTYPE metalink [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
BAD = {
    "no such document": (["-M", "none"], "cannot read the Metalink document none: No such file"),
    "no name": (["-M", ""], "cannot read the Metalink document "),
    "a directory": (["-M", "."], "cannot read the Metalink document .: Is a directory"),
    "a list": (["-M", "list"], "cannot read the Metalink document list: it is not well-formed XML"),
    "a DTD": (["-M", "laughs"], "it has a DTD or entities, which are not read"),
    "one good, one bad": (["-M", "good", "-M", "list"], "document list: it is not well-formed"),
    "URLs too": (["-M", "good", "http://127.0.0.1:9/x"], "nothing beside -M"),
    "a list too": (["-M", "good", "-i", "list"], "nothing beside -M"),
    "a name": (["-M", "good", "-o", "x"], "-o is for a single URL"),
    "a location alone": (["--metalink-location", "de", "http://h/"], "--metalink-location is for"),
    "no location": (["-M", "good", "--metalink-location", "x"], "a country's two letters"),
    "an empty location": (["-M", "good", "--metalink-location", ""], "a country's two letters"),
    "no locations": (["-M", "good", "--metalink-location", "de,,fr"], "a country's two letters"),
    "the document as report": (["-M", "good", "--report", "./good"], "name different files"),
    "the document as failures": (["-M", "good", "--failed", "good"], "name different files"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD.keys())
async def test_bad_usage(start: Any, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """2 and one sentence, before anything is fetched."""
    good = meta4(one_file("a", "http://127.0.0.1:9/x"))
    (tmp_path / "good").write_bytes(good)
    (tmp_path / "list").write_text("http://127.0.0.1:9/x\n")
    (tmp_path / "laughs").write_bytes(LAUGHS + good.replace(b"/x", b"/&b;"))
    command = start("fetch", "--progress", "none", *arguments)
    assert await command.ended == 2
    (*_, said) = command.said
    assert said.startswith("downloader: ") and sentence in said
    assert b"Traceback" not in command.err
    assert (tmp_path / "good").read_bytes() == good
    assert sorted(os.listdir(tmp_path)) == ["good", "laughs", "list"]


def test_put_has_no_such_option() -> None:
    """It is for what is fetched."""
    assert any("-M" in param.opts for param in fetch.params)
    assert not any("-M" in param.opts for param in commands.commands["put"].params)
