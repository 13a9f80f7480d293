"""A file that does not hold what is wanted of it fails its group while the other files are still on their way."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from pileus.cell.inside import Here
from pileus.documents import Meta
from pileus.download.fetch import granule_of
from pileus.edges.providers.memory import MemoryEdge, MemoryResponse
from pileus.errors import ArchiveError, PileusError, RasterError
from pileus.models import Group
from pileus.periods import parse_period
from pileus.tasks.pipeline import Processed, process
from spec.support.netcdf import series
from spec.support.zonal_reference import tgz, write, zones_of

ZONES = zones_of(shapely.box(0, 0, 2, 1))


class Held(MemoryEdge):
    """A provider whose file `late` does not come before it is let go."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.go = threading.Event()

    def open(self, url: str, offset: int = 0, validator: str | None = None, *, pulse: Any = None) -> MemoryResponse:
        ends = time.monotonic() + 20
        while "late" in url and not self.go.wait(0.01):
            assert time.monotonic() < ends, "the late file was waited for"
            pulse()
        return super().open(url, offset, validator, pulse=pulse)


def run(edge: Held, scratch: Path, meta: dict[str, Any], **how: Any) -> Processed:
    granules = tuple(granule_of(f"memory:{name}") for name in edge.files)
    document = Meta.model_validate(meta | {"process": {"zones": "z", "stats": ["count", "sum"]} | meta["process"]})
    return process(
        Group("all", granules),
        document,
        ZONES,
        period=parse_period("2015-01"),
        edge=edge,
        task=None,
        inside=Here(),
        cache=None,
        scratch=scratch,
        parallel=2,
        **how,
    )


def tif(folder: Path, name: str) -> bytes:
    return write(folder / name, np.ones((1, 2), "f4"), count=1).read_bytes()


def netcdf(folder: Path) -> bytes:
    return series(folder / "x.nc", range(4)).read_bytes()


CASES: dict[str, tuple[str, Any, dict[str, Any], type[PileusError], str]] = {
    "an archive that lacks the band": (
        "a.tgz",
        lambda folder: tgz({"a.light.tif": tif(folder, "a.tif")}),
        {"process": {"band": "dark"}},
        ArchiveError,
        "a.tgz: lacks dark: its members are a.light.tif",
    ),
    "an archive that lacks the mask": (
        "a.tgz",
        lambda folder: tgz({"a.light.tif": tif(folder, "a.tif")}),
        {"process": {"band": "light", "valid": {"band": "seen"}}},
        ArchiveError,
        "a.tgz: lacks seen",
    ),
    "a variable that there is not": (
        "a.nc",
        netcdf,
        {"process": {"band": "wind"}, "grid": {"crs": "EPSG:4326", "bounds": [0, 0, 2, 1]}},
        RasterError,
        "a.nc: has no band 'wind': its bands are rain",
    ),
    "several times, and no word of what is made of them": (
        "a.nc",
        netcdf,
        {"process": {"band": "rain"}, "grid": {"crs": "EPSG:4326", "bounds": [0, 0, 2, 1]}},
        RasterError,
        "a.nc: has 4 times: say with meta.bands.rain.time",
    ),
    "a place that the collection contradicts": (
        "a.light.tif",
        lambda folder: tif(folder, "a.tif"),
        {"process": {"band": "light"}, "grid": {"bounds": [5, 0, 7, 1]}},
        RasterError,
        "a.light.tif: says that it lies at 0, 0, 2, 1, and meta.grid at 5, 0, 7, 1",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_fails_before_the_second_file_is_here(tmp_path: Path, case: str) -> None:
    name, made, meta, kind, told = CASES[case]
    edge = Held({name: made(tmp_path), "late.light.tif": b""})
    with pytest.raises(kind, match=told.replace("[", r"\[")):
        run(edge, tmp_path, meta)
    assert [url for url, _ in edge.opened] == [f"memory:{name}"]


def test_what_was_looked_at_is_not_looked_at_again(tmp_path: Path) -> None:
    """A collection of which a file was opened before is measured as it comes."""
    edge = Held({"a.dark.tif": tif(tmp_path, "a.tif"), "late.light.tif": tif(tmp_path, "b.tif")})
    edge.go.set()
    found = run(edge, tmp_path, {"process": {"band": "light"}}, looked=True)
    assert found.measured is not None
    assert found.measured.table["sum"].to_pylist() == [2]


def test_a_file_of_another_band_of_the_group_is_no_error(tmp_path: Path) -> None:
    edge = Held({"a.seen.tif": tif(tmp_path, "a.tif"), "late.light.tif": tif(tmp_path, "b.tif")})
    edge.go.set()
    found = run(edge, tmp_path, {"process": {"band": "light", "valid": {"band": "seen"}}})
    assert found.measured is not None
    assert found.measured.table["sum"].to_pylist() == [2]
