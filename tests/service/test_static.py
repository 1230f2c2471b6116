"""The files of the page, asked over a real socket."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import downloader.service

FOLDER = Path(downloader.service.__file__).parent / "page"
NAMES = sorted(path.name for path in FOLDER.iterdir())
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
NO_TOKEN = {"Authorization": ""}


def path_of(name: str) -> str:
    return "/" if name == "index.html" else f"/page/{name}"


async def test_each_file_comes_without_a_token(served: Any) -> None:
    """With its type, and a policy that lets nothing of elsewhere in."""
    s = await served()
    for name in NAMES:
        answer = await s.ask("GET", path_of(name), headers=NO_TOKEN)
        assert (answer.status, answer.body) == (200, (FOLDER / name).read_bytes())
        assert answer.header("content-type").partition(";")[0] == TYPES[Path(name).suffix]
        assert answer.header("cache-control") == "no-cache"
        assert "script-src 'self'" in answer.header("content-security-policy")


async def test_what_the_browser_has_is_not_sent_again(served: Any) -> None:
    s = await served()
    etag = (await s.ask("GET", "/")).header("etag")
    for known in (etag, f"W/{etag}", f'"other", {etag}'):
        answer = await s.ask("GET", "/", headers={"If-None-Match": known})
        assert (answer.status, answer.body, answer.header("etag")) == (304, b"", etag)
    assert (await s.ask("GET", "/", headers={"If-None-Match": '"other"'})).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/page/", 404),
        ("GET", "/page/index.html", 404),
        ("GET", "/page/../service.py", 404),
        ("GET", "/page/%2e%2e/service.py", 404),
        ("GET", "/page/main.js/", 404),
        ("POST", "/", 405),
        ("HEAD", "/page/main.js", 200),
    ],
)
async def test_there_is_nothing_else(served: Any, method: str, path: str, status: int) -> None:
    assert (await (await served()).ask(method, path)).status == status


def test_the_page_names_only_its_own_files() -> None:
    """By paths below its own, so that it may live below any."""
    index = (FOLDER / "index.html").read_text()
    found = re.findall(r'(?:src|href)="([^"#]+)"', index)
    assert found and {path.partition("page/")[2] for path in found} <= set(NAMES)
    for script in FOLDER.glob("*.js"):
        imports = re.findall(r'from "([^"]+)"', script.read_text())
        assert {path.removeprefix("./") for path in imports} <= set(NAMES)


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_files_stay_short_and_make_no_markup(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 400
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text)
    assert not re.search(r"\bstyle=|<style|\bon[a-z]+=\"|https?://(?!www\.w3\.org/)", text)


def colours(text: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6});", text))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# What stands on what, and the least ratio: of text 4.5, of the edge of a field 3 (level AA).
PAIRS = [
    *(
        (f"{colour} {ground}", 4.5)
        for colour in ("text", "muted")
        for ground in ("ground", "surface")
    ),
    *((f"{colour} raised", 4.5) for colour in ("text", "muted")),
    *((f"{colour} {colour}-soft", 4.5) for colour in ("good", "warn", "bad")),
    *((pair, 4.5) for pair in ("accent soft", "on-accent accent", "bad surface", "warn ground")),
    *((pair, 3.0) for pair in ("control surface", "accent surface")),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("pair", "least"), PAIRS)
def test_colours_can_be_told_apart(theme: str, pair: str, least: float) -> None:
    light, dark = (FOLDER / "style.css").read_text().split("prefers-color-scheme: dark", 1)
    found = colours(light if theme == "light" else dark)
    one, other = pair.split()
    assert contrast(found[one], found[other]) >= least
