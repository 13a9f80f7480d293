"""Groups as payloads, without AWS: what a point in time hands on, and how partitions follow the runs of payloads."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pileus import runs
from pileus.backfills.control import new_backfill, record_started
from pileus.backfills.end import end
from pileus.backfills.status import status
from pileus.documents import Collection, Provider, parse_value
from pileus.edges.index import change_backfill
from pileus.edges.workflows import Outcome
from pileus.errors import DocumentError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.lifecycle.spending import Spending
from pileus.models import Partition, State
from pileus.outputs.commit import read_manifest
from pileus.project.registry import Registry
from pileus.runs.control import EVENT_SECONDS
from pileus.runs.payloads import process
from pileus.tasks.discover_granules import discover_granules
from pileus.tasks.generate_collections import generate_collections
from pileus.tasks.process_payload import FULL
from pileus.tasks.report_status import report_status
from spec.support.stac_site import StacSite, item_of, stac_site
from spec.unit.payload_runs_spec import Office

MONTHS: dict[str, Any] = {
    "name": "months",
    "templated_name": "months_{{pointInTime}}",
    "provider": "site",
    "provider_path": "viirs?datetime={{year}}-{{month}}",
    "files": [{"regex": "[a-z]_[0-9]{6}"}],
    "workflow": "publish",
    "options": {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201503"},
    "meta": {"payload": {"process": [{"description": "x"}, {"workflow": "map"}]}},
}
TRIGGER = "arn:trigger"


@dataclass
class Work(Office):
    """An office with a site, and what a backfill has listed of it."""

    site: StacSite | None = None

    def populate(self, **changes: Any) -> Registry:
        assert self.site
        collection = parse_value(Collection, MONTHS | changes, "months")
        value = {"id": "site", "protocol": "stac", "host": self.site.url}
        found = Registry({"months___001": collection}, {"site": parse_value(Provider, value, "site")}, {})
        self.edges.store.put(self.edges.internal("registry.json"), found.to_json())
        return found

    def begin(self, id: str = "b", **rules: Any) -> list[dict[str, Any]]:
        """Start a backfill, and return the items that its points in time hand on."""
        planned = new_backfill(self.populate(), "months", now=self.edges.now(), id=id, **rules)
        assert planned.workflow == "DiscoverAndProcessPayloads"
        return self.listed(record_started(self.edges, replace(planned, execution=TRIGGER)))

    def listed(self, backfill: Backfill) -> list[dict[str, Any]]:
        made = generate_collections(self.edges, {"input": {"backfill": backfill.id}, "config": {}})
        points = json.loads(self.edges.store.get(f"s3://{made['points']['bucket']}/{made['points']['key']}"))
        found = []
        for point in points:
            answer = discover_granules(self.edges, {"config": point["config"], "input": None})
            if answer["count"]:
                groups = answer["groups"]
                found += json.loads(self.edges.store.get(f"s3://{groups['bucket']}/{groups['key']}"))
        return found

    def look(self, item: dict[str, Any]) -> dict[str, Any]:
        config = {"event": "payload", "task": item["task"], "payload": item["payload"]}
        return report_status(self.edges, self.workflows, {"config": config, "input": None})

    def ends(self, month: int, status: str, *, told: bool = True, **facts: Any) -> None:
        """The execution of a month's payload ends, and the event of that comes or is lost."""
        execution = self.execution(month)
        self.workflows.ended[execution] = Outcome(status, **facts)  # type: ignore[arg-type]
        detail = {"executionArn": execution, "status": status, "error": facts.get("error"), "cause": facts.get("cause")}
        if told:
            event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
            report_status(self.edges, self.workflows, event)

    def execution(self, month: int) -> str:
        entry = self.edges.index.entry(runs.find(self.edges, key(month)).subject)
        assert entry is not None
        return str(entry.extra["executions"][-1])

    def partition(self, month: int) -> Entry:
        entry = self.edges.index.entry(Partition("months", "001", f"2015-0{month}", "all"))
        assert entry is not None
        return entry


