"""README.rst and docs: they can be read as what they are, and name what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import docutils.core
import pytest

ROOT = Path(__file__).parent.parent
TEXTS = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]
# Warnings are errors; a program's text needs no colours.
STRICT = {"halt_level": 2, "report_level": 2, "syntax_highlight": "none", "input_encoding": "utf-8"}
_LINK = re.compile(r"<([^<>:]+)>`_|^\.\. image:: (\S+)", re.MULTILINE)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_each_is_valid(path: Path) -> None:
    """No warning; what it points to beside it is there."""
    text = path.read_text("utf-8")
    docutils.core.publish_doctree(text, str(path), settings_overrides=STRICT)
    for link, image in _LINK.findall(text):
        assert (path.parent / (link or image)).exists()


def test_docutils_says_what_is_wrong() -> None:
    with pytest.raises(docutils.utils.SystemMessage):
        docutils.core.publish_doctree("A\n=====\n\n``b", settings_overrides=STRICT)


def paths_in_table() -> set[str]:
    """The paths in the first column of the service's table."""
    text = (ROOT / "docs" / "how-it-works.rst").read_text("utf-8")
    _, _, service = text.partition("\nThe service\n---")
    section, _, _ = service.partition("\nThe page\n---")
    lines = re.findall(r"^``(/[^`]*)`` ", section, re.MULTILINE)
    return {re.sub(r"[A-Z]+", lambda part: "{" + part[0].lower() + "}", one) for one in lines}


async def test_each_path_is_in_the_table(served: Any) -> None:
    """The page's files are one line of it."""
    s = await served()
    there = {re.sub("^/page/.*", "/page/{name}", route.path) for route in s.service.door.routes.all}
    assert paths_in_table() == there
