"""Who may import whom: downwards only, and no circle. The picture is in docs/how-it-works.rst."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "downloader"

# room -> the rooms it may import
ALLOWED = {
    "": {
        *("client", "identity", "certificates", "checksums", "replay"),
        *("sansio", "errors", "jobs", "_version"),
    },
    "__main__": {"cli"},
    "cluster": {"listrun", "store", "sansio", "jobs", "errors", "_version"},
    "cli": {
        "cluster",
        *("check", "listrun", "client", "store", "testing", "identity", "certificates"),
        *("checksums", "descriptors", "drain", "events"),
        *("sansio", "jobs", "errors", "_version"),
    },
    "blocking": {"client", "sansio", "jobs", "errors"},
    "service": {
        *("queue", "client", "store", "events", "listrun", "descriptors"),
        *("sansio", "jobs", "errors", "_version"),
    },
    "queue": {"client", "store", "sansio", "jobs", "errors"},
    "listrun": {"client", "store", "sansio", "jobs", "errors"},
    "store": {"sansio", "jobs", "errors"},
    "events": {"sansio", "jobs", "errors"},
    "check": {"listrun", "transfer", "store", "checksums", "threads", "sansio", "errors"},
    "parts": {"http1", "transfer", "identity", "deadlines", "sansio", "jobs", "_version"},
    "client": {
        *("parts", "http1", "transfer", "identity", "certificates", "deadlines"),
        *("sansio", "jobs", "errors", "_version"),
    },
    "testing": {"sansio", "jobs", "errors"},
    "transfer": {
        *("identity", "deadlines", "drain", "fixedheaders", "replay", "threads"),
        *("sansio", "jobs", "errors"),
    },
    "http1": {
        *("certificates", "deadlines", "drain", "fixedheaders", "replay", "threads"),
        *("sansio", "errors"),
    },
    "identity": {"sansio"},
    "certificates": set(),
    "checksums": {"sansio"},
    "drain": {"deadlines"},
    "deadlines": set(),
    "descriptors": set(),
    "fixedheaders": set(),
    "replay": set(),
    "threads": set(),
    "sansio": {"jobs", "errors"},
    "jobs": {"errors"},
    "errors": set(),
    "_version": set(),
}

# what a room may never import, at any depth of its own source
FORBIDDEN = {
    "sansio": {"twisted", "socket", "time", "random", "os", "pathlib", "threading", "sqlite3"},
    "jobs": {"twisted"},
    "errors": {"twisted"},
}


def room_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imports(path: Path) -> set[str]:
    """The dotted names a file imports, those inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_lead_downwards(path: Path) -> None:
    """A room imports only the rooms below it that ALLOWED names."""
    room = room_of(path)
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("downloader.")}
    assert ours - {room} <= ALLOWED[room]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pure_rooms_stay_pure(path: Path) -> None:
    """Decisions are made without a reactor, a clock, a file or chance."""
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & FORBIDDEN.get(room_of(path), set())


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_imports_the_reactor_at_import(path: Path) -> None:
    """`twisted.internet.reactor` is named inside functions of the doors only."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body:
        names = {a.name for a in node.names} if isinstance(node, ast.ImportFrom) else set()
        assert not ("reactor" in names and getattr(node, "module", "") == "twisted.internet")
    uses = "twisted.internet.reactor" in imports(path)
    assert not uses or room_of(path) in {"cli", "service"}


def test_modules_make_no_circle() -> None:
    """Within a room too, modules can be put in an order in which each imports only earlier ones."""
    modules = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p
        for p in SOURCES
    }
    edges = {
        name: {
            target
            for dotted in imports(path)
            for target in (dotted, dotted.rpartition(".")[0])
            if target in modules and target != name
        }
        for name, path in modules.items()
    }
    done: set[str] = set()
    while edges:
        free = {name for name, needs in edges.items() if needs <= done}
        assert free, f"a circle among {sorted(edges)}"
        done |= free
        edges = {name: needs for name, needs in edges.items() if name not in free}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_short(path: Path) -> None:
    """A file can be read in one sitting: under 400 lines."""
    assert len(path.read_text("utf-8").splitlines()) < 400
