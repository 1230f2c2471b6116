"""What a robots.txt lets us have; and that none can take our time or memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.errors import RobotsForbidden
from downloader.sansio.robots import MAX_BYTES, Rules
from downloader.sansio.url import parse_url


def allows(text: str, path: str = "/private/a") -> bool:
    try:
        Rules(text).check(parse_url(f"http://h{path}"))
    except RobotsForbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("<html>not found</html>", True),
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: *\nDisallow: /private/", False),
        ("User-agent: *\nDisallow: /other/", True),
        ("User-agent: *\nDisallow:", True),
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: downloader\nDisallow: /", False),
        ("User-agent: Downloader/1.0\nDisallow: /\n\nUser-agent: *\nAllow: /", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: DOWNLOADER\nAllow: /", True),
        ("User-agent: *\nDisallow: /\nAllow: /private/a", True),
        ("User-agent: *\nDisallow: /*/a$", False),
        ("Disallow: /", True),
    ],
)
def test_what_is_allowed(text: str, expected: bool) -> None:
    """RFC 9309 §2.2: the group of our name goes before that of all, the longest rule wins."""
    assert allows(text) is expected


def test_itself_is_always_allowed() -> None:
    assert allows("User-agent: *\nDisallow: /", "/robots.txt")


@pytest.mark.parametrize(
    ("value", "delay"),
    [("3", 3.0), ("0.5", 0.5), ("0", 0.0), ("-1", 0.0), ("NaN", 0.0), ("inf", 0.0), ("soon", 0.0),
     ("1e308", 1e308), ("", 0.0)],
)  # fmt: skip
def test_how_far_apart(value: str, delay: float) -> None:
    rules = Rules(f"User-agent: *\nCrawl-delay: {value}\n")
    assert rules.delay == delay
    assert Rules("User-agent: other\nCrawl-delay: 9").delay == 0.0


NAMES = "".join(f"User-agent: {n}\n" for n in range(9000))
MANY = "".join(f"Allow: /{n}\n" for n in range(20_000))


@pytest.mark.parametrize(
    "text",
    [
        NAMES + MANY,
        NAMES.replace("User-agent:", "useragent") + MANY.replace(":", ""),
        (NAMES + "Disallow: /x\n") * 3,
        "User agent x\nSitemap: y\n" * 9000 + MANY,
    ],
    ids=["names and rules", "in another spelling", "names again and again", "never ending groups"],
)
def test_one_that_would_take_all_memory_forbids_everything(text: str) -> None:
    """A group is stored for each of its names."""
    rules = Rules(text[:MAX_BYTES])
    with pytest.raises(RobotsForbidden, match="too much to read"):
        rules.check(parse_url("http://h/"))
    assert rules.delay == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "User-agent: *\n" + MANY + "Disallow: /private",
        "".join(f"User-agent: {n}\nDisallow: /\n" for n in range(15_000))
        + "User-agent: *\nDisallow: /private",
        "".join(f"User-agent: {n}\n" for n in range(500))
        + "User-agent: downloader\n"
        + "".join(f"Disallow: /{n}\n" for n in range(100))
        + "Disallow: /private",
    ],
    ids=["many rules", "many groups", "five hundred names with a hundred rules"],
)
def test_a_long_one_is_read(text: str) -> None:
    assert len(text) < MAX_BYTES
    assert not allows(text) and allows(text, "/public")


LINE = st.one_of(
    st.text(),
    st.from_regex(
        r"(user-?agent|allow|disallow|crawl-delay|sitemap) ?:? ?[*/$a-z0-9%]{0,9}", fullmatch=True
    ),
)


@given(st.lists(LINE).map("\n".join), st.from_regex(r"/[!-\[\]-~]{0,20}", fullmatch=True))
def test_no_text_breaks_it(text: str, path: str) -> None:
    """And what is allowed by an empty one is forbidden by no rule but one that is there."""
    assert allows(text, path) or "disal" in text.lower()
    assert Rules(text).delay >= 0.0
