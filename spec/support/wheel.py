"""The product as a user has it: the wheel, built of this clone, in an environment that does not see the clone.

Dependencies are those of the environment that runs the specs, so nothing is downloaded for them; what builds the wheel
comes from the package registry.
"""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from spec.support.stack import ROOT, Project

SAMPLE = "viirs_sample"
LOOK = '{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}'


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", str(ROOT))
    (made,) = folder.glob("pileus-*.whl")
    return made


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, where no .pth file leads to the clone."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    python = folder / "bin/python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    )
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")  # its own .pth files are not read
    bring_kernels(site)
    return python


def bring_kernels(site: Path) -> None:
    """Copy the kernels that this clone has compiled of the same sources: numba knows a source by size and time."""
    for room in ("raster", "zonal"):
        mine, theirs = ROOT / "pileus" / room, site / "pileus" / room
        (theirs / "__pycache__").mkdir(exist_ok=True)
        for kernel in (mine / "__pycache__").glob("*.nb?"):
            shutil.copy2(kernel, theirs / "__pycache__")
        for source in mine.glob("*.py"):
            shutil.copystat(source, theirs / source.name)


@pytest.fixture(scope="module")
def begun(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """What a newcomer has after ten minutes: an empty folder, `pileus init`, a workflow of one's own, a backfill."""
    project = Project(tmp_path_factory.mktemp("newcomer"), python=str(installed))
    try:
        project.pileus("init")
        (project.path / "workflows").mkdir()
        (project.path / "workflows/OnlyLook.asl.json").write_text(LOOK)
        project.up(workers=1)
        project.pileus("populate")
        project.pileus("backfill", SAMPLE, "--name", "first", "--wait")
        yield project
    finally:
        project.pileus("down", code=None)


def run(*command: str) -> str:
    """Run a command; its output. Fails with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
