"""`operate`: a request's operations in one process. The reference is the same functions called by hand."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from xarray import DataArray, Dataset
from xarray.core import indexing

from pileus.endpoint import endpoint
from pileus.errors import DocumentError, HandedBack, OperationFailed, PileusError
from pileus.stratus import operate as module
from pileus.stratus import raster_dataset
from pileus.stratus.domain import cut
from pileus.stratus.endpoints import Endpoints
from pileus.stratus.graph import Graph, graph_of, parts_of
from pileus.stratus.operate import operate
from pileus.stratus.request import StratusRequest
from spec.support.grib import messages
from spec.support.shared import shared
from spec.support.stratus import ALL, grid, read, request, saved

STEPS: Any = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["alu:add", "alu:scale", "alu:turn", "cut:first", "cut:total"]),
            "reads": st.lists(st.integers(0, 20), min_size=1, max_size=3),
            "node": st.sampled_from("abc"),
            "domain": st.booleans(),
        }
    ),
    min_size=1,
    max_size=7,
)
SOUTH = {"name": "south", "lat": {"start": -1, "end": 0}}


def drawn(steps: list[dict[str, Any]]) -> StratusRequest:
    """A request of random steps over two files: each reads files and the results of steps before it."""
    known, operations = ["v0", "v1"], []
    for number, step in enumerate(steps):
        reads = [known[one % len(known)] for one in step["reads"]]
        operation = {
            "name": step["op"],
            "input": reads if step["op"] == "alu:add" else reads[:1],
            "result": f"o{number}",
        }
        more = {"domain": "south"} if step["domain"] and step["op"] != "alu:turn" else {}
        operations.append(operation | more | ({"times": number + 2} if step["op"] == "alu:scale" else {}))
        known.append(f"o{number}")
    return request(*operations, inputs=("v0", "v1"), domain=[SOUTH], outputs=[f"o{n}" for n in range(len(steps))])


def by_hand(graph: Graph, files: dict[str, Dataset]) -> dict[str, Dataset]:
    """What the functions make, called one after the other."""
    made = dict(files)
    for result, operation in graph.operations.items():
        found = ALL.function(operation).do(*(made[name] for name in operation.inputs), **operation.parameters)
        made[result] = cut(found, graph.request.domains[operation.domain], "") if operation.domain else found
    return made


def in_parts(graph: Graph, assigned: dict[str, str], files: dict[str, Path], folder: Path) -> dict[str, Path]:
    """The outputs, where each part is done by itself and hands on files."""
    made = dict(files)
    for number, part in enumerate(parts_of(graph, assigned)):
        reads = {name: made[name] for name in part.request.inputs}
        asked = StratusRequest.from_json(part.request.to_json())
        made |= operate(ALL, asked, reads, folder / str(number))
    return {name: made[name] for name in graph.outputs}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, in_memory=st.sampled_from([0, 300, 1 << 30]))
def test_any_graph_gives_what_the_functions_give_whatever_its_parts(
    steps: Any, in_memory: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    data = {"v0": grid(1), "v1": grid(100)}
    files = {name: saved(one, folder / f"{name}.nc") for name, one in data.items()}
    graph = graph_of(drawn(steps))
    wanted = by_hand(graph, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "IN_MEMORY", in_memory)
        whole = operate(ALL, graph.request, files, folder / "whole")
    assigned = {f"o{number}": step["node"] for number, step in enumerate(steps)}
    for made in (whole, in_parts(graph, assigned, files, folder)):
        assert set(made) == set(graph.outputs)
        for name, path in made.items():
            xarray.testing.assert_identical(read(path), wanted[name])
    assert [path.name for path in (folder / "whole").iterdir() if path.name.startswith(".")] == []


def test_the_third_of_three_steps_is_what_comes_out(tmp_path: Path) -> None:
    files = {"v0": saved(grid(), tmp_path / "v0.nc")}
    steps = [
        {"name": "alu:scale", "input": "v0", "times": 2, "result": "a"},
        {"name": "alu:add", "input": "a,v0", "result": "b"},
        {"name": "cut:total", "input": "b", "result": "c"},
    ]
    told: list[str] = []
    made = operate(ALL, request(*steps), files, tmp_path / "out", told.append)
    assert (list(made), told) == (["c"], ["a", "b", "c"])
    assert read(made["c"])["tas"].values.tolist() == [[33, 39, 45], [51, 57, 63], [69, 75, 81]]


def test_an_input_is_its_variable_within_its_domain(tmp_path: Path) -> None:
    files = {"v0": saved(grid().assign(other=("time", [1, 2])), tmp_path / "v0.nc")}
    domain = {"name": "d", "lat": {"start": 0, "end": 0}, "time": {"start": "2000-01-02", "end": "2000-01-02"}}
    reads = {"name": "tas:v0", "uri": "x", "domain": "d"}
    asked = request({"name": "alu:scale", "input": "v0", "times": 1}, inputs=[reads], domain=[domain])
    found = read(operate(ALL, asked, files, tmp_path / "out")["r1"])
    assert list(found.data_vars) == ["tas"]
    assert found["tas"].values.tolist() == [[[13, 14, 15]]]


def test_a_variable_that_there_is_not_is_named(tmp_path: Path) -> None:
    files = {"v0": saved(grid(), tmp_path / "v0.nc")}
    asked = request({"name": "alu:turn", "input": "v0"}, inputs=[{"name": "tos:v0", "uri": "x"}])
    with pytest.raises(DocumentError, match=r"input v0: unknown variable 'tos': did you mean tas\?"):
        operate(ALL, asked, files, tmp_path / "out")


def test_a_scaled_mean_is_not_rounded_to_the_packing_of_its_input(tmp_path: Path) -> None:
    packed = {"tas": {"dtype": "i2", "scale_factor": 1.0, "add_offset": 0.0, "_FillValue": -1}}
    grid().where(grid().tas != 5).to_netcdf(tmp_path / "v0.nc", engine="h5netcdf", encoding=packed)

    @endpoint("x")
    def halved(data: Dataset) -> Dataset:
        return data.assign(tas=data["tas"].copy(data=data["tas"].values / 2))

    made = operate(
        Endpoints.of([halved]), request({"name": "x:halved", "input": "v0"}), {"v0": tmp_path / "v0.nc"}, tmp_path
    )
    first = read(made["r1"])["tas"].values[0].ravel().tolist()
    assert first[:4] == [0.5, 1.0, 1.5, 2.0]
    assert np.isnan(first[4])


def test_what_one_function_does_to_its_input_is_not_for_the_next_one_to_see(tmp_path: Path) -> None:
    @endpoint("x")
    def wipes(data: Dataset) -> Dataset:
        data["tas"].values[:] = 0
        return data

    endpoints = Endpoints.of([wipes, *(one.do for one in ALL.listed)])
    steps = [
        {"name": "alu:scale", "input": "v0", "times": 1, "result": "a"},
        {"name": "x:wipes", "input": "a", "result": "b"},
        {"name": "alu:add", "input": "a,b", "result": "c"},
    ]
    made = operate(endpoints, request(*steps), {"v0": saved(grid(), tmp_path / "v0.nc")}, tmp_path / "out")
    xarray.testing.assert_equal(read(made["c"]), grid())


def failing(tmp_path: Path, function: Any, **parameters: Any) -> PileusError:
    """What `operate` raises for a function."""
    files = {"v0": saved(grid(), tmp_path / "v0.nc")}
    with pytest.raises(PileusError) as caught:
        operate(
            Endpoints.of([endpoint("x", op="go")(function)]),
            request({"name": "x:go", "input": "v0", **parameters}), files, tmp_path / "out",
        )  # fmt: skip
    return caught.value


def test_what_a_function_raises_is_told_with_its_operation(tmp_path: Path) -> None:
    def divides(data: Dataset) -> Dataset:
        return data / (1 // 0)

    error = failing(tmp_path, divides)
    assert isinstance(error, OperationFailed)
    assert error.kind == "ZeroDivisionError"
    assert str(error) == "operation r1 (x:go): ZeroDivisionError: integer division or modulo by zero"
    assert not (tmp_path / "out" / "r1.nc").exists()


def test_a_wrong_input_that_a_function_finds_is_a_wrong_document(tmp_path: Path) -> None:
    def refuses(data: Dataset) -> Dataset:
        raise DocumentError("needs a level")

    error = failing(tmp_path, refuses)
    assert isinstance(error, DocumentError)
    assert error.message == "operation r1 (x:go): needs a level"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (3, "expected an xarray.Dataset, not int"),
        (None, "expected an xarray.Dataset, not NoneType"),
        (Dataset({"a/b": 1}), "a variable cannot be named 'a/b'"),
        (Dataset({"c": ("x", np.array([{}], dtype=object))}), "its result cannot be written as NetCDF"),
        (DataArray([1], dims="x", coords={"x": [1]}, name="x"), "its result cannot be a data set"),
    ],
)
def test_a_result_that_is_no_data_set_is_refused_in_one_sentence(result: Any, said: str, tmp_path: Path) -> None:
    error = failing(tmp_path, lambda data: result)
    assert isinstance(error, OperationFailed)
    assert said in error.message
    assert "\n" not in error.message
    assert error.where == "operation r1 (x:go)"


def test_an_array_is_a_data_set_of_one_variable(tmp_path: Path) -> None:
    files = {"v0": saved(grid(), tmp_path / "v0.nc")}
    endpoints = Endpoints.of([endpoint("x", op="go")(lambda data: data["tas"].sum())])
    assert (
        float(read(operate(endpoints, request({"name": "x:go", "input": "v0"}), files, tmp_path)["r1"])["tas"]) == 171
    )


def test_a_file_that_is_not_given_or_is_none_is_named(tmp_path: Path) -> None:
    asked = request({"name": "alu:turn", "input": "v0"})
    with pytest.raises(DocumentError, match="input v0: there is no file of it"):
        operate(ALL, asked, {}, tmp_path)
    (tmp_path / "text").write_text("hello, this is no data")
    with pytest.raises(DocumentError, match="input v0: expected NetCDF, GeoTIFF, GRIB or JPEG 2000: it begins with"):
        operate(ALL, asked, {"v0": tmp_path / "text"}, tmp_path)
    (tmp_path / "cut").write_bytes(saved(grid(), tmp_path / "v0.nc").read_bytes()[:1000])
    with pytest.raises(DocumentError, match="input v0: cannot be opened as NetCDF"):
        operate(ALL, asked, {"v0": tmp_path / "cut"}, tmp_path)


def test_it_stops_between_two_operations(tmp_path: Path) -> None:
    stopping, told = threading.Event(), list[str]()

    def tell(result: str) -> None:
        told.append(result)
        stopping.set()

    steps = [{"name": "alu:turn", "input": "v0"}, {"name": "alu:turn", "input": "r1"}]
    with pytest.raises(HandedBack):
        operate(ALL, request(*steps), {"v0": saved(grid(), tmp_path / "v0.nc")}, tmp_path / "out", tell, stopping)
    assert told == ["r1"]


def test_a_geotiff_is_a_variable_for_each_band(tmp_path: Path) -> None:
    place = rasterio.Affine(1, 0, 10, 0, -1, 50)
    with rasterio.open(tmp_path / "v0.tif", "w", driver="GTiff", width=3, height=2, count=2, dtype="int16", nodata=-1,
                       crs="EPSG:4326", transform=place) as file:  # fmt: skip
        file.write(np.array([[[1, 2, 3], [4, -1, 6]], [[7, 8, 9], [10, 11, 12]]], "int16"))
        file.set_band_description(1, "rain")
        file.scales = (0.5, 1.0)
    south = {"name": "d", "lat": {"start": 48, "end": 49}}
    asked = request({"name": "alu:scale", "input": "v0", "times": 2}, domain=[south],
                    inputs=[{"name": "v0", "uri": "x", "domain": "d"}])  # fmt: skip
    found = read(operate(ALL, asked, {"v0": tmp_path / "v0.tif"}, tmp_path / "out")["r1"])
    assert (found["lat"].values.tolist(), found["lon"].values.tolist()) == ([48.5], [10.5, 11.5, 12.5])
    assert found["rain"].values[0, [0, 2]].tolist() == [4, 6]
    assert np.isnan(found["rain"].values[0, 1])
    assert found["band2"].values.tolist() == [[20, 22, 24]]


def test_a_projected_geotiff_has_y_and_x_in_metres(tmp_path: Path) -> None:
    place = rasterio.Affine(100, 0, 500_000, 0, -100, 4_000_200)
    with rasterio.open(tmp_path / "v0.tif", "w", driver="GTiff", width=2, height=2, count=1, dtype="float32",
                       crs="EPSG:32631", transform=place) as file:  # fmt: skip
        file.write(np.array([[[1, 2], [3, 4]]], "float32"))
    domain = {"name": "d", "x": {"start": 500_000, "end": 500_100}}
    asked = request({"name": "alu:scale", "input": "v0", "times": 1}, domain=[domain],
                    inputs=[{"name": "band1:v0", "uri": "x", "domain": "d"}])  # fmt: skip
    found = read(operate(ALL, asked, {"v0": tmp_path / "v0.tif"}, tmp_path / "out")["r1"])
    assert found["band1"].values.tolist() == [[1], [3]]
    assert found["y"].values.tolist() == [4_000_150, 4_000_050]


def test_a_classic_netcdf_is_read_where_a_library_is_there(tmp_path: Path) -> None:
    grid().to_netcdf(tmp_path / "v0.nc", engine="netcdf4", format="NETCDF3_64BIT")
    made = operate(ALL, request({"name": "alu:scale", "input": "v0", "times": 1}), {"v0": tmp_path / "v0.nc"}, tmp_path)
    xarray.testing.assert_equal(read(made["r1"]), grid())


def test_fields_of_grib_at_several_times_are_one_variable(tmp_path: Path) -> None:
    """ERA5: 744 hours of kelvin over the United Kingdom; the truth is read by another library."""
    path = shared("data/grids/era5-2mt-2019-03-uk.grib")
    _, hours = messages(path)
    day = {"name": "d", "time": {"start": "2019-03-02", "end": "2019-03-02"}}
    asked = request({"name": "cut:total", "input": "v0"}, domain=[day],
                    inputs=[{"name": "2T:v0", "uri": "x", "domain": "d"}])  # fmt: skip
    found = read(operate(ALL, asked, {"v0": path}, tmp_path)["r1"])["2T"]
    assert found.dims == ("lat", "lon")
    np.testing.assert_allclose(found.values.ravel(), hours[24:48].sum(axis=0), rtol=1e-6)


@given(st.data())
def test_a_raster_is_read_in_any_window(data: Any) -> None:
    """Rows and columns that are asked for, in any order and step, are those of the whole."""
    values = np.arange(2 * 5 * 7, dtype="float32").reshape(2, 5, 7)
    with rasterio.MemoryFile() as memory:
        place = rasterio.Affine(1, 0, 0, 0, -1, 5)
        with memory.open(
            driver="GTiff", width=7, height=5, count=2, dtype="float32", crs="EPSG:4326", transform=place
        ) as file:
            file.write(values)
        with memory.open() as file:
            bands = raster_dataset._Bands(file, [1, 2], "v0")
            lazy = xarray.Variable(("n", "y", "x"), indexing.LazilyIndexedArray(bands))
            slices = st.builds(slice, *[st.none() | st.integers(-8, 8)] * 2, st.sampled_from([None, 1, 2, -1, -3]))
            key = tuple(
                data.draw(slices | st.integers(-size, size - 1) | st.lists(st.integers(0, size - 1), max_size=3))
                for size in values.shape
            )
            asked = [
                (range(size)[one], one) for one, size in zip(key, values.shape, strict=True) if isinstance(one, slice)
            ]
            # xarray itself fails for what runs backwards over nothing
            assume(all(held or (one.step or 1) > 0 for held, one in asked))
            found = lazy.isel(dict(zip("nyx", key, strict=True))).values
    wanted = values
    for axis in (2, 1, 0):
        one = key[axis]
        wanted = wanted.take(one, axis) if not isinstance(one, slice) else wanted[(slice(None),) * axis + (one,)]
    np.testing.assert_array_equal(found, wanted)
