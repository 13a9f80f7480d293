"""What follows a payload, and what a process definition says of tasks, items and uploads, beside stac-task."""

import re
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stactask.payload import Payload as TheirPayload
from stactask.utils import find_collection

from pileus.cirrus.chain import next_payloads
from pileus.cirrus.definition import ProcessDefinition
from pileus.cirrus.json_paths import find
from pileus.cirrus.options import assign_collections, collection_of, parameters_of, upload_options_of
from pileus.cirrus.payload import read_payload
from pileus.cirrus.template import fill
from pileus.errors import DocumentError, UsageError
from spec.support.cirrus import judged

ITEMS = [{"id": "a", "properties": {"cloud": 5}}, {"id": "b", "properties": {"cloud": 50}}, {"id": "c"}]


def output(*process: Any, **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "id": "x/workflow-first/a", "features": ITEMS, "process": list(process)} | more


def test_nothing_follows_the_last_process() -> None:
    assert next_payloads(output({"workflow": "first"})).payloads == ()
    assert next_payloads({"features": ITEMS}).payloads == ()


def test_the_next_process_takes_the_place_of_the_first_and_the_id_goes() -> None:
    rest = [{"workflow": "second", "tasks": {"t": {"a": 1}}}, {"workflow": "third"}]
    (found,) = next_payloads(output({"workflow": "first"}, *rest, mine=1)).payloads
    assert found == {"type": "FeatureCollection", "features": ITEMS, "process": rest, "mine": 1}
    assert str(read_payload(found).id) == "none/workflow-second/a/b/c"


def test_a_list_in_the_list_branches_and_every_branch_goes_on_with_the_rest() -> None:
    branches = [{"workflow": "left"}, {"workflow": "right", "chain_filter": "@.properties.cloud < 10"}]
    left, right = next_payloads(output({"workflow": "first"}, branches, {"workflow": "last"})).payloads
    assert left["process"] == [{"workflow": "left"}, {"workflow": "last"}]
    assert right["process"] == [branches[1], {"workflow": "last"}]
    assert [item["id"] for item in left["features"]] == ["a", "b", "c"]
    assert [item["id"] for item in right["features"]] == ["a"]


def test_branches_share_nothing() -> None:
    left, right = next_payloads(output({"workflow": "first"}, [{"workflow": "left"}, {"workflow": "right"}])).payloads
    left["features"][0]["id"] = "changed"
    left["process"][0]["workflow"] = "changed"
    assert right["features"][0]["id"] == ITEMS[0]["id"] == "a"
    assert right["process"] == [{"workflow": "right"}]


@pytest.mark.parametrize(
    ("chain_filter", "left"),
    [
        ("@.properties.cloud < 10", "a"),
        ("@.properties.cloud", "ab"),
        ("@.id =~ '[bc]'", "bc"),
        ("@.id == 'a' & @.properties.cloud == 5", "a"),
        ("@.id != 'a'", "bc"),
    ],
)
def test_a_filter_leaves_what_it_says(chain_filter: str, left: str) -> None:
    asked = output({"workflow": "first"}, {"workflow": "second", "chain_filter": chain_filter})
    (found,) = next_payloads(asked).payloads
    assert "".join(item["id"] for item in found["features"]) == left
    (said,) = judged([asked])
    assert said["next"] == [found]


def test_a_filter_that_leaves_nothing_starts_nothing_and_says_so() -> None:
    branches = [{"workflow": "left", "chain_filter": "@.properties.cloud > 90"}, {"workflow": "right"}]
    found = next_payloads(output({"workflow": "first"}, branches))
    assert [one["process"][0]["workflow"] for one in found.payloads] == ["right"]
    assert found.nothing == ("process[1][0] (left): its chain_filter leaves none of 3 items, so nothing is started",)


def test_without_items_nothing_is_started() -> None:
    found = next_payloads(output({"workflow": "first"}, {"workflow": "second"}, features=[]))
    assert found.payloads == ()
    assert found.nothing == ("process[1] (second): there are no items to go on with, so nothing is started",)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "chain_filter",
    [
        "@.id =~ '(a+)+$'",
        "(@.properties.cloud > 1) & (@.id =~ '^(a|a)*$')",
        "@.id =~ '(?=a)(a|aa|aaa)+b'",
        "@.id.`sub(/(a+)+$/, x)` == 'x'",
    ],
)
@pytest.mark.parametrize("id", ["a" * 60 + "!", "a" * 60 + "é!"])
def test_a_pattern_that_goes_back_for_ever_is_ended(chain_filter: str, id: str) -> None:
    """Python's `re` needs some thousand years for 60 letters `a` and another behind them. RE2 finds nothing; where it
    cannot be asked, the filter is refused after a second.
    """
    told = output({"workflow": "first"}, {"workflow": "second", "chain_filter": chain_filter})
    told["features"] = [item | {"id": id} for item in told["features"]]
    with suppress(DocumentError):
        assert next_payloads(told).payloads == ()


