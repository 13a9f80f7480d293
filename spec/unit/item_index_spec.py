"""The index of STAC items: what a search finds, in which order, and what is read again."""

import json
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from pileus import keys
from pileus.edges.store import FolderStore
from pileus.errors import NotNow, UsageError
from pileus.models import Partition
from pileus.outputs import item_index
from pileus.outputs.item_index import ItemIndex, Items, Rows
from pileus.outputs.item_query import EPOCH, Query, Sort
from pileus.outputs.stac import collection_id, item_id

SQUARE = (1.0, 1.0, 5.0, 5.0)
Box = tuple[float, float, float, float]


def put(store: FolderStore, partition: Partition, box: Box = SQUARE, last: str | None = None) -> str:
    """An item of one month, with no more than the index reads. Returns its key."""
    told = {
        "id": item_id(partition),
        "collection": collection_id(partition),
        "bbox": box,
        "properties": {
            "start_datetime": f"{partition.period}-01T00:00:00Z",
            "end_datetime": last or f"{partition.period}-28T23:59:59Z",
        },
    }
    key = keys.item_key(partition)
    store.put(f"s3://b/{key}", json.dumps(told).encode())
    return key


def months(store: FolderStore, *periods: str, collection: str = "tiny") -> list[str]:
    return [put(store, Partition(collection, "001", period, "g")) for period in periods]


