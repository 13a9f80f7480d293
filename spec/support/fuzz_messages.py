"""Events of Lambdas and messages of queues that are right but for a few places, and what reads them."""

import json
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import MagicMock, patch

from hypothesis import strategies as st

from pileus.errors import DocumentError, NotFound, PileusError
from pileus.messages import GroupTask, PartTask, PointTask
from pileus.strict_json import parse_json
from pileus.tasks import (
    act_on_granules,
    advance_graph,
    cumulus_discover,
    discover_granules,
    generate_collections,
    move_granules,
    queue_granules,
    report_status,
    start_from_message,
    sync_granule,
)
from pileus.wiring import Edges, wire_folder
from spec.support.runs import Executions

ROOT = Path(__file__).resolve().parents[2]
GROUP = {
    "config": {
        "backfill": "b", "run": 1, "partition": "v/001/2015-01/all", "again": False, "rank": 0,
        "collection": {"name": "v", "files": [{"regex": ".*"}]},
        "provider": {"id": "x", "protocol": "file", "host": "nowhere"},
        "entry": {
            "partition": "v/001/2015-01/all", "state": "queued", "run": "b/1", "files": 1, "size": 5, "missing": ["a"],
            "failure": {"type": "X", "message": "m", "where": None},
        },
    },
    "input": {
        "key": "all", "missing": [],
        "granules": [{"name": "x.tgz", "url": "file:///x.tgz", "size": 5, "parts": {"a": "1"}, "bucket": "internal"}],
    },
}  # fmt: skip
LEFT = {"config": {"backfill": "b", "run": 1, "partition": "v/001/2015-01/all"}, "input": {"url": "s3://internal/x"}}

PART = {
    "config": {"subject": "request:operations/mine", "run": 1, "round": 0, "part": 0},
    "input": {"url": "s3://internal/runs/operations/mine/run-1/graph.json"},
}


def _event(name: str) -> Any:
    return json.loads((ROOT / "lambdas" / name / "event.json").read_text())


def _cumulus(name: str, **config: Any) -> Any:
    """An event of a task of Cumulus, with a provider that the registry has."""
    event = _event(name)
    event["config"] |= {"provider": {"id": "web"}, **config}
    return event


POINT = _event("discover_granules")
OF_RULE = {"rule": "r", "collection": {"name": "v", "version": "001"}, "spanStart": "2015-01", "spanEnd": "2015-02"}
RULE = {"config": {"name": "x", "execution": "e"}, "input": OF_RULE}
CAUSE = json.dumps({"errorType": "X", "errorMessage": "m", "where": "w"})
FAILED = {"config": {"event": "group_failed", "task": GROUP}, "input": {"Error": "X", "Cause": CAUSE}}
BASES: list[Any] = [
    GROUP, GROUP, LEFT, POINT, RULE, _event("generate_collections"), _event("report_status"), FAILED,
    {"config": {"event": "point_failed", "point": POINT["config"]}, "input": {"Error": "X", "Cause": CAUSE}},
    {"config": {"event": "ended", "backfill": "b", "run": 1}},
    _event("advance_graph"), PART,
    _event("start_from_message"), _cumulus("sync_granule"), _cumulus("sync_granule"), _cumulus("move_granules"),
    _cumulus("sync_granule", granuleIngestWorkflow="w", preferredQueueBatchSize=2, childWorkflowMeta={"a": 1}),
    _cumulus("sync_granule", provider_path="a", duplicateGranuleHandling="skip", concurrency=2, useList=True),
    {"detail-type": "Step Functions Execution Status Change", "detail": {"executionArn": "e", "status": "FAILED"}},
]  # fmt: skip
LEAVES: list[Any] = [
    None, True, 0, -1, 1e300, 10**30, "", "x", "..", "../x", "a/b/c/d", "/", "\x1b[2J", "\u202e", "s3://", "s3://x/y",
    "[" * 5000, '{"errorMessage": 5}', [], {}, [[]], {"": {}}, {"url": []}, ["x"], "2015-01", "%00", "%ff/a/b/c",
]  # fmt: skip


