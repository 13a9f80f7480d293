"""The schema of a request is true: what it refuses, the reader refuses. None of 1,000 bad requests passes."""

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pileus.errors import DocumentError
from pileus.stratus.graph import graph_of
from pileus.stratus.request import StratusRequest
from pileus.stratus.schema import request_schema
from spec.support.stratus import ALL

SCHEMA = Draft202012Validator(request_schema(ALL.capabilities()))
NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,5}", fullmatch=True)
AXIS: Any = st.one_of(
    st.fixed_dictionaries(
        {"start": st.integers(-90, 90), "end": st.floats(-90, 90)}, optional={"crs": st.just("values")}
    ),
    st.fixed_dictionaries({"start": st.integers(0, 9), "end": st.integers(0, 9), "system": st.just("indices")}),
)
MOMENTS: Any = st.fixed_dictionaries({"start": st.just("2000"), "end": st.just("2001-02")})
BAD: Any = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False), st.text(max_size=4), st.just([]),
    st.just({}), st.just([{}]), st.just("a b"), st.just({"start": 1}), st.just("x" * 65), st.just({"q": 1}),
    st.just(["", 1]),
)  # fmt: skip


@st.composite
def requests(draw: Any) -> dict[str, Any]:
    """A good request, in one of its spellings."""
    inputs = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    domains = draw(st.lists(NAMES, max_size=2, unique=True))
    named = st.sampled_from(domains) if domains else st.just("")
    results = draw(st.lists(NAMES.filter(lambda one: one not in inputs), min_size=1, max_size=3, unique=True))
    operations = []
    for number, result in enumerate(results):
        known = inputs + results[:number]
        reads = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
        op = draw(st.sampled_from([{"name": "alu:add"}, {"name": "alu.add"}, {"epa": "alu", "name": "add"}]))
        listed = draw(st.sampled_from([reads, ",".join(reads)]))
        operations.append(op | {"input": listed, "result": result, "domain": draw(named)})
    axes = st.dictionaries(st.sampled_from(["lat", "lon", "lev"]), AXIS, max_size=2)
    told = [{"name": name, **draw(axes), **({"t": draw(MOMENTS)} if draw(st.booleans()) else {})} for name in domains]
    spelling = draw(
        st.sampled_from(
            [
                ("operation", "input", "domain"),
                ("operations", "variables", "domains"),
                ("operation", "alu:input", "alu:domain"),
                ("alu:operations", "inputs", "domain"),
            ]
        )
    )
    files = [{"name": draw(st.sampled_from([f"tas:{one}", one])), "uri": f"file:{one}"} for one in inputs]
    return dict(zip(spelling, (operations, files, told), strict=True)) | {"outputs": results, "rid": "r", "alu:key": 1}


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a document."""
    found = [at] if at else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        found += places(one, (*at, key))
    return found


@st.composite
def broken(draw: Any) -> Any:
    """A request of which one value is another, one key too many, or one missing."""
    document = json.loads(json.dumps(draw(requests())))
    *way, last = draw(st.sampled_from(places(document)))
    holder = document
    for key in way:
        holder = holder[key]
    how = draw(st.sampled_from(["other", "other", "missing", "more"]))
    if how == "missing":
        del holder[last]
    elif how == "more" and isinstance(holder, dict):
        holder[draw(st.sampled_from(["qq", "Name", "start ", "domain2"]))] = draw(BAD)
    else:
        holder[last] = draw(BAD)
    return document


def checked(document: Any) -> None:
    """What every face does with a document before it accepts it."""
    ALL.check(graph_of(StratusRequest.from_json(document)))


@given(requests())
def test_a_good_request_passes_the_schema_and_the_reader_and_comes_back(document: dict[str, Any]) -> None:
    SCHEMA.validate(document)
    checked(document)
    request = StratusRequest.from_json(document)
    assert StratusRequest.from_json(request.to_json()) == request
    SCHEMA.validate(request.to_json())


@given(requests())
def test_both_spellings_are_one_request(document: dict[str, Any]) -> None:
    spelled = {"operations": "operation", "variables": "input", "inputs": "input", "domains": "domain"}
    other = {spelled.get(key.rpartition(":")[2], key): value for key, value in document.items()}
    assert StratusRequest.from_json(other) == StratusRequest.from_json(document)


def complaint(document: Any) -> str:
    """What is said about a document; empty where it is accepted."""
    try:
        checked(document)
    except DocumentError as error:
        return error.message
    return ""


@settings(max_examples=1000)
@given(broken())
def test_each_of_a_thousand_bad_requests_is_a_wrong_document(document: Any) -> None:
    said = complaint(document)
    assert said or SCHEMA.is_valid(document), "the schema refuses what is accepted"
    assume(said)
    assert "\n" not in said
    assert len(said) < 10_000


@settings(max_examples=300)
@given(
    st.recursive(
        BAD | st.floats(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner)
    )
)
def test_what_is_no_request_at_all_is_a_wrong_document(document: Any) -> None:
    for one in (document, {"operation": document}, {"operation": [{"name": "alu:add", "input": document}]}):
        with pytest.raises(DocumentError):
            checked(one)


@pytest.mark.parametrize("value", [{"times": "2"}, {"times": 2.5}, {}, {"times": 1, "q": 2}, {"times": None}])
def test_parameters_are_part_of_what_is_checked(value: dict[str, Any]) -> None:
    with pytest.raises(DocumentError, match=r"operation\[0\]\."):
        checked({"operation": [{"name": "alu:scale", "input": "v", **value}], "input": [{"name": "v", "uri": "x"}]})


def test_the_schema_has_the_parameters_of_each_operation() -> None:
    told = request_schema(ALL.capabilities())["$defs"]["parameters"]
    assert told["alu*:scale"]["required"] == ["times"]
    Draft202012Validator.check_schema(request_schema(ALL.capabilities()))
