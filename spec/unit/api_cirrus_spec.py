"""Cirrus's read API under /cirrus, over payloads whose executions end by hand, at moments of the spec's own clock."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pileus.edges.aws import Aws
from pileus.edges.logs import FolderLogs
from pileus.edges.topics import KeptTopics
from pileus.edges.workflows import Outcome
from pileus.errors import DocumentError
from pileus.runs.payloads import process
from pileus.subject import PayloadId
from pileus.tasks.report_status import report_status
from pileus.wiring import wire_folder
from spec.support.api import Asking, FolderServices, serving
from spec.support.runs import Executions

NOON = 1_420_113_600.0
"""2015-01-01T12:00:00Z."""
HOUR = 3600
MACHINES = "arn:aws:states:us-west-2:0:stateMachine:p-"
STATES = ("CLAIMED", "PROCESSING", "SUCCEEDED", "FAILED", "INVALID", "ABORTED")


class Machines(Executions):
    """Executions whose ARNs are as those of Step Functions."""

    def start(self, workflow: str, name: str, value: Any) -> str:
        return super().start(f"{MACHINES.replace('stateMachine', 'execution')}{workflow}", name, value)


@dataclass
class Office:
    """A folder in place of a stack."""

    folder: Path
    workflows: Machines = field(default_factory=Machines)
    time: float = NOON

    def __post_init__(self) -> None:
        edges = wire_folder(self.folder, {})
        stack = replace(edges.stack, workflows=MACHINES)
        self.edges = replace(edges, stack=stack, topics=KeptTopics(), now=lambda: self.time)

    def hand_in(self, item: str, collection: str = "viirs", workflow: str = "publish", **more: Any) -> PayloadId:
        features = [{"type": "Feature", "id": item, "collection": collection}]
        value = {"type": "FeatureCollection", "features": features, "process": [{"workflow": workflow}], **more}
        return PayloadId.parse(process(self.edges, self.workflows, value).run.key)

    def end(self, payload: PayloadId, error: str | None = None) -> None:
        entry = self.edges.index.entry(payload)
        assert entry is not None
        arn, status = entry.extra["executions"][-1], "FAILED" if error else "SUCCEEDED"
        output = None if error else json.dumps(self.workflows.started[arn])
        given = json.dumps(self.workflows.started[arn])
        self.workflows.ended[arn] = Outcome(status, output, error, "it broke" if error else None, input=given)  # type: ignore[arg-type]
        detail = {"executionArn": arn, "status": status} | ({"error": error, "cause": "it broke"} if error else {})
        event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
        report_status(self.edges, self.workflows, event)

    def services(self) -> FolderServices:
        workflows = self.workflows

        class Served(FolderServices):
            @property
            def workflows(self) -> Any:  # type: ignore[override]
                return workflows

        return Served(Aws(), self.edges, FolderLogs(self.folder / "logs"))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "stack")


@pytest.fixture
def ask(office: Office, tmp_path: Path) -> Iterator[Asking]:
    with serving(office.services(), tmp_path / "api") as asking:
        yield asking


def read(ask: Asking, path: str, status: int = 200) -> Any:
    answer = ask(f"/cirrus/{path}")
    assert answer.status == status, answer.body
    return json.loads(answer.body)


def test_its_root_links_to_each_pair_of_collections_and_workflow(office: Office, ask: Asking) -> None:
    """One whose name begins as another's is not lost."""
    for collection in ("viirs", "viirs/modis", "viir"):
        for item in ("a", "b"):
            office.hand_in(item, collection)
    office.hand_in("a", workflow="publish-2")
    found = read(ask, "")
    assert found["id"] == "folder-state-api"
    assert [one["title"] for one in found["links"] if one["rel"] == "child"] == [
        "viir - publish",
        "viirs/modis - publish",
        "viirs - publish-2",
        "viirs - publish",
    ]
    assert found["links"][1]["href"] == f"{ask.url}/cirrus/viir/workflow-publish"


