"""What is installed: every module of ours, the plugin, and nothing of Twisted's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files in the wheel, built from a copy so that the checkout stays as it is."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, tree / name)
    for name in ("downloader", "twisted"):
        shutil.copytree(ROOT / name, tree / name)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--quiet", "--no-deps", "-w", "out"]
    subprocess.run(command, cwd=tree, check=True, stdin=subprocess.DEVNULL)
    (wheel,) = (tree / "out").glob("*.whl")
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.time_limit(300)  # pip fetches setuptools for the build
def test_the_wheel_has_every_module(wheel_names: set[str]) -> None:
    """A package that setup.cfg forgets to name would be missing."""
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "downloader").rglob("*.py")}
    assert ours == {n for n in wheel_names if n.startswith("downloader/") and n.endswith(".py")}
    assert {"downloader/py.typed", "downloader/service/openapi.json"} <= wheel_names
    page = {str(path.relative_to(ROOT)) for path in (ROOT / "downloader/service/page").iterdir()}
    assert page and page <= wheel_names


@pytest.mark.time_limit(300)
def test_the_wheel_adds_one_file_to_twisted(wheel_names: set[str]) -> None:
    """An __init__.py under twisted/ would overwrite Twisted's own, and take it when it goes."""
    theirs = {name for name in wheel_names if name.startswith("twisted/")}
    assert theirs == {"twisted/plugins/downloader_plugin.py"}


@pytest.mark.parametrize(
    "module", ["downloader", "downloader.blocking", "downloader.testing", "downloader.cli"]
)
def test_an_import_installs_no_reactor(module: str) -> None:
    """A program may choose its reactor after it has imported us."""
    code = f"import sys, {module}; sys.exit('twisted.internet.reactor' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL)
    assert child.returncode == 0
