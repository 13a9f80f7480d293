"""Payloads of Cirrus as runs: what each state allows, one execution whoever hands it in, and what follows a success.

Executions are ended by hand; a late event of an older one changes nothing.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from pileus import runs
from pileus.cirrus.ids import execution_name
from pileus.cirrus.payload import INLINE
from pileus.cirrus.states import cirrus_state
from pileus.edges.index import MemoryIndex
from pileus.edges.letters import KeptLetters
from pileus.edges.stac_items import KeptStacItems
from pileus.edges.topics import KeptTopics
from pileus.edges.workflows import Outcome
from pileus.errors import Conflict, DocumentError, NotFound, Unavailable, Unknown, UsageError
from pileus.lifecycle.partition import Entry
from pileus.models import State
from pileus.runs import control, record
from pileus.runs.payloads import Processed, process
from pileus.subject import PayloadId
from pileus.tasks.oversized import by_address
from pileus.tasks.report_status import report_status
from pileus.tasks.start_from_message import start_from_message
from pileus.wiring import Edges, wire_folder
from spec.support.runs import Executions

ITEM: dict[str, Any] = {
    "type": "Feature",
    "id": "a",
    "collection": "viirs",
    "bbox": [1, 2, 3, 4],
    "properties": {"datetime": "2015-01-01T00:00:00Z", "eo:cloud_cover": 7},
}
PAYLOAD: dict[str, Any] = {"type": "FeatureCollection", "features": [ITEM], "process": [{"workflow": "publish"}]}
ID = "viirs/workflow-publish/a"
KEY, SUBJECT = f"payload:{ID}", PayloadId.of(ID)
MACHINES = "arn:aws:states:r:0:stateMachine:p-"
EXECUTIONS = MACHINES.replace("stateMachine", "execution")


class Machines(Executions):
    """Executions whose ARNs are as those of Step Functions, and of which the stack has all but `missing`."""

    def start(self, workflow: str, name: str, value: Any) -> str:
        return super().start(f"{EXECUTIONS}{workflow}", name, value)

    def exists(self, workflow: str) -> bool:
        return workflow != "missing"

    def outcome(self, execution: str) -> Outcome:
        given = self.started.get(execution)
        return replace(super().outcome(execution), input=json.dumps(given) if given is not None else None)


@dataclass
class Office:
    """Edges without AWS, and executions that end by hand."""

    folder: Path
    workflows: Machines = field(default_factory=Machines)
    topics: KeptTopics = field(default_factory=KeptTopics)

    def __post_init__(self) -> None:
        edges = wire_folder(self.folder, {})
        stack = replace(edges.stack, workflows=MACHINES, publish="arn:topic", payload_events="arn:events")
        self.edges: Edges = replace(edges, stack=stack, topics=self.topics)

    def hand_in(self, payload: object = PAYLOAD, *, replace: bool = False) -> Processed:
        return process(self.edges, self.workflows, payload, replace=replace)

    def arn(self, number: int = 1) -> str:
        return str(self.entry.extra["executions"][number - 1])

    @property
    def entry(self) -> Entry:
        entry = self.edges.index.entry(SUBJECT)
        assert entry is not None
        return entry

    def end(self, status: Any = "SUCCEEDED", number: int = 1, output: object = PAYLOAD, error: str = "Boom") -> None:
        """End an execution, and deliver its event."""
        made = json.dumps(output) if status == "SUCCEEDED" else None
        self.workflows.ended[self.arn(number)] = Outcome(status, made, *((error, "it broke") if not made else ()))
        self.tell(status, number, error)

    def tell(self, status: str, number: int = 1, error: str = "Boom") -> None:
        detail = {"executionArn": self.arn(number), "status": status}
        detail |= {"error": error, "cause": "it broke"} if status == "FAILED" else {}
        report_status(
            self.edges, self.workflows, {"detail-type": "Step Functions Execution Status Change", "detail": detail}
        )

    @property
    def published(self) -> list[Any]:
        """Items and their attributes."""
        return [(item, told) for topic, item, told in self.topics.published if topic == "arn:topic"]

    @property
    def events(self) -> list[str]:
        """Names of the events."""
        return [str(event["event_type"]) for topic, event, _ in self.topics.published if topic == "arn:events"]

    @property
    def state(self) -> str:
        return cirrus_state(self.entry)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_payload_is_carried_out_by_the_workflow_that_it_names(office: Office) -> None:
    found = office.hand_in()
    assert (found.started, found.run.key, found.run.kind, found.run.state) == (True, KEY, "payload", State.running)
    assert office.workflows.started == {f"{EXECUTIONS}publish:{office.arn().rpartition(':')[2]}": PAYLOAD | {"id": ID}}
    assert office.state == "PROCESSING"
    place = f"cirrus/executions/{ID}/{office.arn().rpartition(':')[2]}/input.json"
    assert found.run.input == office.edges.internal(place)
    assert json.loads(office.edges.store.get(found.run.input)) == PAYLOAD | {"id": ID}


def test_its_execution_is_called_as_in_cirrus(office: Office) -> None:
    """The first and the second of `viirs/workflow-publish/a`: `uuid5(NAMESPACE_URL, f"{id}/{executions}")`."""
    office.hand_in()
    assert office.arn() == f"{EXECUTIONS}publish:bc30d58e-3352-501d-856d-8b9c178c19bd"


def test_a_large_payload_is_handed_on_by_its_address(office: Office) -> None:
    office.hand_in(PAYLOAD | {"more": "x" * 130_000})
    (given,) = office.workflows.started.values()
    assert list(given) == ["url"]
    assert json.loads(office.edges.store.get(given["url"]))["id"] == ID
    office.end(output=given)
    assert office.state == "SUCCEEDED"
    assert runs.result(office.edges, KEY)["id"] == ID


def test_a_payload_may_be_handed_in_by_its_address(office: Office) -> None:
    url = office.edges.internal("mine/payload.json")
    office.edges.store.put(url, json.dumps(PAYLOAD).encode())
    assert office.hand_in({"url": url}).run.key == KEY


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://example.org/payload.json", "/etc/passwd"])
def test_an_address_elsewhere_is_refused(office: Office, url: str) -> None:
    with pytest.raises(UsageError, match="expected a payload or its address in S3"):
        office.hand_in({"url": url})


def test_the_stacks_own_objects_are_no_payloads(office: Office) -> None:
    url = office.edges.internal("registry.json")
    office.edges.store.put(url, b"{}")
    with pytest.raises(UsageError, match="is the stack's own, and no payload"):
        office.hand_in({"url": url})
    assert list(office.edges.store.list(office.edges.internal("cirrus/"))) == []


STATES = {
    "PROCESSING": lambda office: None,
    "SUCCEEDED": lambda office: office.end(),
    "FAILED": lambda office: office.end("FAILED"),
    "ABORTED": lambda office: runs.stop(office.edges, office.workflows, KEY),
    "INVALID": lambda office: office.end("FAILED", error="stactask.exceptions.InvalidInput"),
}


@pytest.mark.parametrize(
    ("state", "plain", "replacing"),
    [
        ("PROCESSING", False, False),
        ("SUCCEEDED", False, True),
        ("FAILED", True, True),
        ("ABORTED", True, True),
        ("INVALID", False, True),
    ],
)
@pytest.mark.parametrize("way", ["plain", "replace", "definition"])
def test_what_a_state_allows(office: Office, state: str, plain: bool, replacing: bool, way: str) -> None:
    office.hand_in()
    STATES[state](office)
    assert office.state == state
    process = [{"workflow": "publish", "replace": way == "definition"}]
    found = office.hand_in(PAYLOAD | {"process": process}, replace=way == "replace")
    assert found.started is (plain if way == "plain" else replacing)
    assert len(office.workflows.started) == 1 + found.started
    assert found.run.number == 1 + found.started


def test_one_that_was_claimed_goes_on_with_whoever_hands_it_in(office: Office) -> None:
    """Its starter died before the execution began, and before it wrote the payload down."""
    office.hand_in()
    claimed = replace(office.entry, state=State.queued, owner=None, claim=None)
    office.edges.index.put(claimed)
    office.workflows.started.clear()
    assert office.hand_in().run.number == 1
    assert list(office.workflows.started) == [office.arn()]


def test_fifty_who_hand_it_in_at_once_make_one_execution(office: Office) -> None:
    office.edges = replace(office.edges, index=MemoryIndex())
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda n: office.hand_in(PAYLOAD | {"from": n}), range(50)))
    assert {one.run.run for one in found} == {f"{KEY}/1"}
    assert len(office.workflows.started) == 1
    (given,) = office.workflows.started.values()
    assert json.loads(office.edges.store.get(found[0].run.input)) == given, "what runs is what was written down"


def test_what_runs_is_the_payload_that_was_written_down_first(office: Office) -> None:
    """Somebody handed one in at the same time, and was a moment quicker."""
    name = execution_name(SUBJECT)
    url = record.execution_url(office.edges, SUBJECT, f"{EXECUTIONS}publish:{name}", "input.json")
    office.edges.store.put(url, json.dumps(PAYLOAD | {"id": ID, "from": "quicker"}).encode())
    assert office.hand_in(PAYLOAD | {"from": "slower"}).started
    (given,) = office.workflows.started.values()
    assert given["from"] == "quicker"


def test_late_events_in_any_order_leave_the_next_run_alone(tmp_path: Path) -> None:
    """24 orders of the events of the first execution, told once more after the second began."""
    for number, order in enumerate(permutations(("SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"))):
        office = Office(tmp_path / str(number))
        office.hand_in()
        office.end("FAILED")
        assert office.hand_in().run.number == 2
        for status in order:
            office.end(status, 1)
        assert (office.state, office.entry.number) == ("PROCESSING", 2)
        office.end("SUCCEEDED", 2)
        for status in order:
            office.tell(status, 2)
        assert office.state == "SUCCEEDED"


def test_what_it_has_made_is_kept_published_and_handed_on(office: Office) -> None:
    chain = [{"workflow": "publish"}, [{"workflow": "map"}, {"workflow": "chart", "chain_filter": "@.id == 'none'"}]]
    office.hand_in(PAYLOAD | {"process": chain})
    office.end(output=PAYLOAD | {"id": ID, "process": chain})
    assert office.state == "SUCCEEDED"
    assert runs.result(office.edges, KEY)["features"] == [ITEM]
    attributes = {"collection": "viirs", "bbox.ll_lon": 1, "bbox.ll_lat": 2, "bbox.ur_lon": 3, "bbox.ur_lat": 4}
    attributes |= dict.fromkeys(("start_datetime", "end_datetime", "datetime"), "2015-01-01T00:00:00Z")
    assert office.published == [(ITEM, attributes | {"cloud_cover": 7})]
    following = runs.find(office.edges, "payload:viirs/workflow-map/a")
    assert following.state is State.running
    assert json.loads(office.edges.store.get(following.input))["process"] == [{"workflow": "map"}]
    assert (
        office.entry.reason == "process[1][1] (chart): its chain_filter leaves none of 1 items, so nothing is started"
    )
    with pytest.raises(NotFound):
        runs.find(office.edges, "payload:viirs/workflow-chart/a")


def test_an_event_that_is_told_twice_hands_on_once(office: Office) -> None:
    chain = [{"workflow": "publish"}, {"workflow": "map"}]
    office.hand_in(PAYLOAD | {"process": chain})
    office.end(output=PAYLOAD | {"process": chain})
    office.tell("SUCCEEDED")
    assert len(office.workflows.started) == 2
    assert len(office.published) == 1


def test_items_go_into_the_catalogue_and_one_that_is_refused_fails_the_run(office: Office) -> None:
    items = KeptStacItems()
    office.edges = replace(office.edges, items=items)
    office.hand_in()
    office.end()
    assert items.kept == {("viirs", "a"): ITEM}
    office.edges = replace(office.edges, items=Strict())
    office.hand_in(replace=True)
    office.end(number=2)
    assert office.state == "FAILED"
    assert str(office.entry.failure) == "DocumentError: refused item 'a': 400"


class Strict:
    """A catalogue that takes nothing."""

    def put(self, item: Any) -> None:
        raise DocumentError(f"refused item {item['id']!r}: 400")


@pytest.mark.parametrize("output", [[1], "text", {"process": [{"workflow": "publish"}, 7], "features": [ITEM]}])
def test_an_output_that_is_no_payload_is_a_failure_with_the_reason(office: Office, output: object) -> None:
    office.hand_in()
    office.end(output=output)
    assert office.state == "FAILED"
    assert office.entry.failure is not None
    assert office.entry.failure.type == "DocumentError"


def test_a_wrong_payload_is_invalid_and_kept_with_the_reason(office: Office) -> None:
    wrong = PAYLOAD | {"process": [{"workflow": "publish", "replace": "yes"}]}
    with pytest.raises(DocumentError, match=r"process\[0\]\.replace"):
        office.hand_in(wrong)
    assert office.state == "INVALID"
    assert "process[0].replace" in str(office.entry.failure)
    assert json.loads(office.edges.store.get(runs.find(office.edges, KEY).input)) == wrong
    assert office.workflows.started == {}
    assert office.hand_in(replace=True).started, "a right one in its place"


def test_a_wrong_payload_does_not_touch_one_that_goes_on(office: Office) -> None:
    office.hand_in()
    with pytest.raises(DocumentError):
        office.hand_in(PAYLOAD | {"process": [{"workflow": "publish", "replace": "yes"}]})
    assert office.state == "PROCESSING"


def test_what_has_no_id_is_kept_aside_with_the_reason(office: Office) -> None:
    with pytest.raises(DocumentError):
        office.hand_in({"features": "none"})
    ((url, _),) = office.edges.store.list(office.edges.internal("cirrus/tmp/invalid/"))
    kept = json.loads(office.edges.store.get(url))
    assert kept["payload"] == {"features": "none"}
    assert "process: required" in kept["reason"]


def test_a_workflow_that_is_not_there_is_a_failure_which_may_be_tried_again(office: Office) -> None:
    named = PAYLOAD | {"id": ID, "process": [{"workflow": "missing"}]}
    with pytest.raises(Unknown, match="no workflow 'missing'"):
        office.hand_in(named)
    assert (office.state, office.workflows.started) == ("FAILED", {})
    assert office.hand_in(PAYLOAD | {"id": ID}).started


def test_it_is_stopped_and_run_again_by_its_key(office: Office) -> None:
    office.hand_in()
    with pytest.raises(Conflict, match="PROCESSING"):
        runs.rerun(office.edges, office.workflows, KEY)
    assert runs.stop(office.edges, office.workflows, KEY).state is State.cancelled
    assert office.workflows.stopped == [office.arn()]
    again = runs.rerun(office.edges, office.workflows, KEY)
    assert (again.number, again.state) == (2, State.running)
    office.end(number=2)
    assert runs.rerun(office.edges, office.workflows, KEY).number == 3


def test_one_whose_end_nobody_told_is_settled_by_who_looks(office: Office) -> None:
    office.hand_in()
    office.workflows.ended[office.arn()] = Outcome("SUCCEEDED", json.dumps(PAYLOAD))
    assert control.settle(office.edges, office.workflows, KEY).state is State.succeeded
    assert len(office.published) == 1


def test_an_end_is_left_to_its_event_for_some_seconds(office: Office) -> None:
    """Whoever waits looks twice a second: both would publish what it has made."""
    office.hand_in()
    ended = Outcome("SUCCEEDED", json.dumps(PAYLOAD), ended=office.edges.now())
    office.workflows.ended[office.arn()] = ended
    assert control.settle(office.edges, office.workflows, KEY).state is State.running
    office.workflows.ended[office.arn()] = replace(ended, ended=office.edges.now() - control.EVENT_SECONDS)
    assert control.settle(office.edges, office.workflows, KEY).state is State.succeeded
    assert len(office.published) == 1


def test_after_the_engine_was_lost_what_went_on_is_processed_again(office: Office) -> None:
    office.hand_in()
    office.edges = replace(office.edges, index=MemoryIndex())
    office.workflows = Machines()
    told: list[str] = []
    control.recover(office.edges, office.workflows, told.append)
    assert told == [f"going on with run {KEY}"]
    assert (office.state, office.entry.number) == ("PROCESSING", 2)
    assert json.loads(office.edges.store.get(record.input_of(office.edges, office.entry)))["id"] == ID


def test_runs_of_one_workflow_over_some_collections_are_listed_together(office: Office) -> None:
    for item in "cab":
        office.hand_in(PAYLOAD | {"features": [ITEM | {"id": item}]})
    page = runs.list(office.edges, "payload:viirs_publish", state=None, limit=2)
    assert [run.key for run in page.runs] == ["payload:viirs/workflow-publish/c", "payload:viirs/workflow-publish/b"]
    (last,) = runs.list(office.edges, "payload:viirs_publish", state=None, limit=2, after=page.after).runs
    assert last.key == "payload:viirs/workflow-publish/a"


ENDS = {
    "SUCCEEDED": lambda office: office.end(),
    "FAILED": lambda office: office.end("FAILED"),
    "TIMED_OUT": lambda office: office.end("TIMED_OUT"),
    "INVALID": lambda office: office.end("FAILED", error="stactask.exceptions.InvalidInput"),
    "ABORTED": lambda office: runs.stop(office.edges, office.workflows, KEY),
}


@pytest.mark.parametrize("end", ENDS)
def test_each_change_is_told_once_with_the_name_that_cirrus_gives_it(office: Office, end: str) -> None:
    office.hand_in()
    office.hand_in()
    ENDS[end](office)
    office.tell("ABORTED")
    assert office.events == ["CLAIMED_PROCESSING", "STARTED_PROCESSING", "ALREADY_PROCESSING", end]


def test_an_event_tells_what_it_is_about(office: Office) -> None:
    office.hand_in()
    office.end("FAILED")
    _, event, attributes = office.topics.published[-1]
    assert event["payload_id"] == ID
    assert event["input_payload_url"] == runs.find(office.edges, KEY).input
    assert event["error"] == "Boom: it broke"
    assert event["execution"].rpartition("/")[2] == office.arn()
    told = {"event_type": "FAILED", "workflow": "publish", "collections": "viirs", "error": "Boom: it broke"}
    assert attributes == told


def test_what_was_done_before_and_what_is_wrong_are_told_too(office: Office) -> None:
    office.hand_in()
    office.end()
    office.hand_in()
    for wrong in (PAYLOAD | {"process": [{"workflow": "publish", "replace": "yes"}]}, {"features": "none"}):
        with pytest.raises(DocumentError):
            office.hand_in(wrong)
    assert office.events[2:] == ["SUCCEEDED", "ALREADY_SUCCEEDED", "INVALID", "NOT_A_PROCESS_PAYLOAD"]


PROCESS = "http://127.0.0.1:1/000000000000/p-process"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:p-process"


def record_of(body: object, id: str) -> dict[str, Any]:
    return {
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "messageId": id,
        "receiptHandle": id,
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1000"},
    }


def test_the_queue_takes_payloads_in_each_form_and_puts_bad_ones_aside(office: Office) -> None:
    """Raw, in SNS's envelope, by address, and as AWS Batch tells of a job; beside two that cannot be processed."""
    letters = KeptLetters()
    stack = replace(office.edges.stack, process=PROCESS, messages=f"{PROCESS}-messages")
    edges = replace(office.edges, stack=stack, letters=letters)
    edges.store.put(edges.internal("registry.json"), b'{"collections": {}, "providers": {}, "rules": {}}')
    url = edges.internal("mine/payload.json")
    edges.store.put(url, json.dumps(PAYLOAD | {"features": [ITEM | {"id": "by-url"}]}).encode())
    batch = edges.internal("mine/batch.json")
    edges.store.put(batch, json.dumps(PAYLOAD | {"features": [ITEM | {"id": "batch"}]}).encode())
    bodies = {
        "raw": PAYLOAD,
        "sns": {"Message": json.dumps(PAYLOAD | {"features": [ITEM | {"id": "sns"}]}), "TopicArn": "arn:t"},
        "url": {"url": url},
        "batch": {"Parameters": {"url_out": batch}},
        "wrong": PAYLOAD | {"process": []},
        "text": "no JSON",
    }
    event = {"Records": [record_of(body, id) for id, body in bodies.items()]}
    assert start_from_message(edges, office.workflows, event) == {"batchItemFailures": []}
    started = {str(given["features"][0]["id"]) for given in office.workflows.started.values()}
    assert started == {"a", "sns", "by-url", "batch"}
    assert [letter["message"]["id"] for letter in letters.dead] == ["wrong", "text"]
    assert [letter["reason"]["type"] for letter in letters.dead] == ["DocumentError", "DocumentError"]


