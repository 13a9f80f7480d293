"""One contract for every index: compare-and-swap, and one owner whatever races."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from pileus import lifecycle
from pileus.cirrus.rows import places
from pileus.edges.dynamo_index import DynamoIndex
from pileus.edges.index import Index, MemoryIndex, PayloadQuery, change
from pileus.errors import Conflict, DamagedObject
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, State
from pileus.subject import PayloadId, Request
from spec.servers.sessions import aws_client

PARTITION = Partition("viirs", "001", "2015-01", "20150101")
BACKFILL = Backfill("b", "viirs", "001", "2015-01", "2015-12", "month")


@pytest.fixture(params=["memory", "dynamodb"])
def index(request: pytest.FixtureRequest) -> Iterator[Index]:
    if request.param == "memory":
        yield MemoryIndex()
        return
    client: Any = aws_client(request.getfixturevalue("aws"), "dynamodb")
    tables: dict[str, tuple[str, ...]] = {
        "partitions": ("collection", "partition"),
        "payloads": ("collections_workflow", "itemids"),
        "backfills": ("id",),
    }
    for name, keys in tables.items():
        sorts = ("updated", "state_updated") if name == "payloads" else ()
        local = [
            {"IndexName": s, "KeySchema": _keys(keys[0], s), "Projection": {"ProjectionType": "ALL"}} for s in sorts
        ]
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in (*keys, *sorts)],
            KeySchema=_keys(*keys),
            **({"LocalSecondaryIndexes": local} if local else {}),
        )
    yield DynamoIndex(client, partitions="partitions", payloads="payloads", backfills="backfills")
    for name in tables:
        client.delete_table(TableName=name)


def _keys(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": k, "KeyType": t} for k, t in zip(names, ("HASH", "RANGE"), strict=False)]


def queued(period: str = "2015-01", group: str = "g") -> Entry:
    return Entry(Partition("viirs", "001", period, group), State.queued, "b/1")


def test_what_is_put_is_read_back(index: Index) -> None:
    stored = index.put(queued())
    assert stored.tag
    assert replace(stored, tag="") == queued()
    assert index.entry(queued().partition) == stored


def test_a_stale_change_is_refused(index: Index) -> None:
    index.put(queued())
    with pytest.raises(Conflict):
        index.put(queued())
    with pytest.raises(Conflict):
        index.put(replace(queued()))


def test_entries_come_by_span_in_order_and_only_of_their_collection(index: Index) -> None:
    for period in ("2015-03", "2015-01", "2015-02"):
        index.put(queued(period))
    index.put(replace(queued(), subject=Partition("viirs2", "001", "2015-02", "g")))
    found = [entry.partition.period for entry in index.entries("viirs", "001", "2015-01", "2015-02")]
    assert found == ["2015-01", "2015-02"]


def test_several_are_read_at_once_and_those_that_are_not_there_are_left_out(index: Index) -> None:
    for number in range(120):
        index.put(queued(group=str(number)))
    wanted = [queued(group=str(number)).partition for number in range(100, 140)]
    assert sorted(entry.partition.group for entry in index.several(wanted)) == [str(n) for n in range(100, 120)]


REQUESTS = [Entry(Request("zonal-statistics", f"r{number}"), State.queued, "x/1") for number in range(5)]


def test_a_request_is_kept_beside_partitions_and_in_no_list_of_them(index: Index) -> None:
    stored = index.put(replace(REQUESTS[0], extra={"created": 1.5}, manifest="s3://protected/result.json"))
    index.put(queued())
    assert index.entry(stored.subject) == stored
    assert index.several([stored.subject, queued().subject]) != []
    assert [entry.subject.kind for entry in index.entries("viirs", "001", "0000", "9999")] == ["partition"]
    assert [one.period for one in index.briefs("viirs", "001", "2015-01", "2015-12")] == ["2015-01"]
    with pytest.raises(Conflict):
        index.put(REQUESTS[0])
    index.remove(stored)
    assert index.entry(stored.subject) is None


def payload(item: str, state: State = State.running, updated: float = 0, error: str = "Boom") -> Entry:
    failure = Failure(error, "it broke") if state is State.failed else None
    subject = PayloadId("viirs_publish", item)
    return Entry(subject, state, f"{subject.key}/1", failure=failure, updated=updated, extra={"executions": ["a:1"]})


PAYLOADS = [
    payload("a", State.succeeded, 30),
    payload("b", State.failed, 10),
    payload("c", State.failed, 20, "InvalidInput"),
    payload("d", State.succeeded, 30),
    payload("e", State.succeeded, 40),
]


def items(found: list[Entry]) -> str:
    return "".join(entry.subject.item for entry in found)


def test_a_payload_is_kept_beside_partitions_with_its_executions(index: Index) -> None:
    stored = index.put(replace(payload("a/b"), extra={"executions": ["x:1", "x:2"], "created": 1.5}))
    assert index.entry(stored.subject) == stored
    index.put(queued())
    assert {entry.subject.kind for entry in index.several([stored.subject, queued().subject])} == {
        "payload",
        "partition",
    }
    assert index.listing("payload:viirs_publish", limit=9) == [stored]
    with pytest.raises(Conflict):
        index.put(payload("a/b"))
    index.remove(stored)
    assert index.entry(stored.subject) is None


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "edacb"),
        ({"ascending": True}, "bcade"),
        ({"state": "SUCCEEDED"}, "eda"),
        ({"state": "SUCCEEDED", "ascending": True}, "ade"),
        ({"state": "INVALID"}, "c"),
        ({"state": "PROCESSING"}, ""),
        ({"since": 20}, "edac"),
        ({"since": 30, "state": "SUCCEEDED"}, "eda"),
        ({"since": 31, "state": "SUCCEEDED"}, "e"),
        ({"by_state": True}, "edacb"),
        ({"by_state": True, "ascending": True}, "bcade"),
    ],
)
def test_payloads_come_by_change_or_state_in_pages_of_any_size(
    index: Index, wanted: dict[str, Any], found: str
) -> None:
    """`a` and `d` changed at the same moment, and neither is lost between two pages."""
    for entry in (*PAYLOADS, replace(PAYLOADS[0], subject=PayloadId("viirs_other", "z"))):
        index.put(entry)
    query = PayloadQuery("payload:viirs_publish", **wanted)
    assert items(index.payloads(query, limit=9)) == found
    assert index.count_payloads(query, limit=9) == len(found)
    for limit in (1, 2, 3):
        told, after = "", None
        while page := index.payloads(query, limit=limit, after=after):
            told += items(page)
            after = (places(page[-1])[query.sorted_by], page[-1].subject.item)
        assert told == found


def test_a_page_may_begin_where_the_span_does_not_reach_any_more(index: Index) -> None:
    for entry in PAYLOADS:
        index.put(entry)
    late = PayloadQuery("payload:viirs_publish", since=35)
    place = places(PAYLOADS[1])["updated"]
    assert items(index.payloads(late, limit=9, after=(place, "b"))) == ""
    assert items(index.payloads(replace(late, ascending=True), limit=9, after=(place, "b"))) == "e"


def test_of_more_payloads_than_the_limit_it_is_told_that_there_are_more(index: Index) -> None:
    for entry in PAYLOADS:
        index.put(entry)
    assert index.count_payloads(PayloadQuery("payload:viirs_publish"), limit=2) > 2


@pytest.mark.parametrize("backwards", [False, True])
def test_a_scope_is_listed_page_by_page(index: Index, backwards: bool) -> None:
    for entry in (*REQUESTS, Entry(Request("zonal", "other"), State.queued, "x/1"), queued(), queued("2015-02")):
        index.put(entry)
    pages: list[list[str]] = [["x"]]
    after = ""
    while pages[-1]:
        found = index.listing("request:zonal-statistics", limit=2, after=after, backwards=backwards)
        pages.append([entry.subject.item for entry in found])
        after = pages[-1][-1] if found else ""
    told = [["r0", "r1"], ["r2", "r3"], ["r4"], []]
    assert pages[1:] == ([["r4", "r3"], ["r2", "r1"], ["r0"], []] if backwards else told)
    assert [entry.subject.item for entry in index.listing("viirs/001/2015", limit=9)] == ["2015-01/g", "2015-02/g"]


def test_names_that_look_like_paths_stay_apart(index: Index) -> None:
    names = ["*", "../x", "a/b", "~", "é", "%"]
    for name in names:
        index.put(queued(group=name))
    found = {entry.partition.group for entry in index.entries("viirs", "001", "2015-01", "2015-01")}
    assert found == set(names)


def test_of_fifty_racing_starters_one_queues_it_and_of_fifty_workers_one_has_it(index: Index) -> None:
    index.put_backfill(BACKFILL)

    def start(number: int) -> bool:
        wanted = Entry(PARTITION, State.planned, f"b{number}/1")
        return change(index, PARTITION, lambda e: lifecycle.queue(e, wanted, now=0, live=True)) is not None

    def work(number: int) -> bool:
        stored = index.entry(PARTITION)
        assert stored is not None
        claimed = lifecycle.claim(stored, stored.run, f"w{number}", f"t{number}", lease=9, now=0)
        try:
            if claimed:
                index.put(claimed)
        except Conflict:
            return False
        return claimed is not None

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(start, range(50))) == 1
        assert sum(pool.map(work, range(50))) == 1


def test_an_entry_that_changed_is_not_removed(index: Index) -> None:
    stored = index.put(queued())
    claimed = lifecycle.claim(stored, "b/1", "w", "t", lease=9, now=0)
    assert claimed is not None
    claimed = index.put(claimed)
    with pytest.raises(Conflict):
        index.remove(stored)
    index.remove(claimed)
    assert index.entry(queued().partition) is None


def test_a_backfill_that_changed_is_not_removed(index: Index) -> None:
    stored = index.put_backfill(BACKFILL)
    changed = index.put_backfill(replace(stored, state="paused"))
    with pytest.raises(Conflict):
        index.remove_backfill(stored)
    index.remove_backfill(changed)
    assert index.backfill(BACKFILL.id) is None


def test_backfills_are_listed_newest_first(index: Index) -> None:
    for day in ("01", "03", "02"):
        index.put_backfill(replace(BACKFILL, id=f"b{day}", started=f"2015-01-{day}"))
    assert [backfill.id for backfill in index.backfills()] == ["b03", "b02", "b01"]


def test_a_row_that_other_software_has_written_is_left_alone(aws: Any) -> None:
    """As Cirrus's own Lambdas write it. It is not listed, not read as a payload, and not overwritten."""
    client: Any = aws_client(aws, "dynamodb")
    sorts = ("updated", "state_updated")
    keys = ("collections_workflow", "itemids")
    client.create_table(
        TableName="foreign",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in (*keys, *sorts)],
        KeySchema=_keys(*keys),
        LocalSecondaryIndexes=[
            {"IndexName": sort, "KeySchema": _keys(keys[0], sort), "Projection": {"ProjectionType": "ALL"}}
            for sort in sorts
        ],
    )
    row = {"collections_workflow": "viirs_publish", "itemids": "b", "updated": places(PAYLOADS[0])["updated"]}
    row["state_updated"] = f"PROCESSING_{row['updated']}"
    client.put_item(TableName="foreign", Item={name: {"S": text} for name, text in row.items()})
    index = DynamoIndex(client, partitions="none", payloads="foreign", backfills="none")
    for entry in (PAYLOADS[0], PAYLOADS[3]):
        index.put(entry)
    with pytest.raises(DamagedObject, match="not written by Pileus"):
        index.entry(PAYLOADS[1].subject)
    with pytest.raises(Conflict):
        index.put(PAYLOADS[1])
    assert items(index.listing("payload:viirs_publish", limit=2)) == "ad"
    assert items(index.payloads(PayloadQuery("payload:viirs_publish"), limit=2)) == "da"
    client.delete_table(TableName="foreign")
