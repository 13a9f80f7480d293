"""The table of statistics: documents, measurement and outputs read the same one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource

from pileus.documents import Collection, parse_value
from pileus.errors import DocumentError, UsageError
from pileus.models import Partition
from pileus.outputs.tables import to_parquet, with_time
from pileus.statistics import REGISTERED, Statistic, register
from pileus.zonal.quantiles import _sample, percentile
from spec.support.zonal_reference import rows, run, write, zones_of


@pytest.fixture
def variance() -> Iterator[None]:
    """A statistic that is registered while the spec runs."""
    register(Statistic("variance", "{unit}^2", "population variance", lambda m: m.variance))
    yield
    del REGISTERED["variance"]


def collection(*stats: str) -> Collection:
    process: dict[str, Any] = {"band": "b", "zones": "z", "stats": list(stats)}
    value = {"name": "c", "files": [{"regex": ".*"}], "meta": {"process": process}}
    return parse_value(Collection, value, "c.json")


@pytest.mark.parametrize(
    ("name", "near"),
    [("maen", "did you mean mean or "), ("Median", "did you mean median or "), ("variance", "expected one of count, "),
     ("p101", "or a percentile such as p95"), ("p", "or a percentile such as p95"), ("ps", "a percentile such as p95")],
)  # fmt: skip
def test_an_unknown_statistic_is_refused_when_the_document_is_read(name: str, near: str) -> None:
    with pytest.raises(DocumentError, match=f"unknown statistic '{name}': ") as caught:
        collection("mean", name)
    assert near in caught.value.message
    assert caught.value.message.startswith("meta.process.stats: ")


@pytest.mark.usefixtures("variance")
def test_one_registration_makes_a_statistic_that_is_accepted_computed_and_described(tmp_path: Path) -> None:
    assert collection("variance").meta.process is not None
    path = write(tmp_path / "b.tif", np.array([[1, 3]], "f4"))
    table = run(path, zones_of(shapely.box(0, 0, 2, 1)), "variance", scratch=tmp_path).table
    assert table["variance"].to_pylist() == [1]
    partition = Partition("c", "001", "2015-01", "all")
    (tmp_path / "t.parquet").write_bytes(to_parquet(with_time(table, partition), partition, {"b": "nW"}))
    field = pyarrow.parquet.read_schema(tmp_path / "t.parquet").field("variance")
    assert (field.metadata[b"unit"], field.metadata[b"description"]) == (b"nW^2", b"population variance")


def test_every_statistic_is_computed_and_described(tmp_path: Path) -> None:
    path = write(tmp_path / "b.tif", np.arange(6, dtype="f4").reshape(2, 3))
    zones = zones_of(shapely.box(0.5, 0, 3, 2), shapely.box(50, 50, 51, 51))
    table = run(path, zones, *REGISTERED, scratch=tmp_path).table
    inside, off = table.to_pylist()
    assert all(inside[name] is not None for name in REGISTERED)
    assert {name for name in REGISTERED if off[name] is not None} == {"count", "area", "coverage_share"}
    assert to_parquet(table, Partition("c", "001", "2015-01", "all"), {})


@pytest.mark.parametrize("name", ["mean", "p50"])
def test_a_name_is_registered_once(name: str) -> None:
    with pytest.raises(UsageError, match=f"statistic '{name}' is there already"):
        register(Statistic(name, "1", "again", lambda m: m.count))


def test_docs_define_every_statistic() -> None:
    page = (Path(__file__).parents[2] / "docs/zonal.md").read_text()
    section = page.partition("## What the statistics are")[2].partition("\n## ")[0]
    named = {
        name.strip() for line in section.splitlines() if line.startswith("| ") for name in line.split("|")[1].split(",")
    }
    assert set(REGISTERED) <= named


# Percentiles of values that occur more than once: numpy's, where exactextract first makes one pixel of equal values.

REPEATED = np.array([[1, 1, 1, 1, 1, 2, 2, 7]], "f4")


def exactextracts(raster: Any, shape: Any, percent: float) -> float:
    feature = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}]
    source = NumPyRasterSource(raster, 0, 0, raster.shape[1], raster.shape[0])
    (peer,) = exact_extract(source, feature, [f"quantile(q={percent / 100})"])
    (value,) = peer["properties"].values()
    return float(value)


@pytest.mark.parametrize("percent", [10, 50, 75, 90])
def test_percentiles_of_repeated_values_are_numpys(tmp_path: Path, percent: int) -> None:
    path, shape = write(tmp_path / "b.tif", REPEATED), shapely.box(0, 0, 8, 1)
    (row,) = rows(path, zones_of(shape), f"p{percent}", scratch=tmp_path)
    assert row[f"p{percent}"] == pytest.approx(np.percentile(REPEATED, percent))


@pytest.mark.parametrize("percent", [10, 50, 60, 90])
def test_exactextract_merges_equal_values_before_its_quantile(percent: int) -> None:
    peer = exactextracts(REPEATED, shapely.box(0, 0, 8, 1), percent)
    merged = _sample(np.array([1.0, 2.0, 7.0]), np.array([5.0, 2.0, 1.0]))
    assert peer == pytest.approx(percentile(merged, percent))
    assert peer != pytest.approx(np.percentile(REPEATED, percent))
