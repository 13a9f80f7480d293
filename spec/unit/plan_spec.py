"""Plan: what would be done with each partition, and why; and that asking changes nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pileus.backfills.plan import Plan, plan
from pileus.documents import Collection, Meta, Process, Provider, parse_value
from pileus.edges.aws import Aws, Stack
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.fingerprint import fingerprint
from pileus.lifecycle.partition import Entry, Failure
from pileus.lifecycle.selection import decide
from pileus.listings import Listings
from pileus.models import Granule, Group, Listed, Partition, State
from pileus.wiring import Edges, wire, wire_folder
from spec.servers import Site

SIX = tuple(Granule(Listed(f"{n}.tgz", f"https://x.org/{n}.tgz", 100), {"tile": str(n)}) for n in range(6))
WHOLE = Group("20150101", SIX)
RULES = Process(band="light", zones="s3://internal/zones/1/a.geojson")
NOW = fingerprint(SIX, Meta(process=RULES))
PARTITION = Partition("viirs", "001", "2015-01", "20150101")
DONE = Entry(PARTITION, State.succeeded, "b/1", fingerprint=str(NOW), manifest="s3://protected/m")
FAILED = replace(DONE, state=State.failed, failure=Failure("Corrupt", "size"))
WAITED = Entry(PARTITION, State.waiting, "b/1")
CANCELLED = replace(DONE, state=State.cancelled)
BIGGER = fingerprint([replace(SIX[0], file=replace(SIX[0].file, size=101)), *SIX[1:]], Meta(process=RULES))
OTHER_ZONES = fingerprint(SIX, Meta(process=RULES.model_copy(update={"zones": "s3://internal/zones/2/a.geojson"})))
OTHER_STATS = fingerprint(SIX, Meta(process=RULES.model_copy(update={"stats": ("mean",)})))

STANDINGS = {
    "new": (None, NOW, "new"),
    "failed": (FAILED, NOW, "failed before: Corrupt"),
    "cancelled": (CANCELLED, NOW, "cancelled before"),
    "now complete": (WAITED, NOW, "now complete"),
    "source": (DONE, BIGGER, "source changed"),
    "zones": (DONE, OTHER_ZONES, "zones changed"),
    "parameters": (DONE, OTHER_STATS, "parameters changed"),
    "done": (DONE, NOW, "up to date"),
}
STALE = {"source", "zones", "parameters"}
PICKED = {
    "needed": set(STANDINGS) - {"done"},
    "missing": {"new", "now complete"},
    "failed": {"failed", "cancelled"},
    "incomplete": {"now complete"},
    "stale": STALE,
    "all": set(STANDINGS),
}


@pytest.mark.parametrize("standing", STANDINGS)
@pytest.mark.parametrize("select", PICKED)
def test_what_a_selection_picks(select: Any, standing: str) -> None:
    entry, now, reason = STANDINGS[standing]
    decision = decide(WHOLE, entry, now, select)
    assert decision.action == ("run" if standing in PICKED[select] else "skip")
    asked_again = select == "all" and standing == "done"
    assert decision.reason == ("asked for again" if asked_again else reason)


RUNNING = Entry(PARTITION, State.running, "other/1")


@pytest.mark.parametrize(
    ("select", "owed"),
    [("failed", State.cancelled), ("failed", State.failed), ("incomplete", State.waiting)],
)
def test_a_retry_picks_what_its_own_earlier_run_owes_whoever_is_at_it_now(select: Any, owed: State) -> None:
    """Another backfill has listed the point since, so that the index tells of that one's work alone."""
    for entry, live in ((None, False), (RUNNING, True), (replace(DONE, fingerprint=str(BIGGER)), False)):
        assert decide(WHOLE, entry, NOW, select, live=live, owed=owed).action == "run"
        assert decide(WHOLE, entry, NOW, select, live=live).action == "skip"
    assert decide(WHOLE, DONE, NOW, select, owed=owed).kind == "up to date"


@pytest.mark.parametrize("select", PICKED)
def test_five_of_six_wait_whatever_is_selected(select: Any) -> None:
    decision = decide(Group("20150101", SIX[:5], ("5",)), DONE, NOW, select)
    assert (decision.action, decision.reason) == ("wait", "5 of 6 published, missing 5")


# A provider that is a folder: 2015-01 whole, 2015-02 one of two tiles, 2015-03 empty, 2015-04 not there.


