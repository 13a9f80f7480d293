"""The shared test data beside the project: real VIIRS clips, whose licences keep them out of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("PILEUS_SHARED", ROOT.parent / "shared"))
PROVIDER_PATH = "/instruments/remote-sensing/passive/spectrometers-radiometers/imaging/viirs/dnb_composites/v10"


def shared(name: str) -> Path:
    """A file of the shared data; skips the spec, saying so, where there is none."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the real data is not here ({name}); the sample site covers the same assertions")
    return path


def lay_out(site: Path, months: list[str]) -> None:
    """Make the real site's six tiles for some months (YYYYMM) under `site`."""
    tool = shared("tools/make_provider.py")
    subprocess.run(
        [sys.executable, str(tool), "--out", str(site), "--months", *months], check=True, capture_output=True
    )
