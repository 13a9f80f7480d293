"""The limit `--max-dollars`: what is counted, when nothing more starts, and what survives a pause."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Settings
from pileus.backfills import record
from pileus.backfills.control import pause, resume, retry
from pileus.backfills.end import keep
from pileus.backfills.limits import admit, measure
from pileus.backfills.recover import recover
from pileus.backfills.status import find
from pileus.deploy.cost import Work, estimate, group_price
from pileus.deploy.figures import read_prices, spending, work_of
from pileus.edges.index import MemoryIndex
from pileus.edges.queues import Message
from pileus.edges.reports import KeptReports
from pileus.errors import StoreError, UsageError
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.lifecycle.spending import Spending
from pileus.messages import GroupTask
from pileus.models import Group, Partition, State
from pileus.wiring import Edges, wire_folder
from pileus.worker.loop import Worker
from spec.simulation.alone import alone_workflows
from spec.unit.worker_spec import Queues

FIVE = Spending(5, 0.01, 0, guess=1)
"""Five dollars, one cent a second, a dollar a group while nothing is measured."""


class Desk:
    """A worker, a backfill with a limit, and a task that takes as many seconds as a spec says."""

    def __init__(self, folder: Path, limit: Spending) -> None:
        self.time, self.seconds, self.queues, self.worked = 1_700_000_000.0, 100.0, Queues(), 0
        self.edges: Edges = replace(wire_folder(folder, {}), now=lambda: self.time)
        self.edges.index.put_backfill(Backfill("b", "viirs", "001", "2015-01", "2015-12", "month", spending=limit))
        self.worker = Worker(self.edges, self.queues, self.task, name="me")

    def task(self, *_: object) -> Mapping[str, Any]:
        self.worked += 1
        self.time += self.seconds
        return {"manifest": "s3://protected/manifest.json", "downloaded": 0}

    def hand(self, group: str) -> list[str]:
        """Queue one group, as the Lambda does when it has discovered it, and give the worker its message."""
        entry = Entry(Partition("viirs", "001", "2015-01", group), State.queued, "b/1")
        entry = self.edges.index.put(entry)
        task = GroupTask("b", 1, entry, {}, {}, Group(group, ()))
        self.queues.done = []
        self.worker.handle(Message("backfill", "receipt", "", "token", task.to_json()))
        return self.queues.done

    @property
    def backfill(self) -> Backfill:
        return find(self.edges, "b")


def test_nothing_starts_once_what_was_measured_leaves_no_room_for_one_more(tmp_path: Path) -> None:
    """Groups of 100 s cost a dollar each, then of 150 s: after 1 + 1 + 1.5 dollars there is room for one, not two."""
    desk = Desk(tmp_path, FIVE)
    for number, seconds in enumerate((100, 100, 150, 150, 150)):
        desk.seconds = seconds
        desk.hand(str(number))
    assert desk.worked == 4, "the fifth was claimed, and never begun"
    assert desk.backfill.state == "failed"
    assert desk.backfill.problem == ("stopped: 5 dollars of --max-dollars 5 used; the next group costs about 1.25")
    entry = desk.edges.index.entry(Partition("viirs", "001", "2015-01", "4"))
    assert entry is not None
    assert entry.state is State.cancelled
    assert desk.hand("later") == ["fail Cancelled", "delete"], "what the Lambda discovers later does not start"
    told = desk.edges.reports
    assert isinstance(told, KeptReports)
    assert [(one.id, one.reason) for one in told.told] == [("b/1/failed", desk.backfill.problem)]


def test_groups_that_run_at_once_count_as_much_as_those_measured(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FIVE)
    assert [admit(desk.edges, desk.backfill, "b/1", claim) is not None for claim in "xy"] == [True, True]
    measure(desk.edges, "b/1", 200)  # two dollars, and so is the other's guess
    limit = desk.backfill.spending
    assert limit is not None
    assert (limit.dollars, limit.used, limit.group) == (2, 4, 2)
    admit(desk.edges, desk.backfill, "b/1", "z")
    assert desk.backfill.over, "four are used, and two more would be six"


def test_a_limit_below_one_group_starts_nothing_and_says_what_one_costs(tmp_path: Path) -> None:
    desk = Desk(tmp_path, replace(FIVE, most=0.5))
    desk.hand("a")
    assert desk.worked == 0
    assert desk.backfill.problem == "stopped: 0 dollars of --max-dollars 0.5 used; the next group costs about 1"


def test_a_resumed_run_goes_on_with_what_it_has_spent_and_a_retried_one_begins_anew(tmp_path: Path) -> None:
    desk, workflows = Desk(tmp_path, FIVE), alone_workflows()[0]
    desk.hand("a")
    pause(desk.edges, workflows, "b")
    resumed = resume(desk.edges, workflows, "b")
    assert resumed.spending is not None
    assert (resumed.spending.used, resumed.spending.measured) == (1, 1)
    measure(desk.edges, "b/1", 1e6)
    assert desk.backfill.spending == resumed.spending, "what an older run still does is not counted"
    desk.edges.index.put_backfill(replace(desk.backfill, state="failed", ended="now"))
    assert retry(desk.edges, workflows, "b").spending == replace(FIVE, since=3)


def test_a_group_that_could_not_be_counted_is_handed_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, FIVE)

    def refuse(*_: object) -> None:
        raise StoreError("changed a hundred times", where="b")

    monkeypatch.setattr("pileus.worker.loop.admit", refuse)
    assert desk.hand("a") == ["hold 30"]
    entry = desk.edges.index.entry(Partition("viirs", "001", "2015-01", "a"))
    assert entry is not None
    assert (entry.state, entry.attempt, desk.worked) == (State.queued, 0, 0)


def test_a_backfill_without_a_limit_writes_nothing_for_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FIVE)
    desk.edges.index.put_backfill(replace(desk.backfill, spending=None))
    before = desk.backfill
    desk.hand("a")
    assert (desk.backfill, desk.worked) == (before, 1)


def test_a_backfill_that_is_read_is_the_one_that_was_written() -> None:
    made = Backfill("b", "viirs", "001", "2015-01", "2015-12", "month", spending=FIVE, report_failures=True)
    assert Backfill.from_json(json.loads(json.dumps(made.to_json()))) == made


# --- where the prices come from

YEAR = Work(12, 12, 3e9, 30e6, 20, 1e6, connections=10)


@pytest.mark.parametrize("compute", ["ec2", "fargate"])
def test_a_group_costs_what_it_adds_to_the_estimate(compute: Any) -> None:
    """With one worker, a group more adds its seconds and its requests; what is stored is another matter."""
    settings, prices = Settings(compute=compute, max_workers=1), read_prices()
    one, two = (estimate(replace(YEAR, groups=groups, output_bytes=0), settings, prices) for groups in (11, 12))
    price = group_price(YEAR, settings, prices)
    polls = 2 * 120 * prices["sqs"]["request"]  # the worker asks two queues each second of the 120 s
    assert two.dollars - one.dollars == pytest.approx(price.requests + 120 * price.second + polls)


def test_the_limit_begins_with_the_estimate_of_one_group() -> None:
    limit = spending(5, YEAR, Settings(), read_prices())
    assert limit.guess == pytest.approx(limit.requests + 120 * limit.second)
    assert limit.used == 0


@pytest.mark.parametrize("most", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_is_no_amount_is_refused(most: float) -> None:
    with pytest.raises(UsageError, match="--max-dollars"):
        spending(most, YEAR, Settings(), read_prices())


def test_where_nothing_was_measured_whole_tiles_stand_for_a_group() -> None:
    work = work_of([], points=1, groups=2, connections=None)
    assert (work.groups, work.connections, work.group_bytes) == (2, 10, 6 * 470e6)


def test_what_was_started_is_known_after_the_index_was_lost(tmp_path: Path) -> None:
    """Two groups of a dollar are started after the backfill was last written to S3; then everything else is lost."""
    desk, (workflows, _) = Desk(tmp_path, FIVE), alone_workflows()
    keep(desk.edges, desk.backfill)
    desk.hand("a")
    desk.hand("b")
    desk.edges = replace(desk.edges, index=MemoryIndex())
    recover(desk.edges, workflows, print)
    limit = desk.backfill.spending
    assert limit is not None
    assert (desk.backfill.run, limit.admitted, limit.used) == (2, 2, 2)
    admit(desk.edges, desk.backfill, "b/2", "of the run that goes on")
    assert record.admitted(desk.edges, "b", limit) == 3