class Counting(FolderStore):
    """Remembers which objects were read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def get(self, url: str) -> bytes:
        self.read.append(url)
        return super().get(url)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    return Counting(tmp_path)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def found(items: Items, **query: Any) -> list[str]:
    """Periods of the items that are found."""
    return [keys.partition_of(key).period for key in items.find(Query(**{"limit": 100, **query})).keys]


def at(text: str) -> int:
    return int((datetime.fromisoformat(text) - EPOCH).total_seconds() * 1e6)


def test_items_are_found_newest_first(store: Counting) -> None:
    months(store, "2015-01", "2015-03", "2015-02")
    assert found(ItemIndex(store, "b").items()) == ["2015-03", "2015-02", "2015-01"]


def test_an_item_is_found_by_any_moment_of_its_month(store: Counting) -> None:
    months(store, "2015-01", "2015-02", "2015-03")
    items = ItemIndex(store, "b").items()
    assert found(items, first=at("2015-02-28T23:59:59Z")) == ["2015-03", "2015-02"]
    assert found(items, last=at("2015-02-01T00:00:00Z")) == ["2015-02", "2015-01"]
    moment = at("2015-02-14T00:00:00Z")
    assert found(items, first=moment, last=moment) == ["2015-02"]


def test_an_item_is_found_by_what_touches_its_box(store: Counting) -> None:
    months(store, "2015-01")
    items = ItemIndex(store, "b").items()
    assert found(items, boxes=[(5, 5, 6, 6)])
    assert not found(items, boxes=[(5.1, 5, 6, 6)])
    assert found(items, boxes=[(100, 0, 101, 1), (0, 0, 1, 1)])
    assert found(items, shape=shapely.Point(1, 1))
    diagonal = shapely.LineString([(0, 5), (0.9, 5.9)])
    assert not found(items, shape=diagonal)
    corner = shapely.LineString([(0, 4), (2, 8)])  # its box overlaps; the line passes by the corner (1, 5)
    assert not found(items, shape=corner)


def test_an_item_is_found_by_collection_and_id(store: Counting) -> None:
    months(store, "2015-01", "2015-02")
    months(store, "2015-01", collection="other")
    items = ItemIndex(store, "b").items()
    assert items.find(Query(collections=frozenset(["tiny-001"]))).matched == 2
    assert items.find(Query(ids=frozenset(["other-001-2015-01-g", "none"]))).matched == 1
    assert items.find(Query(ids=frozenset())).matched == 0
    row = items.row("tiny-001", "tiny-001-2015-02-g")
    assert row is not None
    assert items.keys[row] == "stac/tiny/001/2015-02/g.json"
    assert items.row("other-001", "tiny-001-2015-02-g") is None


def test_items_are_sorted_by_several_fields(store: Counting) -> None:
    months(store, "2015-01", "2015-02")
    months(store, "2015-02", collection="other")
    items = ItemIndex(store, "b").items()
    page = items.find(Query(sort=[Sort("datetime", descending=True), Sort("id", descending=True)]))
    assert page.keys == [
        "stac/tiny/001/2015-02/g.json", "stac/other/001/2015-02/g.json", "stac/tiny/001/2015-01/g.json",
    ]  # fmt: skip
    assert items.find(Query(sort=[Sort("collection"), Sort("end_datetime")])).keys[0].startswith("stac/other")


def test_only_what_has_changed_is_read_again(store: Counting) -> None:
    months(store, "2015-01", "2015-02", "2015-03")
    clock = Clock()
    index = ItemIndex(store, "b", clock)
    before = index.items()
    assert len(store.read) == 3
    clock.now = 100
    assert index.items() is before
    put(store, Partition("tiny", "001", "2015-02", "g"), box=(7, 7, 8, 8))
    months(store, "2014-12")
    store.delete("s3://b/stac/tiny/001/2015-03/g.json")
    store.read.clear()
    clock.now = 200
    after = index.items()
    assert sorted(store.read) == ["s3://b/stac/tiny/001/2014-12/g.json", "s3://b/stac/tiny/001/2015-02/g.json"]
    assert found(after) == ["2015-02", "2015-01", "2014-12"]
    assert found(after, boxes=[(7, 7, 7, 7)]) == ["2015-02"]


def test_an_index_is_asked_of_the_bucket_when_it_is_not_fresh(store: Counting) -> None:
    months(store, "2015-01")
    clock = Clock()
    index = ItemIndex(store, "b", clock)
    index.items()
    months(store, "2015-02")
    clock.now = item_index.FRESH - 1
    assert found(index.items()) == ["2015-01"]
    clock.now = item_index.FRESH + 1
    assert found(index.items()) == ["2015-02", "2015-01"]


def test_who_asks_while_another_reads_gets_the_index_before(store: Counting) -> None:
    months(store, "2015-01")
    clock, held, go_on = Clock(), threading.Event(), threading.Event()
    index = ItemIndex(store, "b", clock)
    before = index.items()
    months(store, "2015-02")
    clock.now = 100
    read = store.get

    def slow(url: str) -> bytes:
        held.set()
        assert go_on.wait(30)
        return read(url)

    store.get = slow  # type: ignore[method-assign]
    first = threading.Thread(target=index.items)
    first.start()
    assert held.wait(30)
    assert index.items() is before
    go_on.set()
    first.join(30)
    assert found(index.items()) == ["2015-02", "2015-01"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"id": 1}', b"\xff"])
def test_what_is_no_item_is_left_out_and_read_once(store: Counting, body: bytes) -> None:
    months(store, "2015-01")
    store.put("s3://b/stac/tiny/001/2015-02/g.json", body)
    store.put("s3://b/stac/tiny/001/collection.json", b"{}")
    store.put("s3://b/stac/tiny/001/items.parquet", b"")
    clock = Clock()
    index = ItemIndex(store, "b", clock)
    assert found(index.items()) == ["2015-01"]
    assert len(store.read) == 2
    clock.now = 100
    index.items()
    assert len(store.read) == 2


def test_an_item_of_another_partition_than_its_key_is_left_out(store: Counting) -> None:
    months(store, "2015-01")
    store.put("s3://b/stac/tiny/001/2015-02/g.json", store.get("s3://b/stac/tiny/001/2015-01/g.json"))
    assert found(ItemIndex(store, "b").items()) == ["2015-01"]


def test_more_items_than_memory_is_kept_for_are_refused(store: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_index, "MOST", 2)
    months(store, "2015-01", "2015-02", "2015-03")
    with pytest.raises(NotNow, match="more than 2 items"):
        ItemIndex(store, "b").items()


def test_a_token_of_what_is_gone_is_refused(store: Counting) -> None:
    months(store, "2015-01")
    with pytest.raises(UsageError, match="search without it"):
        ItemIndex(store, "b").items().find(Query(after="stac/tiny/001/2014-01/g.json"))


def synthetic(boxes: Sequence[Box]) -> Items:
    """An index of items of one collection, a month after the other."""
    names = sorted(keys.item_key(Partition("tiny", "001", f"{1000 + n}-01", "g")) for n in range(len(boxes)))
    rows = Rows(len(boxes))
    rows.codes[:] = 0
    rows.boxes[:] = boxes
    rows.spans[:, 0] = rows.spans[:, 1] = range(len(boxes))
    rows.hashes[:] = [hash(item_id(keys.partition_of(name))) for name in names]
    return Items(names, np.zeros(len(boxes), np.int64), [("tiny", "001")], rows)


edge = st.integers(-5, 5)
box = st.tuples(edge, edge, st.integers(0, 3), st.integers(0, 3)).map(
    lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
)


@given(st.lists(box, min_size=1, max_size=30), box, st.integers(1, 7), st.booleans())
def test_pages_are_the_whole_in_order_for_any_items(boxes: list[Box], asked: Box, limit: int, oldest: bool) -> None:
    items = synthetic(boxes)
    order = range(len(boxes)) if oldest else range(len(boxes) - 1, -1, -1)
    wanted = [items.keys[n] for n in order if shapely.box(*boxes[n]).intersects(shapely.box(*asked))]
    pages, after = list[str](), None
    sort = [Sort("datetime")] if oldest else []
    while True:
        page = items.find(Query(boxes=[asked], limit=limit, sort=sort, after=after))
        assert page.matched == len(wanted)
        pages += page.keys
        if not page.more:
            break
        after = page.keys[-1]
    assert pages == wanted
