"""Payloads of Cirrus: what one is, its id, and what is refused, beside what cirrus-geo itself says of the same."""

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.cirrus.ids import derive_id, execution_name
from pileus.cirrus.payload import address_of, is_inline, read_payload
from pileus.errors import DocumentError
from pileus.subject import LONGEST_PAYLOAD, PayloadId, parse_subject
from spec.support.cirrus import judged

ITEMS = [{"type": "Feature", "id": "b", "collection": "viirs"}, {"type": "Feature", "id": "a", "collection": "modis"}]
PLAIN: dict[str, Any] = {"type": "FeatureCollection", "features": ITEMS, "process": [{"workflow": "publish"}]}
WORKFLOW = st.from_regex(r"[A-Za-z0-9.-]{1,8}", fullmatch=True)
NAME = st.text("abc.-_ /é", min_size=1, max_size=6)

LEAF = st.none() | st.booleans() | st.integers() | st.text()
VALUE = st.recursive(LEAF, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def payload(**definition: Any) -> dict[str, Any]:
    return PLAIN | {"process": [{"workflow": "publish"} | definition]}


ACCEPTED: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "without collections": PLAIN | {"features": [{"id": "a"}]},
    "collections of its own": payload(collections="lights"),
    "an id of its own": PLAIN | {"id": "x/y/workflow-publish/z"},
    "an id and no items": {"id": "x/workflow-publish/z", "process": [{"workflow": "publish"}]},
    "two items of one collection": PLAIN | {"features": [{"id": i, "collection": "c"} for i in ("b", "c", "a")]},
    "strange keys": payload(mine={"a": [1]}) | {"also": None},
    "everything": payload(
        description="d",
        replace=True,
        tasks={"zonal": {"stats": ["mean"]}},
        workflow_options={"quality": 1},
        upload_options={"path_template": "s3://b/${id}", "public_assets": "ALL", "headers": {}, "s3_urls": True},
        collection_matchers=[{"type": "jsonpath", "pattern": "$[?(@.id =~ 'a.*')]", "collection_name": "a"}],
        collection_options={"a": {"upload_options": {"path_template": "s3://a/${id}"}}},
    ),
    "tasks of the older form": payload(tasks=[{"name": "zonal", "parameters": {"a": 1}}, {"name": "mask"}]),
    "collections of the older form": payload(upload_options={"collections": {"a": "$[?(@.id == 'a')]"}}),
    "three after one another": PLAIN | {"process": [{"workflow": name} for name in "abc"]},
    "branches": PLAIN | {"process": [{"workflow": "a"}, [{"workflow": "b"}, {"workflow": "c"}], {"workflow": "d"}]},
    "a filter": PLAIN | {"process": [{"workflow": "a"}, {"workflow": "b", "chain_filter": "@.id == 'a'"}]},
    "a regular expression": PLAIN
    | {"process": [{"workflow": "a"}, {"workflow": "b", "chain_filter": "@.id =~ '[ab]'"}]},
}


def test_cirrus_says_the_same_id_the_same_execution_and_the_same_next_payloads() -> None:
    from pileus.cirrus.chain import next_payloads

    before = ["arn:aws:states:us-east-1:000000000000:execution:cirrus-publish:1", "arn:2"]
    asked = [*ACCEPTED.values(), PLAIN | {"before": before}]
    for one, said in zip(asked, judged(asked), strict=True):
        ours = read_payload(one)
        assert (str(ours.id), execution_name(ours.id, one.get("before", ()))) == (said["id"], said["execution"])
        assert list(next_payloads(ours.document).payloads) == said["next"]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_payload_stays_as_it_is_but_for_its_id(name: str) -> None:
    before = json.dumps(ACCEPTED[name])
    found = read_payload(ACCEPTED[name])
    assert found.document == ACCEPTED[name] | {"id": str(found.id)}
    assert json.dumps(ACCEPTED[name]) == before
    assert read_payload(found.document).document == found.document


