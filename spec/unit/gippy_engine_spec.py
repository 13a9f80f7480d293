"""`meta.process.engine: gippy` where gippy is not: what is refused, and what is made of its answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from typer.testing import CliRunner

from pileus.cell import gippy as cell_gippy
from pileus.cell.gippy import _by_tile, _numbers, _run, _table
from pileus.cli.main import app
from pileus.cli.up import count_workers
from pileus.deploy.doctor import gippy
from pileus.documents import Collection, Meta, Process
from pileus.documents.engine import IMAGE
from pileus.errors import HandedBack, RasterError, UsageError
from pileus.lifecycle.fingerprint import fingerprint
from pileus.outputs.draw import measure_and_draw
from pileus.outputs.gippy_rasters import paths_of
from pileus.stopping import go_on
from pileus.tasks.process_group import process_group
from pileus.tasks.worker_state import WorkerState
from pileus.zonal import Source, Zones, make_zones
from spec.support.stack import Project
from spec.support.tiny import archive, collection, folder_edges, group_event
from spec.support.zonal_reference import tgz, write

SIX = ("count", "mean", "min", "max", "stddev", "skew")


def rules(**other: Any) -> Process:
    return Process.model_validate({"engine": "gippy", "band": "b", "zones": "z", **other})


def test_gippy_counts_in_its_own_way_unasked() -> None:
    process = rules()
    assert (process.coverage, process.zero_is_nodata, process.stats) == ("gippy", True, SIX)
    assert rules(**process.model_dump(exclude_defaults=True)) == process


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"coverage": "exact"}, "coverage: engine gippy counts in its own way: leave it out"),
        ({"zero_is_nodata": False}, "zero_is_nodata: engine gippy counts in its own way"),
        ({"valid": {"band": "m"}}, "valid: engine gippy does not know it: leave it out, or take engine pileus"),
        ({"range": [0, 1]}, "range: engine gippy does not know it"),
        ({"nodata": -1}, "nodata: engine gippy does not know it"),
        ({"overlap": "last"}, "overlap: engine gippy does not know it"),
        ({"area_weighted": True}, "area_weighted: engine gippy does not know it"),
        ({"stats": ["mean", "p95"]}, "stats: engine gippy has no p95: expected count, mean, min, max, stddev, skew"),
        ({"engine": "gippi"}, "engine"),
    ],
)
def test_what_gippy_cannot_do_is_refused(other: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rules(**other)


def test_results_of_another_engine_are_stale() -> None:
    like = Process(band="b", zones="z", coverage="gippy", zero_is_nodata=True, stats=SIX)
    one, other = (fingerprint([], Meta(process=process)) for process in (rules(), like))
    assert one.difference(other) == "parameters changed"


def test_a_worker_without_gippy_fails_the_group_before_it_downloads(tmp_path: Path) -> None:
    edges, path = folder_edges(tmp_path), tmp_path / "tiny_201501.tgz"
    path.write_bytes(archive())
    process = {"engine": "gippy", "band": "light", "zones": "s3://internal/zones/tiny.geojson"}
    event, worker = group_event(path, "201501", {"process": process}), WorkerState(tmp_path / "scratch")
    path.unlink()
    try:
        with pytest.raises(UsageError, match=f"which this worker does not have: run workers of the image {IMAGE}, by"):
            process_group(edges, event, worker)
    finally:
        worker.close()


def test_populate_names_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path)
    process = {"engine": "gippy", "band": "light", "zones": "data/zones/tiny.geojson"}
    collection(project, "old", "201501", "201501", meta={"group": {"by": ["month"]}, "process": process})
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["populate", "--check"])
    assert f"old is measured by gippy: run workers of the image {IMAGE}" in done.stderr


def test_doctor_says_whether_the_image_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    file = {"regex": "x"}
    usual, old = (
        Collection.model_validate({"name": name, "files": [file], "meta": {"process": process.model_dump()}})
        for name, process in (("usual", Process(band="b", zones="z")), ("old", rules()))
    )
    monkeypatch.setenv("PATH", "/nowhere")
    assert gippy([usual]) == []
    (check,) = gippy([usual, old])
    assert (check.ok, check.found) == (False, f"{IMAGE} is not built; wanted by old")


def test_workers_with_gippy_are_asked_for_by_name() -> None:
    assert count_workers("gippy:3") == (0, 3, "pileus-gippy")
    with pytest.raises(UsageError, match="expected 0 to 64, docker:N, or gippy:N"):
        count_workers("grippy:3")


def two() -> tuple[list[Source], Zones]:
    sources = [Source(f"{tile}.tif", tile, path=Path(f"{tile}.tif")) for tile in ("b", "a")]
    return sources, make_zones(["x", "y"], ["X", "Y"], [shapely.box(0, 0, 1, 1), shapely.box(1, 1, 2, 2)], "EPSG:4326")


def line(source: int, zone: int, values: Any) -> bytes:
    """What gippy answers for these pixels, without its float32."""
    off = values - values.mean()
    skew = (off**3).mean() / values.std() ** 3 if values.std() else float("nan")
    numbers = (values.min(), values.max(), values.mean(), values.std(), skew, values.size)
    return str([source, 0, zone, *map(float, numbers)]).replace("nan", "NaN").encode()


def test_tiles_are_joined_by_their_moments() -> None:
    sources, zones = two()
    random = np.random.default_rng(1)
    parts = [random.exponential(3, 40), random.normal(9, 2, 7), np.full(3, 5.0)]
    lines = [line(0, 0, parts[0]), line(1, 0, parts[1]), line(0, 1, parts[2])]
    found = _numbers(iter(lines), sources, rules(), zones)
    first, second = _table(found, rules(), zones).to_pylist()
    both = np.concatenate(parts[:2])
    skew = ((both - both.mean()) ** 3).mean() / both.std() ** 3
    expected = {"count": 47, "mean": both.mean(), "min": both.min(), "max": both.max(), "stddev": both.std()}
    assert {name: first[name] for name in SIX} == pytest.approx(expected | {"skew": skew}, rel=1e-12)
    assert (second["count"], second["mean"], second["stddev"], second["skew"]) == (3, 5, 0, None)
    rows = _by_tile(found, sources, rules(), zones).to_pylist()
    assert [(row["tile"], row["zone"], row["count"]) for row in rows] == [("a", "x", 7), ("b", "x", 40), ("b", "y", 3)]
    assert np.isnan(rows[2]["skew"])  # as gippy wrote it


@pytest.mark.parametrize(
    "answer",
    [b"no json", b"[0, 0]", b'[0, 0, 0, 1, 1, 1, 1, 1, "x"]', b"[2, 0, 0, 1, 1, 1, 1, 1, 1]", b"[0, 0, 0, 1, 1, 1]",
     b"[0.0, 0, 0, 1, 1, 1, 1, 1, 1]", b"[0, 0, 0, " + b"1" * 400],
)  # fmt: skip
def test_an_answer_that_was_not_asked_for_fails_the_group(answer: bytes) -> None:
    sources, zones = two()
    with pytest.raises(RasterError, match="gippy answered with"):
        _numbers(iter([answer]), sources, rules(), zones)


def given(source: int, band: int, folder: Path) -> Any:
    """The raster that gippy is given of a source's band: its values, and what else there is."""
    with rasterio.open(paths_of(folder, source, band)[0]) as made:
        return made.read(1), (made.transform, made.crs, made.dtypes)


