"""The statistics of a populated collection as an input of a request."""

from pathlib import Path

import pyarrow as pa
import pytest
import xarray

from pileus import keys
from pileus.errors import DocumentError
from pileus.graphs.collection import OfCollection
from pileus.graphs.statistics import check_statistics, write_statistics
from pileus.models import Partition
from pileus.outputs.tables import to_parquet, with_time
from pileus.wiring import Edges, wire_folder


def row(month: int, bands: list[str], version: str) -> tuple[Partition, pa.Table]:
    partition = Partition("lights", version, f"2015-{month:02}", "all")
    zones = ["a", "b"] * len(bands)
    named = [band for band in bands for _ in "ab"]
    values = [month * 10.0 + number for number in range(len(zones))]
    rows = pa.table({"zone": zones, "zone_name": zones, "band": named, "mean": values, "count": [4.0] * len(zones)})
    return partition, with_time(rows, partition)


def edges(folder: Path, *bands: str, versions: tuple[str, ...] = ("001",)) -> Edges:
    made = wire_folder(folder, {})
    for version in versions:
        for month in (1, 2, 3):
            partition, rows = row(month, [*bands], version)
            body = to_parquet(rows, partition, dict.fromkeys(bands, "nW"))
            made.store.put(made.protected(keys.table_key(partition)), body)
    return made


def read(made: Edges, uri: str, path: Path) -> xarray.Dataset:
    wanted = OfCollection.of(uri)
    assert wanted is not None
    write_statistics(made, wanted, path)
    return xarray.load_dataset(path, engine="h5netcdf")


def test_a_variable_for_each_statistic_over_time_and_zone(tmp_path: Path) -> None:
    data = read(edges(tmp_path, "rad"), "collection:lights", tmp_path / "a.nc")
    assert (dict(data.sizes), sorted(map(str, data.data_vars))) == ({"time": 3, "zone": 2}, ["count", "mean"])
    assert data["mean"].sel(zone="b").values.tolist() == [11, 21, 31]
    assert str(data["time"].values[1])[:7] == "2015-02"


def test_of_several_bands_one_is_named_and_of_versions_the_last_is_read(tmp_path: Path) -> None:
    made = edges(tmp_path, "rad", "cloud", versions=("001", "002"))
    assert read(made, "collection://lights?band=cloud", tmp_path / "a.nc")["mean"].sel(zone="a").values[0] == 12
    with pytest.raises(DocumentError, match="several: name one of cloud, rad"):
        read(made, "collection:lights", tmp_path / "b.nc")
    with pytest.raises(DocumentError, match="clout"):
        read(made, "collection:lights?band=clout", tmp_path / "b.nc")


def test_a_collection_that_there_is_not_is_refused_before_the_start(tmp_path: Path) -> None:
    made = edges(tmp_path, "rad")
    wanted = OfCollection.of("collection:light")
    assert wanted is not None
    with pytest.raises(DocumentError, match="lights"):
        check_statistics(made, wanted)


@pytest.mark.parametrize("uri", ["collection:", "collection://a/b", "collection:a?band", "collection:a?color=red"])
def test_a_wrong_address_is_refused(uri: str) -> None:
    with pytest.raises(DocumentError):
        OfCollection.of(uri)


def test_other_addresses_are_none_of_a_collection() -> None:
    assert OfCollection.of("https://example.org/a.nc") is None