def key(month: int) -> str:
    return f"payload:viirs/workflow-publish/a_20150{month}/b_20150{month}"


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    found = [item_of(f"{tile}_20150{month}", f"2015-0{month}-02") for month in (1, 2, 3) for tile in "ab"]
    with stac_site(found) as site:
        yield Work(tmp_path, site=site)


def test_each_point_hands_on_its_items_with_the_processes_of_the_collection(work: Work) -> None:
    items = work.begin()
    payloads = [json.loads(work.edges.store.get(item["payload"])) for item in items]
    assert [[one["id"] for one in payload["features"]] for payload in payloads] == [
        [f"a_20150{month}", f"b_20150{month}"] for month in (1, 2, 3)
    ]
    assert payloads[0]["process"] == [{"workflow": "publish", "description": "x"}, {"workflow": "map"}]


def test_a_partition_follows_the_run_of_its_payload(work: Work) -> None:
    first, second, third = work.begin()
    assert [work.look(item)["state"] for item in (first, second, third)] == ["running"] * 3
    assert work.look(first)["wait"] >= 1
    assert work.partition(1).owner == key(1)
    assert work.workflows.starts == 3, "looking again starts nothing"
    work.ends(1, "SUCCEEDED", output=json.dumps({"features": [{"id": "made"}]}))
    work.ends(2, "FAILED", error="KeyError", cause="no asset")
    work.ends(3, "ABORTED")
    assert [work.look(item) for item in (first, second, third)] == [
        {"state": state, "wait": 0} for state in ("succeeded", "failed", "cancelled")
    ]
    assert str(work.partition(2).failure) == "KeyError: no asset"
    manifest = read_manifest(work.edges.store, work.partition(1).manifest or "")
    assert manifest is not None
    assert manifest.parameters["payload"] == key(1)
    assert json.loads(work.edges.store.get(manifest.outputs[0].url))["features"] == [{"id": "made"}]
    assert [one.file.name for one in manifest.inputs] == ["a_201501", "b_201501"]
    assert end(work.edges, "b", 1)["state"] == "failed"


def test_an_end_that_no_event_tells_is_recorded_after_some_seconds(work: Work) -> None:
    """Before that whoever is told may still be at it; twice would publish its items twice."""
    first, *_ = work.begin()
    work.look(first)
    output, now = json.dumps({"features": [{"id": "made"}]}), work.edges.now()
    work.ends(1, "SUCCEEDED", output=output, ended=now, told=False)
    assert work.look(first)["state"] == "running"
    assert work.published == []
    work.ends(1, "SUCCEEDED", output=output, ended=now - EVENT_SECONDS, told=False)
    assert work.look(first) == {"state": "succeeded", "wait": 0}
    assert [item["id"] for item, _ in work.published] == ["made"]


def test_an_item_that_has_changed_makes_its_partition_stale_and_its_payload_is_processed_again(work: Work) -> None:
    items = work.begin()
    for month, item in enumerate(items, 1):
        work.look(item)
        work.ends(month, "SUCCEEDED", output="{}")
        work.look(item)
    assert work.begin("again") == [], "up to date"
    assert work.site
    work.site.items = [
        one | {"properties": one["properties"] | {"updated": "2020-01-01T00:00:00Z"}}
        if one["id"] == "a_201502"
        else one
        for one in work.site.items
    ]
    (item,) = work.begin("changed")
    assert work.look(item)["state"] == "running"
    assert runs.find(work.edges, key(2)).number == 2


def test_a_payload_that_has_succeeded_before_is_taken_as_it_is(work: Work) -> None:
    first, *_ = work.begin()
    process(work.edges, work.workflows, json.loads(work.edges.store.get(first["payload"])))
    work.ends(1, "SUCCEEDED", output="{}")
    runs.settle(work.edges, work.workflows, key(1))
    assert work.look(first)["state"] == "succeeded"
    assert work.workflows.starts == 1