def template(site: Path, **changes: Any) -> Collection:
    value = {
        "name": "tiny",
        "templated_name": "tiny_{{pointInTime}}",
        "files": [{"regex": r"tiny_(?P<start>\d{6})_(?P<tile>[ab])\.tgz"}],
        "provider_path": f"{site}/{{{{pointInTime}}}}",
        "options": {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201504"},
        "meta": {
            "group": {"by": ["start"], "each": "tile", "expect": ["a", "b"]},
            "process": {"band": "light", "zones": "s3://internal/zones/1/a.geojson"},
        },
    }
    return parse_value(Collection, value | changes, "spec")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    for month, tiles in (("201501", "ab"), ("201502", "a"), ("201503", "")):
        (folder / month).mkdir(parents=True)
        for number, tile in enumerate(tiles):
            (folder / month / f"tiny_{month}_{tile}.tgz").write_bytes(b"x" * (100 + number))
    return folder


FOLDER = Provider(id="site", protocol="file")
WHOLE_SPAN = Backfill("b", "tiny", "001", "2015-01", "2015-04", "month")


def told(found: Plan) -> dict[str, tuple[str, str]]:
    return {row.partition.period: (row.action, row.reason) for row in found.rows}


def test_each_month_has_its_action_and_reason(site: Path, tmp_path: Path) -> None:
    found = plan(wire_folder(tmp_path / "s3", {}), template(site), FOLDER, WHOLE_SPAN)
    told_of = told(found)
    assert told_of["2015-01"] == ("run", "new")
    assert told_of["2015-02"] == ("wait", "1 of 2 published, missing b")
    assert told_of["2015-03"] == ("wait", "nothing published")
    assert told_of["2015-04"][0] == "error"


def test_totals_are_of_what_would_run(site: Path, tmp_path: Path) -> None:
    totals = plan(wire_folder(tmp_path / "s3", {}), template(site), FOLDER, WHOLE_SPAN).to_json()["totals"]
    assert totals["actions"] == {"run": 1, "wait": 2, "error": 1}
    assert (totals["files"], totals["bytes"]) == (2, 201)
    assert totals["worker_minutes"] is None, "nothing was done before: the speed is unknown"


def test_expected_minutes_come_from_what_was_done_before(site: Path, tmp_path: Path) -> None:
    edges = wire_folder(tmp_path / "s3", {})
    done = Entry(Partition("tiny", "001", "2015-02", "201502"), State.succeeded, "a/1", downloaded=201, seconds=60)
    edges.index.put(done)
    found = plan(edges, template(site), FOLDER, WHOLE_SPAN)
    assert found.minutes == pytest.approx(1), "201 bytes at 201 bytes a minute"


@pytest.mark.parametrize(
    ("order", "months"),
    [("oldest", ["2015-01", "2015-02"]), ("newest", ["2015-02", "2015-01"]), ("smallest", ["2015-02", "2015-01"])],
)
def test_the_order_in_which_months_would_start(site: Path, tmp_path: Path, order: Any, months: list[str]) -> None:
    (site / "201502/tiny_201502_b.tgz").write_bytes(b"x")  # 101 bytes against 201
    found = plan(wire_folder(tmp_path / "s3", {}), template(site), FOLDER, replace(WHOLE_SPAN, order=order))
    assert found.periods == months


def test_a_folder_of_all_months_is_listed_once(tmp_path: Path) -> None:
    folder = tmp_path / "flat"
    folder.mkdir()
    for month in ("201501", "201502"):
        for tile in "ab":
            (folder / f"tiny_{month}_{tile}.tgz").write_bytes(b"x")
    regex = r"tiny_(?P<start>{{pointInTime}})_(?P<tile>[ab])\.tgz"
    flat = template(folder, provider_path=str(folder), files=[{"regex": regex}])
    listings = Listings()
    edges = wire_folder(tmp_path / "s3", {})
    first = plan(edges, flat, FOLDER, WHOLE_SPAN, listings=listings)
    (folder / "tiny_201503_a.tgz").write_bytes(b"x")
    (folder / "tiny_201503_b.tgz").write_bytes(b"x")
    assert [row.partition.group for row in first.running] == ["201501", "201502"]
    assert len(plan(edges, flat, FOLDER, WHOLE_SPAN, listings=listings).running) == 2, "kept from the first plan"
    assert len(plan(edges, flat, FOLDER, WHOLE_SPAN).running) == 3


READS = {"GetObject", "ListObjectsV2", "Query", "GetItem"}


@pytest.fixture
def recorded(aws: Site) -> tuple[Edges, list[str]]:
    """Edges to real tables and buckets, and the name of every call made to them."""
    clients = Aws(aws.url)
    names = {name: f"plan-spec-{name}" for name in ("internal", "protected", "partitions", "backfills", "connections")}
    queues = dict.fromkeys(("ingest", "ingest_dead", "backfill", "backfill_dead", "topic"), "")
    stack = Stack(stack="plan", workflows="", visibility="30", deaths="3", **names, **queues)
    for bucket in (stack.internal, stack.protected):
        clients.s3.create_bucket(Bucket=bucket)
    keys = {stack.partitions: ("collection", "partition"), stack.backfills: ("id",), stack.connections: ("provider",)}
    for table, attributes in keys.items():
        clients.dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(attributes, ("HASH", "RANGE"), strict=False)  # type: ignore[typeddict-item]
            ],
        )
    calls: list[str] = []
    for client in (clients.s3, clients.dynamodb):
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    return wire({}, clients, stack), calls


def test_it_writes_nothing(recorded: tuple[Edges, list[str]], site: Path) -> None:
    edges, calls = recorded
    edges.index.put(Entry(Partition("tiny", "001", "2015-01", "201501"), State.failed, "a/1"))
    assert "PutItem" in calls, "the recording sees writes"
    manifest = {"bytes_downloaded": 100, "scratch_bytes": 300}
    edges.store.put(edges.protected("manifests/tiny/001/2014-12/x/manifest.json"), json.dumps(manifest).encode())
    calls.clear()

    found = plan(edges, template(site), FOLDER, WHOLE_SPAN)

    assert told(found)["2015-01"] == ("run", "failed before: unknown")
    assert found.running[0].scratch == round(201 * 3 * 1.1), "as the manifest of an earlier month tells"
    assert calls
    assert set(calls) <= READS
