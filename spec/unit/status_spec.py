"""Status: the grid of a backfill, in the terminal and as a page; from either index alike."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from pileus.backfills.grid import SYMBOLS, layout, symbol
from pileus.backfills.record import Outcome, note_files
from pileus.backfills.status import WORST_FIRST, Cell, Status, outcomes, status
from pileus.backfills.status_page import page
from pileus.cli.grid import STYLES, grid, legend
from pileus.edges.aws import Aws
from pileus.edges.dynamo_index import DynamoIndex
from pileus.edges.index import Brief, Index, MemoryIndex
from pileus.errors import Conflict, StoreError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry, Failure
from pileus.models import Partition, Problem, State
from pileus.wiring import Edges, wire_folder
from spec.servers import free_port

BACKFILL = Backfill("b", "viirs", "001", "2014-11", "2015-03", "month", started="2026-01-01T00:00:00")
NASTY = '<script>alert("x")</script>'


def entry(period: str, group: str, state: State, run: str = "b/1", **facts: Any) -> Entry:
    return Entry(Partition("viirs", "001", period, group), state, run, **facts)


ENTRIES = [
    entry("2014-11", "g", State.succeeded, downloaded=100, size=100, manifest="s3://protected/manifests/x"),
    entry("2014-12", "g", State.succeeded, "other/1"),
    entry("2015-01", "g", State.failed, failure=Failure("Corrupt", NASTY, "x.tgz"), downloaded=50, size=100),
    entry("2015-01", NASTY, State.succeeded),
    entry("2015-02", "g", State.waiting, reason="5 of 6 published, missing 75N060E"),
]


@pytest.fixture
def edges(tmp_path: Path) -> Edges:
    made = wire_folder(tmp_path, {})
    made.index.put_backfill(BACKFILL)
    for one in ENTRIES:
        made.index.put(one)
    return made


@pytest.fixture
def found(edges: Edges) -> Status:
    return status(edges, "b")


def test_every_state_has_its_letter_colour_and_rank() -> None:
    assert len(set(SYMBOLS.values())) == len(State)
    assert set(STYLES) == set(WORST_FIRST) == set(State)


def test_each_month_shows_what_most_wants_a_look(found: Status) -> None:
    assert [(cell.period, symbol(cell)) for cell in found.cells] == [
        ("2014-11", "S"),
        ("2014-12", "U"),
        ("2015-01", "f"),  # lower case: not all of its groups
        ("2015-02", "W"),
        ("2015-03", "P"),
    ]
    assert (found.bytes_done, found.bytes_wanted) == (150, 200)


def test_years_go_down_and_months_across(found: Status) -> None:
    heads, rows = layout("month", found.cells)
    assert heads[0] == "01"
    assert [row.label for row in rows] == ["2014", "2015"]
    assert [symbol(cell) if cell else "" for cell in rows[0].cells] == [""] * 10 + ["S", "U"]


def test_days_and_years_have_their_grids() -> None:
    days = [Cell(period, Counter([State.succeeded])) for period in ("2015-01-31", "2015-02-01")]
    _, rows = layout("day", days)
    assert [row.label for row in rows] == ["2015-01", "2015-02"]
    assert rows[0].cells[30] is days[0]
    _, rows = layout("year", [Cell("2015", Counter([State.failed]))])
    assert rows[0].label == "2010s"
    assert rows[0].cells[5]


def test_the_terminal_shows_letters_and_their_meaning(found: Status) -> None:
    console = Console(width=120, record=True)
    console.print(grid(found))
    console.print(legend(found))
    text = console.export_text()
    assert re.search(r"2015 +f +W +P", text)
    assert "1 up to date" in text
    assert "lower case: not all groups" in text


def test_a_month_of_days_fits_into_eighty_columns() -> None:
    january = [Outcome(f"2015-01-{day:02}", "g", State.succeeded) for day in range(1, 32)]
    days = Status(Backfill("days", "viirs", "001", "2015-01-01", "2015-01-31", "day"), january)
    console = Console(width=80, record=True)
    console.print(grid(days))
    tens, ones, letters = (line.rstrip() for line in console.export_text().splitlines())
    assert tens.split() == list("0" * 9 + "1" * 10 + "2" * 10 + "33")
    assert ones.split() == list("1234567890" * 3 + "1")
    assert letters == "2015-01 " + " ".join("S" * 31)


class Tags(HTMLParser):
    """Names, attributes and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(found: Status) -> Tags:
    tags = Tags()
    tags.feed(page(found, "protected", lambda url: url.replace("s3://", "http://127.0.0.1/"), made="now"))
    return tags


def test_the_page_escapes_what_providers_and_users_name(found: Status) -> None:
    tags = parsed(found)
    assert tags.tags["script"] == 0
    assert tags.text.count(NASTY) == 2, "as a group, and in an error"


