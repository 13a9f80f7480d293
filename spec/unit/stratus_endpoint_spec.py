"""`@endpoint`: what a function's signature says of an operation, and what is refused before anything is done."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from xarray import Dataset

from pileus.endpoint import endpoint
from pileus.errors import DocumentError, UsageError
from pileus.stratus import endpoints
from pileus.stratus.endpoints import Endpoints, documentation, process_inputs
from pileus.stratus.graph import graph_of
from spec.support import stratus
from spec.support.stratus import ALL, grid, request


@endpoint("xop*")
def pick(
    data: Dataset,
    *,
    axis: Annotated[str, Field(description="Along which")],
    number: int = 3,
    share: float = 0.5,
    how: Literal["low", "high"] = "low",
    deep: bool = False,
    many: list[int] | None = None,
) -> Dataset:
    """Pick something.

    And say so.
    """
    return data.assign_attrs(axis=axis, number=number, share=share, how=how, deep=int(deep), many=many or [])


PICK = Endpoints.of([pick])


def told(**parameters: Any) -> str:
    """What is said about an operation with these parameters."""
    graph = graph_of(request({"name": "xop:pick", "input": "v0", **parameters}))
    with pytest.raises(DocumentError) as caught:
        PICK.check(graph)
    return caught.value.message


def test_a_function_can_still_be_called_by_hand() -> None:
    assert pick(grid(), axis="t").attrs["number"] == 3


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "operation[0].axis: missing: xop*:pick needs it"),
        ({"axis": 3}, "operation[0].axis: expected a valid string, not 3"),
        ({"axis": "t", "number": "3"}, 'operation[0].number: expected a valid integer, not "3"'),
        ({"axis": "t", "number": True}, "operation[0].number: expected a valid integer, not true"),
        ({"axis": "t", "share": "half"}, 'operation[0].share: expected a valid number, not "half"'),
        ({"axis": "t", "how": "middle"}, "operation[0].how: expected 'low' or 'high', not \"middle\""),
        ({"axis": "t", "deep": 1}, "operation[0].deep: expected a valid boolean, not 1"),
        ({"axis": "t", "many": [1, "x"]}, 'operation[0].many[1]: expected a valid integer, not "x"'),
        ({"axes": "t", "axis": "t"}, "operation[0].axes: no parameter of xop*:pick: did you mean axis?"),
        (
            {"axis": "t", "q": 1},
            "operation[0].q: no parameter of xop*:pick: there is axis, number, share, how, deep, many",
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_its_path(parameters: dict[str, Any], said: str) -> None:
    assert told(**parameters) == said


def test_all_that_is_wrong_is_told_at_once() -> None:
    said = told(axis=1, number="x", q=2).split("; ")
    assert [one.partition(":")[0] for one in said] == ["operation[0].axis", "operation[0].number", "operation[0].q"]


def test_no_number_is_no_number() -> None:
    assert "share" in told(axis="t", share=float("nan"))


def test_a_whole_number_is_also_a_float_and_null_is_none() -> None:
    operation = request({"name": "xop:pick", "input": "v0", "axis": "t", "share": 1, "many": None}).operations[0]
    assert PICK.parameters(operation, "operation[0]") == {"axis": "t", "share": 1.0, "many": None}


def test_unknown_operations_are_refused_with_what_there_is() -> None:
    graph = graph_of(request({"name": "alu:ad", "input": "v0"}, {"name": "q:z", "input": "r1"}))
    with pytest.raises(DocumentError) as caught:
        ALL.check(graph)
    assert "operation[0].name: unknown operation 'alu:ad': did you mean alu*:add" in caught.value.message
    assert "operation[1].name: unknown operation 'q:z': there are alu*:add" in caught.value.message


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"name": "alu:turn", "input": "v0,v1"}, "alu:turn takes 1 input, not 2"),
        ({"name": "alu:turn"}, "alu:turn takes 1 input, not 0"),
        ({"name": "alu:add"}, "alu:add takes at least 1 input, not 0"),
    ],
)
def test_a_wrong_number_of_inputs_is_refused(operation: dict[str, Any], said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        ALL.check(graph_of(request(operation, inputs=("v0", "v1"))))


def test_keys_at_the_top_reach_the_function_that_asks_for_them() -> None:
    @endpoint("xop*")
    def who(data: Dataset, *, keys: dict[str, Any]) -> Dataset:
        return data.assign_attrs(keys)

    mine = Endpoints.of([who])
    asked = request({"name": "xop:who", "input": "v0"}, **{"xop:token": "t", "other:token": "no"})
    mine.check(graph_of(asked))
    assert asked.keys["xop"] == {"token": "t"}
    assert "keys" not in mine.capabilities()[0].parameters["properties"]


def test_a_capability_says_what_the_signature_says() -> None:
    (one,) = PICK.capabilities()
    assert (one.pattern, one.title, one.inputs) == ("xop*:pick", "Pick something", (1, 1))
    assert one.parameters["required"] == ["axis"]
    assert one.parameters["properties"]["axis"] == {"type": "string", "description": "Along which"}
    assert one.parameters["properties"]["number"] == {"type": "integer", "default": 3}
    assert one.parameters["properties"]["how"] == {"type": "string", "enum": ["low", "high"], "default": "low"}
    assert ALL.capabilities()[0].inputs == (1, None)


def test_a_capability_has_the_inputs_of_a_process_of_ogc() -> None:
    inputs = process_inputs(PICK.capabilities()[0])
    assert (inputs["axis"]["minOccurs"], inputs["number"]["minOccurs"]) == (1, 0)
    assert inputs["input"]["maxOccurs"] == 1
    assert process_inputs(ALL.capabilities()[0])["input"]["maxOccurs"] == "unbounded"


def test_a_capability_is_documented_in_markdown() -> None:
    text = documentation(PICK.capabilities()[0])
    assert text.startswith("## `xop*:pick`\n\nPick something.\n\nAnd say so.\n\nTakes 1 input.\n")
    assert "| `axis` | string | (needed) | Along which |" in text
    assert "| `how` | `'low'`, `'high'` | `'low'` |  |" in text
    assert "| `many` | list of integer or null | `None` |  |" in text


@pytest.mark.parametrize("pattern", ["", "a:b", "a b", "x" * 65])
def test_a_pattern_is_of_the_name_before_the_colon(pattern: str) -> None:
    with pytest.raises(UsageError, match="expected a pattern"):
        endpoint(pattern)(lambda data: data)


def test_functions_that_cannot_be_operations_are_refused() -> None:
    with pytest.raises(UsageError, match=r"instead of \*\*rest"):

        @endpoint("x")
        def anything(data: Dataset, **rest: int) -> Dataset:
            return data

    with pytest.raises(UsageError, match="cannot be named domain"):

        @endpoint("x")
        def taken(data: Dataset, *, domain: str) -> Dataset:
            return data

    with pytest.raises(UsageError, match="give op=NAME"):
        endpoint("x")(lambda data: data)


def test_an_annotation_that_cannot_be_checked_is_found_at_the_start() -> None:
    @endpoint("x")
    def untyped(data: Dataset, *, axis) -> Dataset:  # type: ignore[no-untyped-def]
        return data

    @endpoint("x")
    def odd(data: Dataset, *, axis: "Nothing") -> Dataset:  # type: ignore[name-defined]  # noqa: F821
        return data

    with pytest.raises(UsageError, match="its parameter axis has no type"):
        Endpoints.of([untyped])
    with pytest.raises(UsageError, match="name 'Nothing' is not defined"):
        Endpoints.of([odd])


def test_two_functions_for_one_operation_are_refused() -> None:
    @endpoint("alu*", op="add")
    def another(data: Dataset) -> Dataset:
        return data

    with pytest.raises(UsageError, match=r"two functions do alu\*:add"):
        Endpoints.of([stratus, another])
    assert len(Endpoints.of([stratus, stratus.add]).listed) == 5


def test_of_two_that_match_the_first_does_it() -> None:
    @endpoint("a*", op="go")
    def one(data: Dataset) -> Dataset:
        return data

    @endpoint("ab", op="go")
    def two(data: Dataset) -> Dataset:
        return data

    operation = request({"name": "ab:go", "input": "v0"}).operations[0]
    assert Endpoints.of([two, one]).function(operation).do is two
    assert Endpoints.of([one, two]).function(operation).do is one


def test_modules_are_imported_by_name_and_a_failure_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "good_ops_x.py").write_text(
        "from pileus.endpoint import endpoint\n@endpoint('g')\ndef same(data): return data\n"
    )
    (tmp_path / "bad_ops_x.py").write_text("raise RuntimeError('no licence')\n")
    (tmp_path / "empty_ops_x.py").write_text("")
    assert [one.name for one in Endpoints.named(["good_ops_x"]).listed] == ["g:same"]
    assert [one.name for one in Endpoints.named(["good_ops_x:same"]).listed] == ["g:same"]
    for name, said in (
        ("bad_ops_x", "bad_ops_x: cannot be imported: RuntimeError: no licence"),
        ("none_ops_x", "none_ops_x: cannot be imported: ModuleNotFoundError: No module named 'none_ops_x'"),
        ("empty_ops_x", "empty_ops_x: has no function with @endpoint"),
        ("good_ops_x:other", "good_ops_x: has no other"),
        ("good_ops_x:endpoint", "expected a module or a function with @endpoint, not 'endpoint'"),
    ):
        with pytest.raises(UsageError) as caught:
            Endpoints.named([name])
        assert str(caught.value) == said


def test_the_absence_of_the_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "NEEDED", ("xarray", "no_such_package_of_spec"))
    with pytest.raises(UsageError) as caught:
        Endpoints.named()
    assert str(caught.value) == "operations need the extra stratus: `pip install 'pileus[stratus]'`"


def test_a_second_project_sees_nothing_of_the_first() -> None:
    @endpoint("own")
    def mine(data: Dataset) -> Dataset:
        return data

    assert [one.name for one in Endpoints.of([mine]).listed] == ["own:mine"]
    assert "own:mine" not in [one.name for one in Endpoints.named().listed]


def test_two_projects_have_modules_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        text = f"from pileus.endpoint import endpoint\n@endpoint('{name}')\ndef go(data): return '{name}'\n"
        (tmp_path / name / "ops_of_both.py").write_text(text)
    found = []
    for name in ("one", "two", "two", "one"):
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / name)
            found.append(Endpoints.named(["ops_of_both"]).listed[0])
    assert [one.name for one in found] == ["one:go", "two:go", "two:go", "one:go"]
    assert [one.do(None) for one in found] == ["one", "two", "two", "one"]


def loaded(code: str) -> str:
    """Which heavy modules some code imports."""
    heavy = "('xarray', 'pandas', 'h5py', 'numpy', 'numba', 'rasterio') if name in sys.modules])"
    code = f"import sys\n{code}\nprint([name for name in {heavy}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_marking_a_function_and_telling_what_there_is_import_no_arrays() -> None:
    mark = "from pileus.endpoint import endpoint\n@endpoint('x')\ndef same(data, *, n: int = 1): return data"
    assert loaded(mark) == "[]"
    tell = "from pileus.stratus.endpoints import Endpoints\nassert len(Endpoints.named().capabilities()) == 9"
    assert loaded(tell) == "[]"
