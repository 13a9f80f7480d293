"""Five defects of the ancestors, each with the spec that would have caught it."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from data.sample import make
from pileus.documents import Process, Provider
from pileus.download.fetch import download, granule_of
from pileus.edges.providers import connect
from pileus.edges.secrets import Secrets
from pileus.errors import NotFound
from pileus.models import Granule, Listed
from pileus.tasks.report_status import explain
from pileus.zonal import Source, measure, read_zones
from spec.servers.fixtures import Start


def edge(port: int):  # type: ignore[no-untyped-def]
    provider = Provider(id="p", protocol="http", host="127.0.0.1", port=port, attempts=1)
    return connect(provider, secrets=Secrets(environ={}))


def test_a_failure_is_never_printed_and_called_success(python_server: Start, tmp_path: Path) -> None:
    """viirs_processing printed the exception and returned success."""
    site = python_server(tmp_path)
    with pytest.raises(NotFound, match=r"/missing\.tgz"):
        download([granule_of(f"{site.url}/missing.tgz")], tmp_path / "here", edge(site.port), parallel=2)


def test_a_failing_last_url_ends_the_download_instead_of_hanging(python_server: Start, tmp_path: Path) -> None:
    """parallel_wget waited for ever when the last of its URLs failed."""
    (tmp_path / "site").mkdir()
    for name in ("a.bin", "b.bin"):
        (tmp_path / "site" / name).write_bytes(b"x" * 1000)
    site = python_server(tmp_path / "site")
    granules = [granule_of(f"{site.url}/{name}") for name in ("a.bin", "b.bin", "missing.bin")]
    failed: list[BaseException] = []

    def work() -> None:
        try:
            download(granules, tmp_path / "here", edge(site.port), parallel=1)
        except NotFound as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert failed


def test_files_are_where_the_caller_asked_for_them_not_in_the_current_folder(
    python_server: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """parallel_wget downloaded to one folder, the task looked in another."""
    (tmp_path / "site").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "site/a.bin").write_bytes(b"x" * 1000)
    site = python_server(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "elsewhere")
    (archive,) = download([granule_of(f"{site.url}/a.bin")], tmp_path / "here", edge(site.port), parallel=1)
    assert archive.path == tmp_path / "here/a.bin"
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_error_keeps_its_whole_message() -> None:
    """cumulus-ecs-task-python cut it to one letter with err[252]."""
    message = "ArchiveError: " + "x" * 1000
    failure = explain({"Error": "ArchiveError", "Cause": json.dumps({"message": message, "where": "s3://a"})})
    assert (failure.type, failure.message, failure.where) == ("ArchiveError", message, "s3://a")


def test_every_polygon_is_measured_and_dates_come_from_the_regex(tmp_path: Path) -> None:
    """tif_stats read only the first polygon, and cut dates out of names by position."""
    zones = read_zones(json.dumps(make.zones()).encode(), zone_id=None, where="zones.geojson")
    with MemoryFile() as memory:
        profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "width": 360, "height": 140, "crs": "EPSG:4326"}
        with memory.open(**profile, transform=from_origin(-180, 75, 1, 1)) as raster:
            raster.write(np.ones((140, 360), "float32"), 1)
        (tmp_path / "any-name-at-all.light.tif").write_bytes(memory.read())
    source = Source("any-name-at-all.light.tif", path=tmp_path / "any-name-at-all.light.tif")
    rows = measure([source], Process(band="light", zones=""), zones, scratch=tmp_path).table.to_pylist()
    assert [row["zone"] for row in rows] == list(make.ZONES)
    granule = Granule(Listed("x", "http://h/x"), {"start": "20150101"})
    assert granule.parts["start"] == "20150101"


def test_a_promise_is_awaited(tmp_path: Path) -> None:
    """generateCollections returned before what it had started was done; ours is there when it returns."""
    from pileus.edges.parallel_put import Batch
    from pileus.edges.store import FolderStore

    class Slow(FolderStore):
        def put(self, url: str, body: bytes, content_type: str = "") -> None:
            time.sleep(0.05)
            super().put(url, body, content_type)

    with Batch(Slow(tmp_path)) as batch:
        for number in range(8):
            batch.put(f"s3://bucket/{number}", b"x")
    assert len(list((tmp_path / "bucket").iterdir())) == 8