@pytest.mark.parametrize("chain_filter", ["@.id == 'a')].id", "@.id =~ '['", "@.id ==", "@.id & @.id"])
def test_a_filter_that_finds_something_else_or_cannot_be_applied_is_refused(chain_filter: str) -> None:
    with pytest.raises(DocumentError, match=re.escape("process[1].chain_filter: ")):
        next_payloads(output({"workflow": "first"}, {"workflow": "second", "chain_filter": chain_filter}))


def test_a_path_of_what_is_not_implemented_is_refused_in_a_sentence() -> None:
    with pytest.raises(DocumentError, match="cannot be applied: NotImplementedError"):
        find("$[0] & $[0]", [{"id": "a"}])


@given(st.text("@.$?()[]'\"=~<>&|!*id 0,:", max_size=12))
def test_any_text_is_a_path_or_refused_in_a_sentence(text: str) -> None:
    with suppress(DocumentError):
        find(text, [{"id": "a"}])


def definition(**fields: Any) -> ProcessDefinition:
    return ProcessDefinition.model_validate({"workflow": "w"} | fields)


MATCHERS = [
    {"type": "jsonpath", "pattern": "$[?(@.id =~ 'a.*')]", "collection_name": "letters"},
    {"type": "jsonpath", "pattern": "$[?(@.properties.cloud > 10)]", "collection_name": "cloudy"},
]


@pytest.mark.parametrize("matchers", [MATCHERS, [*MATCHERS, {"type": "catch_all", "collection_name": "rest"}], []])
def test_matchers_put_items_where_stac_task_puts_them(matchers: list[dict[str, Any]]) -> None:
    found = [collection_of(definition(collection_matchers=matchers), item) for item in ITEMS]
    assert found == [find_collection(matchers, item) for item in ITEMS]
    assert found[:2] == (["letters", "cloudy"] if matchers else [None, None])


def test_the_older_form_puts_items_where_stac_task_puts_them() -> None:
    older = {"letters": "$[?(@.id == 'a')]", "cloudy": "$[?(@.properties.cloud == 50)]"}
    found = [collection_of(definition(upload_options={"collections": older}), item) for item in ITEMS]
    assert found == [find_collection(older, item) for item in ITEMS] == ["letters", "cloudy", None]


def test_items_that_nothing_matches_stay_in_their_collection() -> None:
    before = deepcopy(ITEMS)
    found = assign_collections(definition(collection_matchers=MATCHERS), [*ITEMS, {"id": "d", "collection": "own"}])
    assert [item.get("collection") for item in found] == ["letters", "cloudy", None, "own"]
    assert before == ITEMS


def test_uploads_of_a_collection_have_their_own_options_as_in_stac_task() -> None:
    own = {"path_template": "s3://own/${id}", "headers": {"StorageClass": "GLACIER"}}
    fields = {
        "upload_options": {"path_template": "s3://all/${id}", "public_assets": "ALL"},
        "collection_options": {"viirs": {"upload_options": own}, "modis": {}},
    }
    theirs = TheirPayload({"process": [{"workflow": "w"} | fields]})
    for name in ("viirs", "modis", "another", None):
        assert upload_options_of(definition(**fields), name) == theirs.get_collection_upload_options(name)
    assert upload_options_of(definition(**fields), "viirs") == own


def test_a_task_is_told_what_all_are_told_and_over_it_its_own() -> None:
    found = definition(workflow_options={"a": 1, "b": 1}, tasks=[{"name": "mask", "parameters": {"b": 2}}])
    assert parameters_of(found, "mask") == {"a": 1, "b": 2}
    assert parameters_of(found, "other") == {"a": 1, "b": 1}


TEMPLATES = [
    '{"id": "${ID}", "n": $n, "path": "$$.features"}',
    "${ID?else} ${OTHER?else} ${OTHER?} $n$ID",
    "$missing",
    "${missing} $n",
    "$[?(@.id)]",
    "${ID",
    "$",
]


@pytest.mark.parametrize("silent", [False, True])
def test_templates_are_filled_in_as_cirrus_does(silent: bool) -> None:
    variables = {"ID": "a", "n": "1"}
    asked = [{"template": text, "variables": variables, "silent": silent} for text in TEMPLATES]
    for text, said in zip(TEMPLATES, judged(asked), strict=True):
        if "refused" in said:
            with pytest.raises(UsageError, match="line 1: "):
                fill(text, variables, silent=silent)
        else:
            assert fill(text, variables, silent=silent) == said["text"]


def test_a_variable_that_is_missing_is_named_with_its_line() -> None:
    with pytest.raises(UsageError, match=re.escape("line 2: unknown variable 'IDS': did you mean ID?")):
        fill('{"a": "$ID",\n"b": "$IDS"}', {"ID": "a"})