def test_a_payload_whose_address_cannot_be_read_yet_comes_again(office: Office) -> None:
    stack = replace(office.edges.stack, process=PROCESS)
    edges = replace(office.edges, stack=stack, letters=KeptLetters(), store=Refusing(office.edges.store))
    event = {"Records": [record_of({"url": edges.internal("mine/payload.json")}, "m-1")]}
    assert start_from_message(edges, office.workflows, event) == {"batchItemFailures": [{"itemIdentifier": "m-1"}]}


class Refusing:
    """A store that knows the registry, and refuses every other object for now."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, url: str) -> bytes:
        if url.endswith("/registry.json"):
            return b'{"collections": {}, "providers": {}, "rules": {}}'
        raise Unavailable("SlowDown", where=url)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_its_events_are_the_steps_of_all_its_runs_and_what_its_latest_execution_did(office: Office) -> None:
    office.hand_in()
    office.end("FAILED")
    office.hand_in()
    office.end(number=2)
    found = [(event.run, event.what) for event in runs.events(office.edges, office.workflows, KEY)]
    steps = [(run, what) for run, end in ((1, "failed"), (2, "succeeded")) for what in ("queued", "running", end)]
    assert sorted(found) == sorted([*steps, (2, "ExecutionStarted"), (2, "ExecutionSucceeded")])
    assert runs.input_of(office.edges, KEY) == PAYLOAD | {"id": ID}


def test_it_has_no_rows(office: Office) -> None:
    office.hand_in()
    office.end()
    with pytest.raises(NotFound, match="makes no rows"):
        runs.rows(office.edges, KEY)


def test_an_answer_that_is_too_large_for_a_step_goes_on_by_its_address(office: Office) -> None:
    store, small = office.edges.store, json.dumps({"a": 1})
    assert by_address(store, "internal", small) == small
    large = json.dumps({"a": "x" * INLINE})
    told = json.loads(by_address(store, "internal", large))
    assert list(told) == ["url"]
    assert store.get(told["url"]).decode() == large