def test_no_more_run_at_once_than_the_backfill_allows(work: Work) -> None:
    first, second, _ = work.begin(max_running=1)
    assert work.look(first)["state"] == "running"
    waits = work.look(second)
    assert waits["state"] == "queued"
    assert FULL / 2 - 1 <= waits["wait"] <= FULL * 1.5
    work.ends(1, "SUCCEEDED", output="{}")
    work.look(first)
    assert work.look(second)["state"] == "running"


def test_a_backfill_that_would_cost_too_much_starts_no_more(work: Work) -> None:
    """A group costs 2 dollars, as guessed, and 3 are allowed."""
    first, second, _ = work.begin(spending=Spending(3, 0.01, 0, guess=2))
    assert work.look(first)["state"] == "running"
    assert work.look(second)["state"] == "cancelled"
    assert work.look(first)["state"] == "cancelled", "and what runs is stopped"
    assert work.execution(1) in work.workflows.stopped


def test_a_failure_too_many_stops_the_others(work: Work) -> None:
    first, second, third = work.begin(max_failures=0)
    for item in (first, second):
        work.look(item)
    work.ends(1, "FAILED", error="E", cause="x")
    assert work.look(first)["state"] == "failed"
    assert [work.look(item)["state"] for item in (second, third)] == ["cancelled"] * 2
    assert runs.find(work.edges, key(2)).state is State.cancelled


def test_a_stopped_trigger_stops_the_payloads_that_its_backfill_has_started(work: Work) -> None:
    """And not one that somebody else has handed in."""
    first, second, _ = work.begin()
    process(work.edges, work.workflows, json.loads(work.edges.store.get(first["payload"])))
    for item in (first, second):
        assert work.look(item)["state"] == "running"
    change_backfill(work.edges.index, "b", lambda now: replace(now, state="cancelled"))
    detail = {"executionArn": TRIGGER, "status": "ABORTED"}
    event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
    report_status(work.edges, work.workflows, event)
    assert [runs.find(work.edges, key(month)).state for month in (1, 2)] == [State.running, State.cancelled]
    assert [work.partition(month).state for month in (1, 2)] == [State.cancelled] * 2


def test_a_second_backfill_waits_for_the_first_and_takes_its_result(work: Work) -> None:
    first, *_ = work.begin()
    work.look(first)
    behind, *_ = work.begin("second", points=["2015-01"])
    assert work.look(behind)["state"] == "queued"
    work.ends(1, "SUCCEEDED", output="{}")
    work.look(first)
    assert work.look(behind)["state"] == "skipped"
    assert status(work.edges, "second").counts[State.skipped] == 1


def test_a_workflow_that_the_stack_has_not_fails_the_partition(work: Work) -> None:
    changes = {"workflow": "DiscoverAndProcessGranules", "meta": {"payload": {"process": [{"workflow": "missing"}]}}}
    planned = new_backfill(work.populate(**changes), "months", now=work.edges.now(), id="b", points=["2015-01"])
    (item,) = work.listed(record_started(work.edges, replace(planned, execution=TRIGGER)))
    assert work.look(item) == {"state": "failed", "wait": 0}
    assert str(work.partition(1).failure).startswith("Unknown: the stack has no workflow 'missing'")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"meta": {"payload": {"process": []}}}, "meta.payload.process"),
        ({"meta": {"payload": {"process": [{"workflow": "map"}]}}}, "and that of meta.payload.process.0. is map"),
        ({"workflow": "a_b"}, "meta.payload.process.0..workflow: 'a_b' is the name of none"),
        ({"meta": MONTHS["meta"] | {"task": {"name": "inventory"}}}, "not beside process or task"),
        ({"workflow": "DiscoverAndProcessGranules"}, "process.0..workflow"),
    ],
)
def test_a_collection_with_a_payload_that_cannot_be_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(DocumentError, match=why):
        parse_value(Collection, MONTHS | changes, "months")
