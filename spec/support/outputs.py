"""Outputs to look at: real months of Mumbai, and the sample site with hostile zone names."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from data.sample import make
from pileus.edges.store import Store
from pileus.outputs.read import read_stats
from pileus.periods import Period
from pileus.wiring import Edges
from spec.support import stage

HOSTILE = {
    "<img src=x onerror=alert(1)>": (58, 42, 62, 46),
    "../../x": (10, 10, 14, 14),
    "x" * 300: (8, 10, 12, 14),
    "🌙 Zoë, 東京": (-70, -30, -60.5, -20),
    "=cmd|'/c calc'!A1": (-50, 20, -45, 25),
}
"""Zone ids and their boxes: west, south, east, north. The first is the city over the seam, the second the haze."""


@dataclass
class Made:
    """Outputs in a folder that stands for the buckets."""

    folder: Path
    edges: Edges

    @property
    def store(self) -> Store:
        return self.edges.store

    @property
    def bucket(self) -> Path:
        return self.folder / "buckets/protected"

    def table(self) -> pa.Table:
        return read_stats(self.store, "protected", "lights")


@pytest.fixture(scope="session")
def mumbai(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three real years of Mumbai's two districts, with clips and pictures."""
    folder = tmp_path_factory.mktemp("mumbai")
    made = stage.mumbai(folder, clips=True, pictures=True)
    if made is None:
        pytest.skip("the shared data is not here: set PILEUS_SHARED to it")
    return Made(folder, made[0])


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The sample site's three months, its zones under names that try something."""
    folder = tmp_path_factory.mktemp("hostile")
    make.make(folder / "site")
    features = []
    for name, (west, south, east, north) in HOSTILE.items():
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "id": name, "properties": {"name": name}, "geometry": geometry})
    zones = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    edges = stage.wire_folder(folder / "buckets", {})
    periods: list[Period] = [stage.month(text) for text in ("2015-01", "2015-02", "2015-03")]
    stage.run(edges, stage.collection(clips=True, pictures=True), folder / "site/viirs", zones, periods)
    return Made(folder, edges)