def test_a_payload_is_told_with_the_fields_of_cirrus(office: Office, ask: Asking) -> None:
    payload = office.hand_in("a")
    office.time += 60
    office.end(payload)
    found = read(ask, "viirs/workflow-publish/a")
    (execution,) = found.pop("executions")
    name = execution.rpartition(":")[2]
    at = f"cirrus/executions/viirs/workflow-publish/a/{name}"
    assert execution.startswith("https://us-west-2.console.aws.amazon.com/states/home?region=us-west-2#/v2/executions/")
    url = office.edges.internal(f"{at}/input.json")
    assert found == {
        "payload_id": "viirs/workflow-publish/a",
        "collections": "viirs",
        "workflow": "publish",
        "items": "a",
        "state": "SUCCEEDED",
        "created": "2015-01-01T12:00:00.000000+00:00",
        "claimed_at": "2015-01-01T12:00:00.000000+00:00",
        "updated": "2015-01-01T12:01:00.000000+00:00",
        "input_payload_url": url,
        "output_payload_url": office.edges.internal(f"{at}/output.json"),
        "catid": "viirs/workflow-publish/a",
        "catalog": url,
    }


def test_what_failed_and_what_is_wrong_say_why(office: Office, ask: Asking) -> None:
    office.end(office.hand_in("a"), "KeyError")
    office.end(office.hand_in("b"), "stactask.exceptions.InvalidInput")
    with pytest.raises(DocumentError):
        office.hand_in("c", features=[], id="viirs/workflow-publish/c", process=[{"workflow": "publish", "tasks": 1}])
    found = {
        one["items"]: (one["state"], one["last_error"]) for one in read(ask, "viirs/workflow-publish/items")["items"]
    }
    assert found["a"] == ("FAILED", "KeyError: it broke")
    assert found["b"] == ("INVALID", "stactask.exceptions.InvalidInput: it broke")
    assert found["c"][0] == "INVALID"
    assert found["c"][1].startswith("InvalidInput: process[0].tasks")


def test_the_time_of_the_first_run_stays_when_it_is_run_again(office: Office, ask: Asking) -> None:
    office.end(office.hand_in("a"), "KeyError")
    office.time += 5
    office.hand_in("a")
    found = read(ask, "viirs/workflow-publish/a")
    assert (found["created"][17:19], found["claimed_at"][17:19], found["state"]) == ("00", "05", "PROCESSING")
    assert len(found["executions"]) == 2
    assert "last_error" not in found


def five(office: Office) -> None:
    """Handed in a minute apart: a, b, c, d, e; of which b and d have failed, in the hour after."""
    for item in "abcde":
        office.hand_in(item)
        office.time += 60
    office.time = NOON + HOUR
    for item in "bd":
        office.end(PayloadId.of(f"viirs/workflow-publish/{item}"), "KeyError")
        office.time += 60


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "dbeca"),
        ("sort_ascending=1", "acebd"),
        ("state=FAILED", "db"),
        ("state=FAILED&sort_ascending=true", "bd"),
        ("state=PROCESSING", "eca"),
        ("state=SUCCEEDED", ""),
        ("since=3m", "db"),
        ("since=1d&state=PROCESSING", "eca"),
        ("sort_index=default", "edcba"),
        ("sort_index=default&sort_ascending=1", "abcde"),
        ("sort_index=state_updated", "ecadb"),
    ],
)
def test_items_come_in_pages_that_lead_to_the_next(office: Office, ask: Asking, query: str, found: str) -> None:
    five(office)
    told, nextkey = "", ""
    for _ in range(9):
        page = read(ask, f"viirs/workflow-publish/items?{query}&limit=2{nextkey}")
        told += "".join(one["items"] for one in page["items"])
        if "nextkey" not in page:
            break
        nextkey = f"&nextkey={quote(page['nextkey'])}"
    assert told == found


def test_a_page_may_also_begin_after_a_payload_by_its_id(office: Office, ask: Asking) -> None:
    """As who asks the original has to, which gives no nextkey back."""
    five(office)
    page = read(ask, "viirs/workflow-publish/items?nextkey=viirs/workflow-publish/e")
    assert [one["items"] for one in page["items"]] == ["c", "a"]


def test_pages_lose_nothing_while_payloads_change(office: Office, ask: Asking) -> None:
    """The last of the first page moves to the top: the second page begins where it was."""
    five(office)
    first = read(ask, "viirs/workflow-publish/items?limit=3")
    office.end(PayloadId.of("viirs/workflow-publish/e"))
    second = read(ask, f"viirs/workflow-publish/items?limit=3&nextkey={first['nextkey']}")
    assert [one["items"] for one in (*first["items"], *second["items"])] == ["d", "b", "e", "c", "a"]