def test_gippy_is_given_the_same_numbers_on_the_same_grid(tmp_path: Path) -> None:
    values = np.arange(1, 201, dtype="int16").reshape(10, 20)
    path = write(tmp_path / "b.tif", values, west=5, north=50, size=0.1, nodata=7)
    zones = make_zones(["a"], ["a"], [shapely.box(5.31, 49.41, 5.69, 49.79)], "EPSG:4326")
    measure_and_draw([Source("b.tif", path=path)], rules(), zones, scratch=tmp_path, check=go_on, task=None)
    with rasterio.open(path) as file:
        as_it_was = file.transform, file.crs, file.dtypes
    seen, place = given(0, 0, tmp_path)
    assert place == as_it_was
    assert (seen[2:6, 3:7] == values[2:6, 3:7]).all()


def test_gippy_is_given_each_band_of_each_source_as_values(tmp_path: Path) -> None:
    zones = make_zones(["a"], ["a"], [shapely.box(0, 0, 8, 8)], "EPSG:4326")
    sources = []
    for tile, west in (("w", 0), ("e", 4)):
        members = {}
        for band, value in (("b", 2), ("c", 3)):
            path = write(tmp_path / "x.tif", np.full((4, 4), value + west, "u1"), west=west)
            with rasterio.open(path, "r+") as file:
                file.scales, file.offsets = (0.5,), (10,)
            members[f"x.{band}.tif"] = path.read_bytes()
        (tmp_path / f"{tile}.tgz").write_bytes(tgz(members))
        sources.append(Source(f"{tile}.tgz", tile, path=tmp_path / f"{tile}.tgz"))
    process = rules(band=("b", "c"))
    measure_and_draw(sources, process, zones, scratch=tmp_path, check=go_on, task=None)
    found = {(source, band): given(source, band, tmp_path)[0] for source in (0, 1) for band in (0, 1)}
    assert {key: np.unique(values).tolist() for key, values in found.items()} == {
        (0, 0): [11], (0, 1): [11.5], (1, 0): [13], (1, 1): [13.5],
    }  # fmt: skip


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """Put another program where the image has gippy's Python."""
    (folder / "bin").mkdir()
    (folder / "bin/python").write_text(f"#!/bin/sh\n{command}\n")
    (folder / "bin/python").chmod(0o755)
    monkeypatch.setattr(cell_gippy, "HOME", folder)


def test_a_crash_of_gippy_fails_the_group_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "echo no such pixel >&2; kill -SEGV $$")
    with pytest.raises(RasterError, match=r"cannot be measured: gippy crashed \(SIGSEGV\): no such pixel"):
        list(_run({"scratch": str(tmp_path)}, tmp_path, go_on))


def test_gippy_ends_when_its_group_is_handed_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/number; exec sleep 60")

    def check() -> None:
        if (tmp_path / "number").exists() and (tmp_path / "number").read_text().strip():
            raise HandedBack("stop")

    with pytest.raises(HandedBack):
        list(_run({"scratch": str(tmp_path)}, tmp_path, check))
    assert not Path(f"/proc/{(tmp_path / 'number').read_text().strip()}").exists()


def test_gippy_has_no_secret_of_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    program(tmp_path, monkeypatch, "env")
    told = b"".join(_run({"scratch": str(tmp_path)}, tmp_path, go_on)).decode()
    assert "PATH=" in told
    assert "geheim" not in told
