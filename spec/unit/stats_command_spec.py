"""pileus stats: rasters and zones in, rows out, with no stack."""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import shapely

from spec.support.forked import run_forked
from spec.support.zonal_reference import write

NINE = np.arange(1, 10, dtype="f4").reshape(3, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """m.light.tif, m.seen.tif, m.tgz with both, z.geojson with the left half and the right half."""
    light, seen = write(tmp_path / "m.light.tif", NINE), write(tmp_path / "m.seen.tif", (NINE > 3).astype("u1"))
    with tarfile.open(tmp_path / "m.tgz", "w:gz") as tar:
        for path in (light, seen):
            info = tarfile.TarInfo(path.name)
            info.size = path.stat().st_size
            tar.addfile(info, io.BytesIO(path.read_bytes()))
    halves = {"left": shapely.box(0, 0, 1.5, 3), "right": shapely.box(1.5, 0, 3, 3)}
    features = [{"type": "Feature", "properties": {"site": name}, "geometry": shapely.geometry.mapping(half)}
                for name, half in halves.items()]  # fmt: skip
    (tmp_path / "z.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return tmp_path


def pileus(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return run_forked(["stats", *args, "--cache", str(folder / "cache")], folder, os.environ, seconds=120)


def rows(folder: Path, *args: str) -> list[dict[str, Any]]:
    done = pileus(folder, *args, "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_a_table_for_people(folder: Path) -> None:
    done = pileus(folder, "m.light.tif", "-z", "z.geojson", "--by", "site", "-s", "count,sum")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["zone", "zone_name", "band", "count", "sum"],
        ["left", "left", "light", "4.5", "19.5"],
        ["right", "right", "light", "4.5", "25.5"],
    ]


@pytest.mark.parametrize(
    "source", [["m.light.tif", "m.seen.tif", "-m", "seen"], ["m.light.tif", "-m", "m.seen.tif"],
               ["m.tgz", "-b", "light", "-m", "seen"]],
)  # fmt: skip
def test_a_mask_is_a_band_or_a_file(folder: Path, source: list[str]) -> None:
    left, _ = rows(folder, *source, "-z", "z.geojson", "--by", "site", "-s", "sum,valid_share")
    assert left["sum"] == 19.5 - 1 - 1  # the upper row, 1 and half of 2, was not seen
    assert left["valid_share"] == pytest.approx(2 / 3)


def test_files_are_written_whole_as_csv_or_parquet(folder: Path) -> None:
    args = ("m.light.tif", "-z", "z.geojson", "--by", "site", "-s", "count")
    assert pileus(folder, *args, "-o", "out.csv").returncode == 0
    lines = (folder / "out.csv").read_text().splitlines()
    assert lines == ['"zone","zone_name","band","count"', '"left","left","light",4.5', '"right","right","light",4.5']
    assert pileus(folder, *args, "-o", "out.parquet").returncode == 0
    assert pyarrow.parquet.read_table(folder / "out.parquet")["count"].to_pylist() == [4.5, 4.5]


def test_each_raster_by_itself(folder: Path) -> None:
    (folder / "n.light.tif").write_bytes((folder / "m.light.tif").read_bytes())
    args = ("m.light.tif", "n.light.tif", "-z", "z.geojson", "--by", "site", "-s", "count")
    assert [row["raster"] for row in rows(folder, *args, "--each")] == ["m.light.tif"] * 2 + ["n.light.tif"] * 2
    assert "measure them separately" in pileus(folder, *args).stderr


BAD = {
    "no such raster": (["gone.tif"], 2, "pileus: gone.tif: no such file"),
    "no such zones": (["m.light.tif", "-z", "gone.json"], 2, "pileus: gone.json: cannot be read"),
    "no such statistic": (["m.light.tif", "-s", "mode"], 2, "pileus: stats: unknown statistic 'mode'"),
    "no such rule": (["m.light.tif", "--coverage", "half"], 2, "pileus: coverage: "),
    "no band said": (["m.tgz"], 2, "pileus: m.tgz: say with --band which band to measure"),
    "no such band": (["m.tgz", "-b", "dark"], 1, "pileus: m.tgz: lacks dark: its members are m.light.tif, m.seen.tif"),
    "no such column": (["m.light.tif", "--by", "fips"], 2, "has no column 'fips': its columns are site"),
    "odd ending": (["m.light.tif", "-o", "out.xlsx"], 2, "pileus: out.xlsx: expected a name that ends in .csv"),
    "no folder": (["m.light.tif", "-o", "no/out.csv"], 2, "its folder does not exist"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_done_is_one_line_and_an_exit_code(folder: Path, name: str) -> None:
    args, code, message = BAD[name]
    args = args if "-z" in args else [*args, "-z", "z.geojson"]
    args = args if "--by" in args else [*args, "--by", "site"]
    done = pileus(folder, *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_cut_archive_leaves_no_file(folder: Path) -> None:
    (folder / "m.tgz").write_bytes((folder / "m.tgz").read_bytes()[:-9])
    done = pileus(folder, "m.tgz", "-b", "light", "-z", "z.geojson", "--by", "site", "-o", "out.csv")
    assert done.returncode == 1
    assert done.stderr == "pileus: m.tgz: is cut: its compressed stream ends early\n"
    assert not list(folder.glob("*out.csv*"))


DATED = "chirps-v2.0.2015.01.tif"


@pytest.mark.parametrize(("band", "named"), [([], "1"), (["-b", "1"], "1"), (["-b", "rain"], "rain")])
def test_a_date_in_a_files_name_is_no_band(folder: Path, band: list[str], named: str) -> None:
    write(folder / DATED, NINE)
    found = rows(folder, DATED, *band, "-z", "z.geojson", "--by", "site", "-s", "sum")
    assert [(row["band"], row["sum"]) for row in found] == [(named, 19.5), (named, 25.5)]


def test_a_band_is_taken_by_its_number_also_in_a_file_with_a_dotted_name(folder: Path) -> None:
    assert rows(folder, "m.light.tif", "-b", "1", "-z", "z.geojson", "--by", "site", "-s", "sum")[0]["sum"] == 19.5
    done = pileus(folder, "m.light.tif", "-b", "dark", "-z", "z.geojson", "--by", "site")
    assert (done.returncode, done.stdout) == (1, "")
    write(folder / DATED, NINE)
    done = pileus(folder, DATED, "-b", "2", "-z", "z.geojson", "--by", "site")
    assert done.stderr == f"pileus: {DATED}: has no band '2': its bands are 1\n"


def test_an_archive_may_hold_a_raster_with_a_date_in_its_name(folder: Path) -> None:
    with tarfile.open(folder / "dated.tgz", "w:gz") as tar:
        tar.add(write(folder / DATED, NINE), DATED)
    assert rows(folder, "dated.tgz", "-b", "rain", "-z", "z.geojson", "--by", "site", "-s", "sum")[0]["sum"] == 19.5