def test_payloads_are_counted_by_state(office: Office, ask: Asking) -> None:
    five(office)
    found = read(ask, "viirs/workflow-publish")
    assert found == {
        "collections": "viirs",
        "workflow": "publish",
        "counts": dict.fromkeys(STATES, 0) | {"PROCESSING": 3, "FAILED": 2},
    }
    assert read(ask, "viirs/workflow-publish?limit=2")["counts"]["PROCESSING"] == "2+"
    assert read(ask, "viirs/workflow-publish?since=3m")["counts"]["PROCESSING"] == 0


def counts(period: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {one["state"]: (one["count"], one["unique_count"]) for one in period["states"] if one["count"]}


def test_changes_are_counted_by_day_and_hour_and_workflow(office: Office, ask: Asking) -> None:
    """Yesterday at 12 one payload fails; today at 12 it goes through, and one of another workflow begins."""
    first = office.hand_in("a")
    office.end(first, "KeyError")
    office.time += 24 * HOUR
    office.hand_in("a")
    office.end(first)
    office.hand_in("b", workflow="map")
    office.time += HOUR / 2
    found = read(ask, "stats")
    daily = found["state_transitions"]["daily"]
    assert [one["period"] for one in daily] == ["2015-01-01", "2015-01-02"]
    assert counts(daily[0]) == {"CLAIMED": (1, 1), "PROCESSING": (1, 1), "FAILED": (1, 1)}
    assert counts(daily[1]) == {"CLAIMED": (2, 2), "PROCESSING": (2, 2), "SUCCEEDED": (1, 1)}
    assert daily[1]["workflows"]["map"] == {"CLAIMED": 1, "PROCESSING": 1}
    hourly = found["state_transitions"]["hourly"]
    assert [one["period"] for one in hourly] == ["2015-01-01T12:00:00Z", "2015-01-02T12:00:00Z"]
    (rolling,) = found["state_transitions"]["hourly_rolling"]
    assert (rolling["period"], rolling["interval"]) == ("2015-01-02T11:30:00Z", "hour")
    assert (found["payloads"], found["complete_after"]) == (2, None)


def test_of_too_many_payloads_only_whole_periods_are_counted(
    office: Office, ask: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three are read. The third changed at 12:00, so nothing is told of that hour and that day."""
    monkeypatch.setattr("pileus.runs.payload_state.MOST_READ", 2)
    for item in "abc":
        office.hand_in(item)
        office.time += HOUR
    found = read(ask, "stats")
    assert found["complete_after"] == "2015-01-01T12:00:00.000000+00:00"
    assert [one["period"][11:13] for one in found["state_transitions"]["hourly"]] == ["13", "14"]
    assert found["state_transitions"]["daily"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("viirs", 400),
        ("viirs/workflow-publish/none", 404),
        ("viirs/workflow-publish/items?nextkey=x", 400),
        ("viirs/workflow-publish/items?nextkey=viirs/workflow-publish/none", 404),
        ("viirs/workflow-publish/items?state=DONE", 400),
        ("viirs/workflow-publish/items?since=7w", 400),
        ("viirs/workflow-publish/items?sort_index=x", 422),
        ("viirs/workflow-publish/items?limit=0", 422),
    ],
)
def test_what_is_wrong_or_not_there_is_said(ask: Asking, path: str, status: int) -> None:
    assert read(ask, path, status)["detail"]


def test_a_group_that_has_no_payloads_is_empty(ask: Asking) -> None:
    assert read(ask, "viirs/workflow-publish/items") == {"items": []}
    assert set(read(ask, "viirs/workflow-publish")["counts"].values()) == {0}
    assert read(ask, "stats")["state_transitions"] == {"daily": [], "hourly": [], "hourly_rolling": []}


def test_a_payload_whose_items_look_like_another_id_is_that_payload(office: Office, ask: Asking) -> None:
    office.hand_in("c/workflow-d", "a", "b")
    assert read(ask, "a/workflow-b/c/workflow-d")["items"] == "c/workflow-d"
