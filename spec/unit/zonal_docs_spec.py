"""docs/zonal.md is true: its commands and its Python are run."""

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely

from spec.support.zonal_reference import write

PAGE = Path(__file__).parents[2] / "docs" / "zonal.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the page says it uses."""
    nine = np.arange(1, 10, dtype="f4").reshape(3, 3)
    write(tmp_path / "nine.tif", nine)
    write(tmp_path / "seen.tif", (nine > 3).astype("u1"))
    halves = {"left": shapely.box(0, 0, 1.5, 3), "right": shapely.box(1.5, 0, 3, 3)}
    features = [{"type": "Feature", "properties": {"site": name}, "geometry": shapely.geometry.mapping(half)}
                for name, half in halves.items()]  # fmt: skip
    (tmp_path / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_print_what_the_page_shows(folder: Path) -> None:
    blocks = re.findall(r"```console\n\$ pileus (.*)\n((?:.*\n)*?)```", PAGE.read_text())
    assert len(blocks) == 2
    for command, shown in blocks:
        code = "from pileus.cli.main import main; main()"
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        line = [sys.executable, "-c", code, *command.split()]
        done = subprocess.run(line, capture_output=True, text=True, check=True, env=environment)
        assert [line.rstrip() for line in done.stdout.splitlines()] == shown.splitlines()


@pytest.mark.usefixtures("folder")
def test_the_python_gives_what_the_page_shows() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried > 5
    assert failed == 0