def _changed(value: Any, steps: list[int], leaf: Any) -> Any:
    """Return a value in which the place that the steps lead to holds `leaf`; without it where that is `DROPPED`."""
    if not steps or not isinstance(value, dict | list) or not value:
        return leaf
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[steps[0] % len(keys)]
    if len(steps) == 1 and leaf == "DROPPED":
        return {k: v for k, v in value.items() if k != key} if isinstance(value, dict) else value[1:]
    inner = _changed(value[key], steps[1:], leaf)
    return {**value, key: inner} if isinstance(value, dict) else [*value[:key], inner, *value[key + 1 :]]


def messages() -> st.SearchStrategy[bytes]:
    """Return events of Lambdas and tasks of workers with up to three places changed."""
    change = st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.sampled_from(["DROPPED", *LEAVES]))

    def made(two: tuple[Any, list[tuple[list[int], Any]]]) -> bytes:
        value, changes = two
        for steps, leaf in changes:
            value = _changed(value, steps, leaf)
        return json.dumps(value).encode()

    return st.tuples(st.sampled_from(BASES), st.lists(change, max_size=3)).map(made)


def read_message(body: bytes) -> None:
    """Read a text as `run-task`, the Lambdas and a worker read it, on a folder in place of AWS and with no provider."""
    try:
        event = parse_json(body)
    except ValueError as exc:
        raise DocumentError(f"cannot be read as JSON: {exc}", where="event.json") from exc
    refused: list[PileusError] = []
    with _folder() as edges:
        for step in (
            _as_point,
            _as_group,
            generate_collections.generate_collections,
            discover_granules.discover_granules,
            _reported,
            _acted,
            _queued,
            _started,
            sync_granule.sync_granule,
            move_granules.move_granules,
            _advanced,
            _as_part,
        ):
            step: Callable[[Edges, Any], object]
            try:
                step(edges, event)
            except PileusError as error:
                refused.append(error)
    odd = [repr(error) for error in refused if not (str(error).isprintable() and len(str(error)) < 2000)]
    assert not odd, odd
    if len(refused) == 12:
        raise refused[0]


def _reported(edges: Edges, event: Any) -> None:
    report_status.report_status(edges, Executions(), event)


def _acted(edges: Edges, event: Any) -> None:
    act_on_granules.act_on_granules(edges, Executions(), event)


def _queued(edges: Edges, event: Any) -> None:
    queue_granules.queue_granules(edges, Executions(), event)


def _started(edges: Edges, event: Any) -> None:
    start_from_message.start_from_message(edges, Executions(), event)


def _as_point(_: Edges, event: Any) -> None:
    config = event.get("config", event) if isinstance(event, dict) else event
    PointTask.from_json(config).to_json()


def _advanced(edges: Edges, event: Any) -> None:
    advance_graph.advance_graph(edges, event)


def _as_part(_: Edges, event: Any) -> None:
    task = PartTask.from_json(event)
    assert PartTask.from_json(task.to_json()) == task


def _as_group(_: Edges, event: Any) -> None:
    task = GroupTask.from_json(event)
    assert GroupTask.from_json(json.loads(task.to_bytes())) == task
    with suppress(PileusError):
        task.documents()


@contextmanager
def _folder() -> Any:
    def nobody(*_: Any, **__: Any) -> Any:
        raise NotFound("nothing is there", where="file:///")

    with (
        TemporaryDirectory() as folder,
        patch.object(discover_granules, "connect", nobody),
        patch.object(cumulus_discover, "connect", nobody),
        patch.object(queue_granules, "connect", nobody),
        patch.object(sync_granule, "connect", lambda *_, **__: MagicMock()),
        patch.object(sync_granule, "download", nobody),
        patch.object(sync_granule, "open_stream", nobody),
    ):
        edges = wire_folder(Path(folder), {})
        edges.store.put(f"s3://{edges.stack.internal}/registry.json", REGISTRY)
        yield edges


REGISTRY = json.dumps(
    {
        "collections": {
            "v___001": {
                "name": "v",
                "version": "001",
                "templated_name": "v_{{pointInTime}}",
                "files": [{"regex": ".*"}],
                "options": {"spanUnit": "month", "spanStart": "201501", "spanEnd": "201502"},
                "provider": "x",
            }
        },
        "providers": {
            "x": {"id": "x", "protocol": "file", "host": "nowhere"},
            "web": {"id": "web", "protocol": "http", "host": "127.0.0.1"},
        },
        "rules": {},
    }
).encode()
