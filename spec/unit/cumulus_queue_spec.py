"""QueueGranules as in Cumulus: which executions it starts, over which messages."""

from pathlib import Path
from typing import Any

import pytest

from pileus.errors import DocumentError, Unknown, UsageError
from pileus.granules import record
from pileus.granules.note import note_message
from pileus.tasks.queue_granules import queue_granules
from spec.support.cumulus_tasks import Stack, provider
from spec.support.runs import Executions

PARENT = {"state_machine": "arn:aws:states:us-east-1:1:stateMachine:Discover", "execution_name": "e1"}


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def granule(id: str, **facts: Any) -> dict[str, Any]:
    files = [{"name": f"{id}.hdf", "path": "a", "size": 10, "type": "data"}]
    return {"granuleId": id, "dataType": "MOD09GQ", "version": "006", "files": files} | facts


def queue(stack: Stack, started: Executions, *granules: dict[str, Any], **config: Any) -> dict[str, Any]:
    told = {"provider": {"id": "site"}, "granuleIngestWorkflow": "Ingest", "queueUrl": "q", "stackName": "s"} | config
    pdr = {"pdr": {"name": "x", "path": "y"}} if config.get("pdr") else {}
    told.pop("pdr", None)
    event = {"config": told, "input": {"granules": [*granules], **pdr}, "cumulus_config": PARENT}
    return queue_granules(stack.edges, started, event)


def test_each_granule_has_an_execution_with_its_message(stack: Stack) -> None:
    started = Executions()
    answer = queue(stack, started, granule("g1"), granule("g2", createdAt=5), childWorkflowMeta={"why": "asked"})
    assert len(answer["running"]) == 2
    assert len(set(answer["running"])) == 2
    assert [*answer] == ["running"]
    first, second = sorted(started.started.values(), key=lambda one: str(one["payload"]["granules"][0]["granuleId"]))
    assert [one["granuleId"] for one in first["payload"]["granules"]] == ["g1"]
    assert second["payload"]["granules"][0]["createdAt"] == 5
    assert first["payload"]["granules"][0]["createdAt"] == first["cumulus_meta"]["workflow_start_time"]
    assert first["cumulus_meta"]["parentExecutionArn"] == "arn:aws:states:us-east-1:1:execution:Discover:e1"
    assert first["meta"]["collection"]["name"] == "MOD09GQ"
    assert first["meta"]["provider"]["id"] == "site"
    assert first["meta"]["why"] == "asked"
    assert first["meta"]["buckets"]["public"]["name"] == "open"


@pytest.mark.parametrize(("wanted", "sizes"), [(None, [1] * 5), (2, [1, 2, 2]), (9, [5]), (0, [1] * 5), ("2", [1] * 5)])
def test_executions_have_as_many_granules_as_preferred(stack: Stack, wanted: Any, sizes: list[int]) -> None:
    started = Executions()
    granules = [granule(f"g{number}") for number in range(5)]
    queue(stack, started, *granules, preferredQueueBatchSize=wanted, concurrency=1)
    assert sorted(len(one["payload"]["granules"]) for one in started.started.values()) == sizes


def test_granules_of_two_providers_are_not_together(stack: Stack) -> None:
    started = Executions()
    stack.populate(provider(9), provider(9, id="other"))
    queue(stack, started, granule("g1"), granule("g2", provider="other"), preferredQueueBatchSize=2)
    assert sorted(one["meta"]["provider"]["id"] for one in started.started.values()) == ["other", "site"]


def test_a_step_that_is_repeated_starts_nothing_anew(stack: Stack) -> None:
    started = Executions()
    first = queue(stack, started, granule("g1"))
    assert queue(stack, started, granule("g1")) == first
    assert len(started.started) == 1
    assert queue(stack, started, granule("g2")) != first


def test_a_granule_has_a_record_that_names_the_run(stack: Stack) -> None:
    stack.known("g2")
    queue(stack, Executions(), granule("g1"), granule("g2"), executionNamePrefix="mine")
    found = {id: record.read(stack.edges, "MOD09GQ", "006", id) for id in ("g1", "g2")}
    assert all(one.subject.startswith("workflow:Ingest/mine-") for one in found.values())
    assert [file.url for file in found["g1"].files] == ["http://127.0.0.1:9/a/g1.hdf"]


def test_a_pdr_is_handed_on(stack: Stack) -> None:
    started = Executions()
    assert queue(stack, started, granule("g1"), pdr=True)["pdr"] == {"name": "x", "path": "y"}
    (message,) = started.started.values()
    assert message["meta"]["pdr"] == {"name": "x", "path": "y"}


def test_no_granules_start_nothing(stack: Stack) -> None:
    assert queue(stack, Executions()) == {"running": []}


@pytest.mark.parametrize(
    ("facts", "config", "error", "why"),
    [
        ({"dataType": None}, {}, DocumentError, "granule g1: says no collection"),
        ({"dataType": "MOD10"}, {}, Unknown, "unknown collection 'MOD10'"),
        ({"provider": "else"}, {}, Unknown, "unknown provider 'else'"),
        ({}, {"childWorkflowMeta": 5}, DocumentError, "config.childWorkflowMeta: expected an object"),
        ({}, {"granuleIngestWorkflow": "DiscoverAndProcessGranules"}, UsageError, "takes no document"),
        ({"big": "x" * 300_000}, {}, UsageError, "the document has"),
    ],
)
def test_what_cannot_be_started_is_refused(
    stack: Stack, facts: dict[str, Any], config: dict[str, Any], error: type[Exception], why: str
) -> None:
    started = Executions()
    with pytest.raises(error, match=why):
        queue(stack, started, granule("g1", **facts), **config)
    assert not started.started


class Quick(Executions):
    """Executions that end, and write down what they made, before their starter goes on."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack

    def start(self, workflow: str, name: str, value: Any) -> str:
        made = {"granuleId": "g1", "files": [{"bucket": "open", "key": "mod/g1.hdf", "size": 7}]}
        message = {**value, "payload": {"granules": [made]}}
        note_message(self.stack.edges, f"workflow:{workflow}/{name.split('_')[1]}", message)
        return super().start(workflow, name, value)


def test_what_a_quick_execution_has_written_down_stays(stack: Stack) -> None:
    queue(stack, Quick(stack), granule("g1"))
    found = record.read(stack.edges, "MOD09GQ", "006", "g1")
    assert [file.url for file in found.files] == ["s3://open/mod/g1.hdf"]