def test_the_page_links_to_outputs_and_needs_nothing_from_elsewhere(found: Status) -> None:
    outside = [link for link in parsed(found).links if not link.startswith("#")]
    assert all(link.startswith("http://127.0.0.1/protected/") for link in outside)
    assert "http://127.0.0.1/protected/manifests/viirs/001/2014-11/g/manifest.json" in outside
    assert parsed(found).tags["link"] == parsed(found).tags["img"] == 0


def test_the_page_tells_why(found: Status) -> None:
    assert "5 of 6 published, missing 75N060E" in parsed(found).text


# --- the two indexes


@pytest.fixture(params=["memory", "dynamodb"])
def index(request: pytest.FixtureRequest) -> Index:
    if request.param == "memory":
        return MemoryIndex()
    client = Aws(request.getfixturevalue("aws").url).dynamodb
    names = {"partitions": f"status-spec-{uuid4()}"}
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("collection", "partition")]
    keys = [{"AttributeName": "collection", "KeyType": "HASH"}, {"AttributeName": "partition", "KeyType": "RANGE"}]
    client.create_table(
        TableName=names["partitions"],
        AttributeDefinitions=attributes,  # type: ignore[arg-type]
        KeySchema=keys,  # type: ignore[arg-type]
        BillingMode="PAY_PER_REQUEST",
    )
    return DynamoIndex(client, **names, payloads="none", backfills="none", manifests="s3://protected/manifests/")


def test_entries_come_back_as_they_were_in_order(index: Index) -> None:
    place = "s3://protected/manifests/viirs/001/2015-06/g/manifest.json"
    many = [*ENTRIES, entry("2015-06", "g", State.succeeded, manifest=place, lease=12.5)]
    stored = [index.put(one) for one in reversed(many)]
    assert [replace(one, tag="") for one in stored] == list(reversed(many))
    assert list(index.entries("viirs", "001", "2014-11", "2015-06")) == sorted(stored, key=lambda e: e.partition.key)
    assert index.entry(many[-1].partition) == stored[0]


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [
        ("2014-11", "2014-12", 2),
        ("2014-12", "2015-01", 3),
        ("2015-02", "2015-12", 1),
        ("0000", "9999", 5),
        ("2016-01", "2020-12", 0),
    ],
)
def test_a_span_takes_both_its_ends(index: Index, first: str, last: str, count: int) -> None:
    for one in ENTRIES:
        index.put(one)
    assert len(list(index.entries("viirs", "001", first, last))) == count
    assert len(list(index.briefs("viirs", "001", first, last))) == count
    assert list(index.briefs("viir", "001", first, last)) == []


def test_a_brief_says_what_the_grid_needs(index: Index) -> None:
    for one in ENTRIES:
        index.put(one)
    briefs = {(b.period, b.group): b for b in index.briefs("viirs", "001", "2014-11", "2015-03")}
    assert briefs["2015-01", NASTY].state is State.succeeded
    failed = briefs["2015-01", "g"]
    assert (failed.run, failed.size, failed.downloaded) == ("b/1", 100, 50)
    assert failed.why == f"Corrupt: x.tgz: {NASTY}"


def test_an_entry_is_put_once(index: Index) -> None:
    index.put(ENTRIES[0])
    with pytest.raises(Conflict):
        index.put(ENTRIES[0])


def test_an_index_out_of_reach_is_our_error_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)  # it tries again five times
    nowhere = Aws(f"http://127.0.0.1:{free_port()}").dynamodb
    with pytest.raises(StoreError) as caught:
        DynamoIndex(nowhere, partitions="p", payloads="y", backfills="b").entry(ENTRIES[0].partition)
    assert caught.value.where == ENTRIES[0].partition.key


def test_a_hundred_thousand_are_counted(edges: Edges) -> None:
    days = Backfill("days", "viirs", "001", "1900-01-01", "2173-10-15", "day")
    (one,) = edges.index.briefs("viirs", "001", "2014-11", "2014-11")

    class Many(MemoryIndex):
        def briefs(self, *_: str) -> Iterator[Brief]:
            return (one._replace(run="days/1", period=period.iso) for period in days.periods)

    found = Status(days, outcomes(replace(edges, index=Many()), days))
    assert found.counts == {State.succeeded: 100_000}


def test_files_set_aside_are_read_where_they_are_asked_for_and_not_at_each_look(tmp_path: Path) -> None:
    edges = wire_folder(tmp_path, {})
    edges.index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-01", "month"))
    old = Problem("superseded", "old.tgz", "new.tgz is newer")
    note_files(edges, "b", 1, "2015-01", [old])
    assert list(status(edges, "b").files) == []
    assert list(status(edges, "b", files=True).files) == [("2015-01", old)]
