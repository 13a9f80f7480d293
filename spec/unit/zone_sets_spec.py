"""Zone sets: rows join to the shapes that they were measured in, by other people's readers."""

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import geopandas
import pandas
import pyarrow.parquet
import pytest
import shapely

from pileus import keys
from pileus.backfills import remove
from pileus.edges.store import FolderStore
from pileus.errors import NotFound
from pileus.outputs import zone_sets
from pileus.outputs.catalog import write_catalog
from pileus.tasks.process_group import process_group
from pileus.tasks.worker_state import WorkerState
from pileus.wiring import Edges
from pileus.zonal.zones import make_zones, read_zones
from spec.support.tiny import ZONE, archive, folder_edges, group_event

WHERE = "s3://internal/zones/tiny.geojson"
URL = "s3://protected/zones/a.parquet"
SQUARES = make_zones(["a", "12"], ["Zoë", "B"], [shapely.box(0, 0, 2, 2), shapely.box(2, 0, 5, 2)], "EPSG:4326")
METRES = make_zones(["grid"], ["G"], [shapely.box(3e5, 2e6, 3.1e5, 2.01e6)], "EPSG:32643")


def measure(edges: Edges, folder: Path, *months: str, run: int = 1) -> None:
    """Process the one archive of each month as a worker of its own."""
    worker = WorkerState(folder / "scratch")
    for month in months:
        path = folder / f"tiny_{month}.tgz"
        path.write_bytes(archive())
        event = group_event(path, month, {"process": {"zones": WHERE, "band": "light"}})
        event["config"] |= {"run": run, "fingerprint": f"{month} {run}"}
        process_group(edges, event, worker)
    worker.close()


