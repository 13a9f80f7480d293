"""The rules of the house: what may import what, and how large a room may be."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "pileus"
HOPS = ["expand", "discover", "group", "download", "unpack", "raster"]
PURE = [ROOT / f"{name}.py" for name in (*HOPS, "life", "plan", "fingerprint", "periods", "models")]
PURE += [path for folder in ("zonal", "documents") for path in sorted((ROOT / folder).glob("*.py"))]
FORBIDDEN = {"boto3", "botocore", "requests", "paramiko", "ftplib"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_hop_imports_no_edge_and_no_client(path: Path) -> None:
    found = imports(path)
    assert not {module.partition(".")[0] for module in found} & FORBIDDEN
    assert not [module for module in found if module.startswith(("pileus.edges", "pileus.cli", "pileus.embedded"))]


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_hop_reads_neither_the_environment_nor_the_current_folder_nor_the_date(path: Path) -> None:
    names = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not names & {"os.environ", "os.getenv", "os.getcwd", "Path.cwd", "date.today", "datetime.now", "time.time"}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_but_the_command_line_imports_the_command_line(path: Path) -> None:
    if path.is_relative_to(ROOT / "cli") or path.name == "__main__.py":
        return
    assert not [module for module in imports(path) if module.startswith("pileus.cli")]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_is_not_too_large_to_live_in(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 360
    assert path.stem not in ("utils", "helpers", "manager", "common", "misc")
