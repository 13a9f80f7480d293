"""The rules of the house: what may reach what, and how large a room may be.

Imports are held by the contracts in pyproject.toml, over everything that an import leads to.
"""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
READS = {"os.environ", "os.getenv", "os.getcwd", "Path.cwd", "date.today", "datetime.now", "time.time"}


def pure(root: Path) -> list[Path]:
    """Every file of the modules that the first contract names."""
    found: list[Path] = []
    for module in CONTRACTS[0]["source_modules"]:
        path = root / module.replace(".", "/")
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return found


def kept(root: Path) -> tuple[bool, str]:
    """Whether the import contracts hold for a copy of the house, and what was said."""
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
    ]
    environ = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environ, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def reads_around(path: Path) -> set[str]:
    """What a file reads of environment, folder and clock."""
    names = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return names & READS


def test_every_import_keeps_to_the_contracts() -> None:
    fine, said = kept(ROOT)
    assert fine, said
    assert said.count("KEPT") == len(CONTRACTS) >= 4


@pytest.mark.parametrize("path", pure(ROOT), ids=lambda path: str(path.relative_to(ROOT / "pileus")))
def test_a_hop_reads_neither_the_environment_nor_the_current_folder_nor_the_clock(path: Path) -> None:
    assert not reads_around(path)


def test_a_forbidden_import_in_a_hop_is_found(tmp_path: Path) -> None:
    """Three, each in a hop of its own: of a client, of an edge, of what nothing may import."""
    shutil.copytree(ROOT / "pileus", tmp_path / "pileus", ignore=shutil.ignore_patterns("__pycache__", "static"))
    lines = {
        "download.transfer -> boto3": "import boto3",
        "unpack.members -> pileus.edges.store": "from pileus.edges import store",
        "raster.layers -> pickle": "import pickle",
    }
    for arrow, line in lines.items():
        hop = tmp_path / f"pileus/{arrow.partition(' ')[0].replace('.', '/')}.py"
        hop.write_text(hop.read_text().replace("\nfrom ", f"\n{line}\nfrom ", 1))
    fine, said = kept(tmp_path)
    assert not fine, said
    assert "BROKEN" in said
    assert not [arrow for arrow in lines if f"pileus.{arrow}" not in said], said


def test_an_environment_variable_in_a_hop_is_found(tmp_path: Path) -> None:
    hop = tmp_path / "hop.py"
    hop.write_text((ROOT / "pileus/download/transfer.py").read_text() + "\nimport os\nHOME = os.environ['HOME']\n")
    assert reads_around(hop) == {"os.environ"}


@pytest.mark.parametrize("path", sorted((ROOT / "pileus").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_is_not_too_large_to_live_in(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 360
    assert path.stem not in ("utils", "helpers", "manager", "common", "misc")