def narrow(edges: Edges) -> None:
    """Edit the zones: the square of 4 x 4 degrees becomes one of 2 x 2, under the same id."""
    ring = [[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]
    edges.store.put(WHERE, json.dumps(ZONE | {"geometry": {"type": "Polygon", "coordinates": [ring]}}).encode())


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bucket with January and February; between them somebody edited the zones."""
    folder = tmp_path_factory.mktemp("edited")
    edges = folder_edges(folder)
    measure(edges, folder, "201501")
    narrow(edges)
    measure(edges, folder, "201502")
    write_catalog(edges.store, "protected", "tiny")
    return folder / "buckets/protected"


def test_rows_join_to_the_shapes_that_they_were_measured_in_by_geopandas(edited: Path) -> None:
    frame = pandas.read_parquet(edited / "stats/collection=tiny")
    zones = geopandas.read_parquet(edited / "zones/collection=tiny")
    joined = zones.merge(frame, on=["zone_set", "zone"]).sort_values("period")
    assert [(period, count) for period, count in zip(joined["period"], joined["count"], strict=True)] == [
        ("2015-01", 16),
        ("2015-02", 4),
    ]
    assert shapely.area(joined.geometry.to_numpy()).tolist() == [16, 4], "square degrees, as many as pixels"


def test_and_by_duckdb(edited: Path) -> None:
    rows = duckdb.sql(
        f"select period, name, zone, count, bbox.xmax from '{edited}/stats/**/*.parquet' as stats "
        f"join '{edited}/zones/**/*.parquet' as zones using (zone_set, zone) order by 1"
    ).fetchall()
    assert rows == [("2015-01", "square", "square", 16, 5), ("2015-02", "square", "square", 4, 3)]


def test_the_catalog_links_to_every_set_and_an_item_to_its_own(edited: Path) -> None:
    sets = sorted(path.name for path in (edited / "zones/collection=tiny").iterdir())
    assert len(sets) == 2
    version = edited / "stac/tiny/001"
    assets = json.loads((version / "collection.json").read_text())["assets"]
    told = [version / asset["href"] for name, asset in assets.items() if name.startswith("zones-")]
    assert sorted(path.resolve().name for path in told) == sets
    assert all(path.exists() for path in told)
    for month in ("2015-01", "2015-02"):
        (item,) = (version / month).glob("*.json")
        asset = json.loads(item.read_text())["assets"]["zones"]
        (table,) = edited.glob(f"stats/**/period={month}/**/*.parquet")
        (name,) = set(pyarrow.parquet.ParquetFile(table).read()["zone_set"].to_pylist())
        assert (item.parent / asset["href"]).resolve().name == f"{name}.parquet"


@pytest.mark.parametrize(("zones", "code"), [(SQUARES, 4326), (METRES, 32643)])
def test_a_set_is_geoparquet_in_the_system_of_its_zones(tmp_path: Path, zones: Any, code: int) -> None:
    path = tmp_path / "zones.parquet"
    path.write_bytes(zone_sets.to_parquet(zones))
    frame = geopandas.read_parquet(path)
    assert list(frame.columns) == ["zone_set", "zone", "name", "geometry"]
    assert (frame["zone"].tolist(), frame["name"].tolist()) == (list(zones.ids), list(zones.names))
    assert frame.crs.to_epsg() == code
    assert frame.geometry.tolist() == list(zones.geometries)
    told = json.loads(pyarrow.parquet.read_metadata(path).metadata[b"geo"])
    column = told["columns"]["geometry"]
    assert (told["version"], column["encoding"], column["geometry_types"]) == ("1.1.0", "WKB", ["MultiPolygon"])
    assert column["bbox"] == frame.total_bounds.tolist()
    assert column["crs"]["id"] == {"authority": "EPSG", "code": code}


def test_a_reader_skips_zones_by_their_boxes(tmp_path: Path) -> None:
    path = tmp_path / "zones.parquet"
    path.write_bytes(zone_sets.to_parquet(SQUARES))
    assert geopandas.read_parquet(path, bbox=(3, 0.5, 4, 1))["zone"].tolist() == ["12"]


@pytest.mark.parametrize("zones", [SQUARES, METRES])
def test_a_set_can_be_measured_again(zones: Any) -> None:
    again = read_zones(zone_sets.to_parquet(zones), zone_id="zone", where="zones.parquet")
    assert (again.ids, again.names) == (zones.ids, zones.names)
    assert (again.geometries == zones.geometries).all()


def test_a_set_is_written_once(tmp_path: Path) -> None:
    edges = folder_edges(tmp_path)
    measure(edges, tmp_path, "201501")
    (path,) = (tmp_path / "buckets/protected/zones").rglob("*.parquet")
    before = path.stat().st_mtime_ns, path.stat().st_ino
    measure(edges, tmp_path, "201502", "201503")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_a_worker_writes_it_again_when_it_is_gone(tmp_path: Path) -> None:
    store, known = FolderStore(tmp_path), {}
    first = zone_sets.publish(store, URL, SQUARES, known, now=100.0)
    store.delete(URL)
    assert zone_sets.publish(store, URL, SQUARES, known, now=100.0 + zone_sets.SURE) == first
    assert store.get(URL) == zone_sets.to_parquet(SQUARES)


def test_a_set_that_was_just_there_is_not_looked_for(tmp_path: Path) -> None:
    store, known = FolderStore(tmp_path), {}
    first = zone_sets.publish(store, URL, SQUARES, known, now=100.0)
    asked: list[str] = []
    store.mark = lambda url: (asked.append(url), FolderStore.mark(store, url))[1]  # type: ignore[method-assign]
    for now in (100.5, 101.0, 102.5, 103.0):
        assert zone_sets.publish(store, URL, SQUARES, known, now=now) == first
    assert asked == [URL]


def test_who_deletes_sets_takes_longer_than_a_worker_is_sure_of_one() -> None:
    assert zone_sets.SURE < remove.SWEEPS * remove.PAUSE


def test_a_damaged_set_is_replaced_and_one_by_another_writer_is_kept(tmp_path: Path) -> None:
    store, body = FolderStore(tmp_path), zone_sets.to_parquet(SQUARES)
    store.put(URL, body[: len(body) // 2])
    assert zone_sets.publish(store, URL, SQUARES, {}, now=0.0).size == len(body)
    assert store.get(URL) == body
    path = tmp_path / "protected/zones/a.parquet"
    pyarrow.parquet.write_table(pyarrow.parquet.ParquetFile(path).read(), path, compression="none")
    other = path.read_bytes()
    assert other != body
    assert zone_sets.publish(store, URL, SQUARES, {}, now=0.0).size == len(other)
    assert store.get(URL) == other


def test_workers_that_write_it_at_once_agree(tmp_path: Path) -> None:
    store, gate, told = FolderStore(tmp_path), threading.Barrier(6), []

    def work() -> None:
        gate.wait()
        told.append(zone_sets.publish(store, URL, SQUARES, {}, now=0.0))

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(told) == 6
    assert len(set(told)) == 1


def test_a_partition_that_is_made_again_with_other_zones_deletes_no_set(tmp_path: Path) -> None:
    """Other partitions name it."""
    edges = folder_edges(tmp_path)
    measure(edges, tmp_path, "201501", "201502")
    narrow(edges)
    measure(edges, tmp_path, "201501", run=2)
    names = {path.stem for path in (tmp_path / "buckets/protected/zones").rglob("*.parquet")}
    frame = pandas.read_parquet(tmp_path / "buckets/protected/stats").sort_values("period")
    assert set(frame["zone_set"]) == names
    assert frame["count"].tolist() == [4, 16]


def test_shapes_are_in_longitude_and_latitude_and_rows_of_older_versions_have_those_of_today(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    name = zone_sets.name_of(METRES)
    zone_sets.publish(store, f"s3://protected/{keys.zones_key('c', name)}", METRES, {}, now=0.0)
    shapes = zone_sets.shapes_of(store, "protected", "c", [name, None], SQUARES)
    assert set(shapes) == {(name, "grid"), (None, "a"), (None, "12")}
    assert shapes[name, "grid"].bounds == pytest.approx((73.11, 18.08, 73.2, 18.17), abs=0.01)
    assert shapes[None, "a"].equals(shapely.box(0, 0, 2, 2))


def test_a_set_that_is_gone_is_told_unless_the_zones_are_still_the_same(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    name = zone_sets.name_of(SQUARES)
    assert set(zone_sets.shapes_of(store, "protected", "c", [name], SQUARES)) == {(name, "a"), (name, "12")}
    with pytest.raises(NotFound, match=rf"zones/collection=c/{name}\.parquet"):
        zone_sets.shapes_of(store, "protected", "c", [name], METRES)


def test_the_name_of_a_set_changes_with_what_it_says() -> None:
    names = [zone_sets.name_of(zones) for zones in (SQUARES, METRES)]
    renamed = make_zones(["a", "12"], ["Zoe", "B"], SQUARES.geometries, SQUARES.crs)
    moved = make_zones(["a", "12"], ["Zoë", "B"], shapely.transform(SQUARES.geometries, lambda xy: xy + 1), SQUARES.crs)
    names += [zone_sets.name_of(zones) for zones in (renamed, moved)]
    assert len(set(names)) == 4
    assert zone_sets.name_of(replace(SQUARES, notes=("repaired",))) == names[0]