REFUSED: list[tuple[Any, str]] = [
    ([], "expected a payload, an object with features and process"),
    ({}, "process: required, and missing"),
    (PLAIN | {"process": []}, "process: expected a list of at least one process definition"),
    (PLAIN | {"process": "publish"}, "process: expected a list of at least one process definition"),
    (PLAIN | {"process": [[{"workflow": "a"}]]}, "process[0]: expected one process definition; branches can only"),
    (PLAIN | {"process": [{}]}, "process[0].workflow: required, and missing"),
    (PLAIN | {"process": [{"workflow": "a_b"}]}, "process[0].workflow: 'a_b' is the name of none: expected up to 80"),
    (PLAIN | {"process": [{"workflow": "a"}, {}]}, "process[1].workflow: required, and missing"),
    (PLAIN | {"process": [{"workflow": "a"}, [{"workflow": "b"}, 3]]}, "process[1][1]: expected a process definition"),
    (payload(replace="yes"), "process[0].replace: Input should be a valid boolean (got 'yes')"),
    (payload(tasks=3), "process[0].tasks: expected an object with the parameters of each task"),
    (payload(tasks={"a": 1}), "process[0].tasks: 'a': expected an object of parameters"),
    (payload(tasks=[{"parameters": {}}]), "process[0].tasks: [0]: expected an object with a name"),
    (payload(workflow_options=[]), "process[0].workflow_options: Input should be a valid dictionary"),
    (payload(upload_options={"public_assets": "SOME"}), 'public_assets: expected "ALL" or a list of names of assets'),
    (payload(collection_matchers=[{"type": "all", "collection_name": "a"}]), "process[0].collection_matchers[0].type:"),
    (payload(collection_matchers=[{"type": "catch_all"}]), "collection_matchers[0].collection_name: required"),
    (payload(collection_matchers=[{"type": "jsonpath", "collection_name": "a"}]), "pattern: required with the type"),
    (
        payload(
            collection_matchers=[{"type": "catch_all", "collection_name": "a"}],
            upload_options={"path_template": "s3://b", "collections": {"a": "$"}},
        ),
        "process[0].collection_matchers: not with upload_options.collections, their older form",
    ),
    (payload(collection_options={"a": []}), "process[0].collection_options.a:"),
    (payload(chain_filter="@.a == "), "process[0].chain_filter: '$.features[?(@.a == )]' is not a JSONPath"),
    (PLAIN | {"type": "Feature"}, "type: expected 'FeatureCollection', not 'Feature'"),
    (PLAIN | {"features": {}}, "features: expected a list of items"),
    (PLAIN | {"features": ["a"]}, "features[0]: expected an item, an object"),
    (PLAIN | {"features": []}, "id: required where there are no features to derive it from"),
    (PLAIN | {"features": [{"id": "a"}, {}]}, "features[1].id: required, and missing"),
    (PLAIN | {"features": [{"id": 1}]}, "features[0].id: expected a text"),
    (PLAIN | {"features": [{"id": "a", "collection": 1}]}, "features[0].collection: expected a text"),
    (PLAIN | {"id": "publish"}, "id 'publish': expected {collections}/workflow-{workflow}/{itemids}"),
    (PLAIN | {"id": 3}, "id: expected a text"),
    (PLAIN | {"id": "a/workflow-b/../c"}, "id 'a/workflow-b/../c': has an empty part, or one of a dot or two"),
    (PLAIN | {"id": "a/workflow-b/\x1bc"}, "holds a character that cannot be printed"),
    (PLAIN | {"id": "a/workflow-b/" + "x" * LONGEST_PAYLOAD}, "bytes, and 900 are the most"),
]


@pytest.mark.parametrize(("value", "why"), REFUSED, ids=[why[:60] for _, why in REFUSED])
def test_what_is_no_payload_is_refused_with_its_path(value: Any, why: str) -> None:
    with pytest.raises(DocumentError, match=re.escape(why)) as raised:
        read_payload(value, "payload.json")
    assert str(raised.value).startswith("payload.json: ")
    assert "\n" not in str(raised.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(DocumentError) as raised:
        read_payload({"features": 1, "process": [{"replace": 1}]})
    assert len(raised.value.message.split("; ")) == 3


@pytest.mark.parametrize(
    ("value", "warning"),
    [
        (
            PLAIN | {"process": {"workflow": "publish"}},
            "process: an object is the older form; a list of it is the newer",
        ),
        (ACCEPTED["tasks of the older form"], "process[0].tasks: a list is the older form; an object with parameters"),
        (ACCEPTED["collections of the older form"], "process[0].upload_options.collections: the older form"),
        (
            payload(upload_options={"s3_urls": True}),
            "process[0].upload_options.path_template: missing, so files cannot",
        ),
        (PLAIN | {"id": "a/workflow-b/c"}, "id: says workflow-b, and process[0].workflow is publish"),
    ],
)
def test_what_is_accepted_in_an_older_form_is_said(value: Any, warning: str) -> None:
    assert any(one.startswith(warning) for one in read_payload(value).warnings)


def test_a_process_that_is_an_object_becomes_a_list_of_it() -> None:
    found = read_payload(PLAIN | {"process": {"workflow": "publish"}})
    assert found.document["process"] == [{"workflow": "publish"}]
    assert str(found.id) == "modis/viirs/workflow-publish/a/b"


@given(collections=NAME, workflow=WORKFLOW, items=st.lists(NAME, min_size=1))
def test_an_id_names_its_parts_and_its_row(collections: str, workflow: str, items: list[str]) -> None:
    try:
        found = derive_id([{"id": one} for one in items], workflow, collections)
    except DocumentError:  # a dot or two between slashes, or too long
        return
    assert found == PayloadId(f"{collections}_{workflow}", "/".join(sorted(items)))
    assert PayloadId.of(str(found)) == found == parse_subject(found.key)


@given(st.permutations(["d", "b", "c", "a"]))
def test_the_order_of_items_does_not_matter(ids: list[str]) -> None:
    assert str(derive_id([{"id": one, "collection": one} for one in ids], "w")) == "a/b/c/d/workflow-w/a/b/c/d"


def test_a_collection_that_reads_as_a_workflow_is_refused() -> None:
    """Its id would be that of another payload."""
    with pytest.raises(DocumentError, match="neither of the first two holds /workflow-"):
        derive_id([{"id": "a"}], "w", "c/workflow-x")


@given(VALUE)
@settings(max_examples=300)
def test_any_json_is_a_payload_or_refused_in_a_sentence(value: Any) -> None:
    features = {"process": [value], "features": [value]}
    for whole in (value, {"process": value, "features": []}, features, PLAIN | {"id": value}):
        with suppress(DocumentError):
            assert read_payload(whole).id


def test_an_address_stands_for_a_payload() -> None:
    assert address_of({"href": "s3://b/k", "url": "s3://other/k"}) == "s3://b/k"
    assert address_of(PLAIN | {"url": "s3://b/k"}) is None
    assert address_of({"url": 3}) is None


def test_120_000_bytes_are_the_most_that_an_execution_is_given_itself() -> None:
    """`{"a": "x..."}` within a text within a text: 10 bytes around the letters, 4 for escapes, 2 for the outer text."""
    most = 120_000 - len(json.dumps(json.dumps({"a": ""})))
    assert is_inline({"a": "x" * most})
    assert not is_inline({"a": "x" * (most + 1)})
