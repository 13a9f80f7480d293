"""gippy in its container, and what the comparison says of it."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ecs_tasks.gippy import compare, patch_source, task

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("PILEUS_SHARED") or ROOT.parent / "shared")
IMAGE = os.environ.get("PILEUS_GIPPY_IMAGE", "pileus-gippy:0.1.0")
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="no test data: set PILEUS_SHARED")


def image_is_there() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode == 0


def tables() -> dict[str, dict[str, list[str]]]:
    """docs/comparison.md: the cells of each row of each table."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in (ROOT / "docs/comparison.md").read_text().splitlines():
        if line.startswith("## "):
            rows = found[line[3:]] = {}
        elif line.startswith("| ") and found and not line.startswith("| |"):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name] = cells
    return found


def test_the_source_is_patched_where_gdal_3_and_swig_need_it(tmp_path: Path) -> None:
    (tmp_path / "GIP/gip").mkdir(parents=True)
    (tmp_path / "gippy").mkdir()
    header = tmp_path / "GIP/gip/utils.h"
    header.write_text(f"class CutlineTransformer {{ {patch_source.AFTER} }};")
    (tmp_path / "gippy/gippy.i").write_text("%module gippy\n%{\n%}\n%{\n    #include <python2.7/Python.h>\n%}\n")
    (tmp_path / "gippy/gippy_wrap.cpp").write_text("written by an older swig")
    patch_source.patch(tmp_path)
    assert all(method in header.read_text() for method in ("*Clone()", "*GetInverse()", "double *z, double *, int"))
    assert (tmp_path / "gippy/gippy.i").read_text().count("Python.h") == 1
    assert not (tmp_path / "gippy/gippy_wrap.cpp").exists()


def test_another_source_is_not_patched(tmp_path: Path) -> None:
    (tmp_path / "GIP/gip").mkdir(parents=True)
    (tmp_path / "GIP/gip/utils.h").write_text("something else")
    with pytest.raises(SystemExit, match=r"not the gippy 1\.0\.3"):
        patch_source.patch(tmp_path)


def test_the_tile_is_found_in_the_real_archive_names() -> None:
    found = task.TILE.search("SVDNB_npp_20150101-20150131_75N060E_vcmcfg_v10_c201505111709.avg_rade9h.tif")
    assert found is not None
    assert found.group() == "75N060E"


@pytest.mark.parametrize("place", tables())
def test_pileus_with_gippys_rule_equals_gippy(place: str) -> None:
    rows = tables()[place]
    gippy, ours = ([float(cell) for cell in rows[name]] for name in ("gippy 1.0.3", compare.AS_GIPPY))
    assert ours == pytest.approx(gippy, rel=1e-6)


@needs_data
def test_the_comparison_shows_what_pileus_and_its_peers_give_today(tmp_path: Path) -> None:
    shown = tables()
    for clip in compare.clips(SHARED / "data", tmp_path):
        zones = compare.chosen(clip)
        for name, rows in compare.ways(clip, zones, None):
            for zone, row in zip(zones.ids, rows, strict=True):
                assert shown[compare.title(clip, zone)][name] == [compare.shown(row[c]) for c in compare.COLUMNS]


@needs_data
@pytest.mark.skipif(not image_is_there(), reason=f"no Docker engine with the image {IMAGE}: ecs_tasks/gippy/README.md")
def test_the_container_writes_the_ancestors_csv(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    shutil.copy(SHARED / "data/viirs_monthly/mumbai/tif/201501.avg_rade9h.tif", tmp_path / "x_75N060E.tif")
    shutil.copy(SHARED / "data/zones/mumbai_districts.geojson", tmp_path)
    command = ["docker", "run", "--rm", "--network", "none", "-v", f"{tmp_path}:/data", IMAGE, *compare.PROGRAM,
               "/data/x_75N060E.tif", "--zones", "/data/mumbai_districts.geojson", "--month", "201501", "--out",
               "/data"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row = json.loads(done.stdout.splitlines()[0])
    assert (row["zone"], row["tile"], row["file"], row["count"]) == ("519", "75N060E", "519_201501_75N060E.csv", 742)
    header, values = (tmp_path / "519_201501_75N060E.csv").read_text().splitlines()
    assert header == "min,max,mean,stddev,skew,count"
    assert [float(v) for v in values.split(",")][2] == pytest.approx(21.298153)
