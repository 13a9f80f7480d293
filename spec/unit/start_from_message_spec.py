"""Messages start the workflows of their rules: each once, however often and by whom they are handed over."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pileus import runs
from pileus.backfills.rules import fire_lost, fire_onetime, input_of
from pileus.cumulus.received import Received, is_queue
from pileus.edges.letters import KeptLetters
from pileus.errors import Conflict, Unavailable, Unknown, UsageError
from pileus.project.registry import Registry
from pileus.runs.from_message import start_all, start_by_hand
from pileus.tasks.start_from_message import start_from_message
from pileus.wiring import Edges, wire_folder
from spec.support.runs import Executions

QUEUE = "arn:aws:sqs:us-east-1:000000000000:notes"
TOPIC = "arn:aws:sns:us-east-1:000000000000:notes"
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/notes"
FALLBACK = "http://127.0.0.1:1/000000000000/p-messages"
PLACES = {"sqs": "http://127.0.0.1:1/000000000000/notes", "sns": TOPIC, "kinesis": STREAM}


def rule(name: str, kind: str = "sqs", **changes: Any) -> dict[str, Any]:
    return {"name": name, "workflow": "Note", "rule": {"type": kind, "value": PLACES[kind]}} | changes


def record(body: str, id: str = "m-1", count: int = 1, arn: str = QUEUE) -> dict[str, Any]:
    return {
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "messageId": id,
        "receiptHandle": f"receipt-{id}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(count), "SentTimestamp": "1000"},
    }


def of_stream(body: bytes, sequence: str = "49") -> dict[str, Any]:
    data = {"data": base64.b64encode(body).decode(), "sequenceNumber": sequence, "approximateArrivalTimestamp": 1.0}
    return {
        "eventSource": "aws:kinesis",
        "eventSourceARN": STREAM,
        "eventID": f"shard-0:{sequence}",
        "kinesis": data,
    }


def of_topic(body: str, id: str = "t-1") -> dict[str, Any]:
    told = {"MessageId": id, "TopicArn": TOPIC, "Message": body, "Timestamp": "1970-01-01T00:00:01Z"}
    return {"EventSource": "aws:sns", "Sns": told}


@dataclass
class Post:
    """A stack in a folder, whose executions are counted."""

    edges: Edges
    workflows: Executions
    letters: KeptLetters

    def rules(self, *documents: Mapping[str, Any]) -> None:
        value = {
            "collections": {
                f"{name}___001": {"name": name, "files": [{"regex": ".*"}], "provider": "site"}
                for name in ("winds", "waves")
            },
            "providers": {"site": {"id": "site", "protocol": "https", "host": "example.org"}},
            "rules": {one["name"]: one for one in documents},
        }
        self.edges.store.put(self.edges.internal("registry.json"), json.dumps(value).encode())

    @property
    def registry(self) -> Registry:
        return Registry.from_json(self.edges.store.get(self.edges.internal("registry.json")))

    def hand(self, *records: dict[str, Any]) -> list[str]:
        """Hand records over; those that are to come again."""
        answer = start_from_message(self.edges, self.workflows, {"Records": list(records)})
        return [one["itemIdentifier"] for one in answer["batchItemFailures"]]

    @property
    def started(self) -> list[Any]:
        return list(self.workflows.started.values())


@pytest.fixture
def post(tmp_path: Path) -> Post:
    edges, letters = wire_folder(tmp_path, {}), KeptLetters()
    machines = "arn:aws:states:us-east-1:000000000000:stateMachine:p-"
    stack = replace(edges.stack, messages=FALLBACK, messages_dead=f"{FALLBACK}-dead", workflows=machines)
    return Post(replace(edges, stack=stack, letters=letters), Executions(), letters)


def test_within_a_workflow_of_cumulus_the_event_is_the_input(post: Post) -> None:
    post.rules({"name": "mod", "workflow": "Note", "rule": {"type": "sqs", "value": QUEUE}})
    event = {"Records": [record('{"any": 1}')]}
    told = start_from_message(post.edges, post.workflows, {"config": {}, "input": event})
    assert told == {"batchItemFailures": []}
    assert [one["payload"] for one in post.started] == [{"any": 1}]


def test_a_rule_of_cumulus_for_a_collection_without_points_starts_its_workflow_about_it(post: Post) -> None:
    """As its DiscoverGranules rules are: once, with a collection and a workflow."""
    post.rules({"name": "mod", "collection": {"name": "winds"}, "workflow": "Note", "rule": {"type": "onetime"}})
    fire_onetime(post.edges, post.workflows, post.registry)
    (message,) = post.letters.again
    post.hand(record(json.dumps(message), arn="arn:aws:sqs:us-east-1:000000000000:p-messages"))
    (document,) = post.started
    assert (document["payload"], document["meta"]["collection"]["name"]) == ({}, "winds")
    assert document["meta"]["provider"]["id"] == "site"


@pytest.mark.parametrize("payload", [None, {"granules": [1]}])
def test_a_rule_that_fires_by_itself_starts_its_workflow_over_its_payload(post: Post, payload: Any) -> None:
    """As a schedule puts it into the stack's own queue: without a number of its own."""
    once = {"name": "nightly", "workflow": "Note", "rule": {"type": "scheduled", "value": "rate(1 day)"}}
    post.rules(once | {"payload": payload, "meta": {"mine": 7}})
    fired = json.dumps(input_of(post.registry, post.registry.rules["nightly"]))
    own = "arn:aws:sqs:us-east-1:000000000000:p-messages"
    assert post.hand(record(fired, arn=own)) == []
    assert post.hand(record(fired, arn=own), record(fired, "m-2", arn=own)) == []
    first, second = post.started
    assert first["payload"] == second["payload"] == (payload or {})
    assert first["meta"]["mine"] == 7
    told = {"rule": "nightly", "type": "rule", "arn": "nightly", "messageId": "m-1", "sent": 1.0}
    assert first["meta"]["eventSource"] == told


def test_a_onetime_rule_starts_its_workflow_once_a_content(post: Post) -> None:
    once = {"name": "once", "workflow": "Note", "rule": {"type": "onetime"}, "payload": {"n": 1}}
    own = "arn:aws:sqs:us-east-1:000000000000:p-messages"
    for document, runs_made in ((once, 1), (once, 1), (once | {"payload": {"n": 2}}, 2)):
        post.rules(document)
        fire_onetime(post.edges, post.workflows, post.registry)
        for number, message in enumerate(post.letters.again):
            post.hand(record(json.dumps(message), f"m-{number}", arn=own))
        assert len(post.started) == runs_made
    assert fire_lost(post.edges, post.workflows, post.registry) == [], "its run is written down"
    post.rules(once | {"payload": {"n": 3}})
    fire_onetime(post.edges, post.workflows, post.registry)
    assert fire_lost(post.edges, post.workflows, post.registry) == [("once", "started")], "nobody took the message"


def test_a_message_starts_its_rules_workflow_over_a_cumulus_message(post: Post) -> None:
    post.rules(rule("notes", collection={"name": "winds"}, meta={"mine": 7}))
    assert post.hand(record('{"n": 1}')) == []
    (document,) = post.started
    assert document["payload"] == {"n": 1}
    assert document["meta"]["mine"] == 7
    assert (document["meta"]["collection"]["name"], document["meta"]["provider"]["id"]) == ("winds", "site")
    assert document["meta"]["buckets"]["internal"] == {"name": "internal", "type": "internal"}
    meta = document["cumulus_meta"]
    assert (meta["system_bucket"], meta["workflow_start_time"]) == ("internal", 1000)
    assert f"Note:{meta['execution_name']}" in post.workflows.started
    assert meta["state_machine"].endswith(":p-Note")


def test_a_message_that_is_handed_over_again_starts_nothing_more(post: Post) -> None:
    post.rules(rule("notes"))
    for count in (1, 2, 3):
        assert post.hand(record('{"n": 1}', count=count)) == []
    assert len(post.started) == 1


def test_that_holds_when_its_documents_were_populated_anew_between(post: Post) -> None:
    post.rules(rule("notes"))
    post.hand(record('{"n": 1}'))
    post.rules(rule("notes", meta={"mine": 8}))
    assert post.hand(record('{"n": 1}', count=2)) == []
    assert len(post.started) == 1
    assert post.letters.dead == []


def test_each_of_several_rules_starts_its_own_run(post: Post) -> None:
    post.rules(rule("one"), rule("two"), rule("other", kind="sns"))
    post.hand(record('{"n": 1}'))
    assert sorted(one["meta"]["eventSource"]["rule"] for one in post.started) == ["one", "two"]


def cnm(collection: str = "winds", identifier: str = "note-1", **changes: Any) -> str:
    file = {"type": "data", "uri": "https://example.org/a.nc", "name": "a.nc", "size": 1}
    value = {"version": "1.5", "identifier": identifier, "submissionTime": "2020-01-01T00:00:00Z"}
    value |= {"collection": collection, "product": {"name": "a", "dataVersion": "001", "files": [file]}}
    return json.dumps(value | changes)


@pytest.mark.parametrize(("collection", "started"), [("winds", "one"), ("waves", "two")])
def test_a_message_goes_to_the_rule_of_its_collection(post: Post, collection: str, started: str) -> None:
    post.rules(rule("one", collection={"name": "winds"}), rule("two", collection={"name": "waves"}))
    post.hand(record(cnm(collection)))
    assert [one["meta"]["eventSource"]["rule"] for one in post.started] == [started]


def test_a_cnm_is_known_by_its_identifier_whoever_sends_it(post: Post) -> None:
    post.rules(rule("notes"), rule("topic", kind="sns"))
    post.hand(record(cnm(), id="m-1"), record(cnm(), id="m-2"))
    assert len(post.started) == 1


def test_another_cnm_of_the_same_identifier_is_refused_with_the_reason(post: Post) -> None:
    post.rules(rule("notes", meta={"retries": 0}))
    post.hand(record(cnm(), id="m-1"), record(cnm(trace="other"), id="m-2"))
    (letter,) = post.letters.dead
    assert (letter["reason"]["type"], letter["message"]["id"]) == ("Conflict", "m-2")
    assert len(post.started) == 1


POISON = [
    ("no json", "DocumentError", "not JSON"),
    ("[1]", "DocumentError", "expected a JSON object"),
    ('{"collection": "unheard"}', "Unknown", "'unheard'"),
    (cnm(version="7"), "DocumentError", "version: "),
]


@pytest.mark.parametrize(("body", "type", "told"), POISON)
def test_poison_is_handed_over_again_as_often_as_its_rule_says_and_then_is_a_dead_letter(
    post: Post, body: str, type: str, told: str
) -> None:
    post.rules(rule("notes", collection={"name": "winds"}, meta={"retries": 2, "visibilityTimeout": 9}))
    for count in (1, 2):
        assert post.hand(record(body, count=count), record('{"n": 1}', id="m-2")) == ["m-1"]
    assert post.letters.hidden == [(QUEUE, "receipt-m-1", 9)] * 2
    assert post.hand(record(body, count=3)) == []
    (letter,) = post.letters.dead
    assert (letter["reason"]["type"], letter["message"]["body"]) == (type, body)
    assert told in letter["reason"]["message"]
    assert len(post.started) == 1, "the good one beside it was not held up"


def test_without_a_word_of_the_rule_it_is_three_times(post: Post) -> None:
    post.rules(rule("notes"))
    assert [post.hand(record("no json", count=count)) for count in (1, 2, 3, 4)] == [["m-1"]] * 3 + [[]]
    assert len(post.letters.dead) == 1


def test_what_passes_by_itself_never_makes_a_dead_letter(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    post.rules(rule("notes", meta={"retries": 0}))

    def down(*_: object) -> bool:
        raise Unavailable("throttled")

    monkeypatch.setattr(post.workflows, "exists", down)
    assert post.hand(record('{"n": 1}', count=50)) == ["m-1"]
    assert post.letters.dead == []


def test_a_disabled_rule_starts_nothing_and_the_message_says_why(post: Post) -> None:
    post.rules(rule("notes", state="DISABLED", meta={"retries": 0}))
    post.hand(record('{"n": 1}', count=4))
    assert post.started == []
    assert post.letters.dead[0]["reason"]["message"] == "no enabled rule of this source takes it"


def test_a_record_of_a_stream_that_fails_goes_to_the_stacks_queue_and_holds_up_none_behind_it(post: Post) -> None:
    post.rules(rule("stream", kind="kinesis", meta={"retries": 1}))
    assert post.hand(of_stream(b"bad \xff", "1"), of_stream(b'{"n": 2}', "2")) == []
    assert [one["payload"] for one in post.started] == [{"n": 2}]
    (kept,) = post.letters.again
    assert (kept["kind"], kept["id"], kept["body"]) == ("kinesis", "shard-0:1", "bad \\xff")
    again = arn_of_fallback()
    assert post.hand(record(json.dumps(kept), id="f-1", count=1, arn=again)) == ["f-1"]
    assert post.hand(record(json.dumps(kept), id="f-1", count=2, arn=again)) == []
    assert post.letters.dead[0]["message"] == kept


def arn_of_fallback() -> str:
    found = "arn:aws:sqs:us-east-1:000000000000:p-messages"
    assert is_queue(FALLBACK, found)
    return found


def test_a_message_of_a_topic_starts_its_rule_and_a_bad_one_goes_to_the_stacks_queue(post: Post) -> None:
    post.rules(rule("topic", kind="sns"))
    post.hand(of_topic('{"n": 1}', "t-1"), of_topic("no json", "t-2"))
    assert [one["payload"] for one in post.started] == [{"n": 1}]
    assert [one["id"] for one in post.letters.again] == ["t-2"]


def test_a_topic_through_a_queue_is_taken_out_of_its_envelope(post: Post) -> None:
    post.rules(rule("notes"))
    post.hand(record(json.dumps({"Type": "Notification", "TopicArn": TOPIC, "Message": '{"n": 1}'})))
    assert [one["payload"] for one in post.started] == [{"n": 1}]


@pytest.mark.parametrize("event", [{}, {"Records": {}}, {"Records": [{"eventSource": "aws:s3"}]}, {"Records": [7]}])
def test_an_event_of_something_else_is_refused(post: Post, event: Any) -> None:
    post.rules(rule("notes"))
    with pytest.raises(UsageError, match="not an event"):
        start_from_message(post.edges, post.workflows, event)


def test_the_pipeline_is_entered_through_its_workflow_for_messages(post: Post) -> None:
    post.rules(rule("notes", workflow="DiscoverAndProcessGranules", collection={"name": "winds"}))
    (run,) = start_all(post.edges, post.workflows, post.registry, Received("sqs", QUEUE, "m", cnm()))
    assert run.key.startswith("workflow:IngestGranules/")


def test_a_person_may_fire_a_disabled_rule_by_hand_and_none_that_backfills(post: Post) -> None:
    alone = {"name": "once", "workflow": "Note", "rule": {"type": "onetime"}, "payload": {"n": 2}}
    post.rules(
        rule("notes", state="DISABLED"),
        alone,
        {"name": "fills", "collection": {"name": "winds"}, "rule": {"type": "onetime"}},
    )
    registry = post.registry
    start_by_hand(post.edges, post.workflows, registry, registry.rules["notes"], {"n": 1})
    assert [one["payload"] for one in post.started] == [{"n": 1}]
    start_by_hand(post.edges, post.workflows, registry, registry.rules["once"], None)
    start_by_hand(post.edges, post.workflows, registry, registry.rules["once"], {"n": 3})
    assert [one["payload"] for one in post.started] == [{"n": 1}, {"n": 2}, {"n": 3}]
    with pytest.raises(UsageError, match="rule notes fires with a message: give one"):
        start_by_hand(post.edges, post.workflows, registry, registry.rules["notes"], None)
    with pytest.raises(UsageError, match="rule fills backfills a collection: it takes no message"):
        start_by_hand(post.edges, post.workflows, registry, registry.rules["fills"], {"n": 1})


def test_what_is_not_populated_is_unknown(post: Post) -> None:
    post.rules(rule("notes", provider="nobody"))
    with pytest.raises(Unknown, match="nobody"):
        start_all(post.edges, post.workflows, post.registry, Received("sqs", QUEUE, "m", "{}"))


def test_the_end_of_a_run_is_told_once_a_failure_as_a_dead_letter_and_the_response_as_asked(post: Post) -> None:
    from pileus.edges.topics import KeptTopics
    from pileus.lifecycle.partition import Failure
    from pileus.runs.end import execution_ended
    from pileus.runs.owned import End
    from pileus.subject import Execution, parse_subject

    post.rules(rule("notes", meta={"cnmResponse": {"topic": "arn:aws:sns:r:1:out"}}))
    topics = KeptTopics()
    edges = replace(post.edges, topics=topics)
    good, bad = (
        start_all(edges, post.workflows, post.registry, Received("sqs", QUEUE, id, cnm(identifier=id)))[0]
        for id in ("good", "bad")
    )
    for run, status, why in ((good, "SUCCEEDED", None), (bad, "FAILED", Failure("Corrupt", "md5 differs", "a.nc"))) * 2:
        subject = parse_subject(run.key)
        assert isinstance(subject, Execution)
        execution_ended(edges, post.workflows, subject, 1, None, End(status, why, "{}"))
    told = {message["identifier"]: (topic, message["response"]) for topic, message, _ in topics.published}
    assert len(topics.published) == 2, "an event that comes twice tells nothing twice"
    assert told["good"] == ("arn:aws:sns:r:1:out", {"status": "SUCCESS"})
    assert told["bad"][1]["errorCode"] == "TRANSFER_ERROR"
    (letter,) = post.letters.dead
    assert (letter["run"], letter["reason"]["type"], letter["rules"]) == (bad.key, "Corrupt", ["notes"])
    assert runs.find(edges, good.key).state == "succeeded"


def test_a_run_that_no_message_started_is_told_nowhere(post: Post) -> None:
    from pileus.runs.end import execution_ended
    from pileus.runs.owned import End
    from pileus.subject import Execution

    runs.start_workflow(post.edges, post.workflows, "Note", {"meta": {}}, "mine")
    execution_ended(post.edges, post.workflows, Execution("Note", "mine"), 1, None, End("FAILED"))
    assert post.letters.dead == []


def test_an_identifier_of_another_document_conflicts(post: Post) -> None:
    post.rules(rule("notes"))
    start_all(post.edges, post.workflows, post.registry, Received("sqs", QUEUE, "a", cnm()))
    with pytest.raises(Conflict):
        start_all(post.edges, post.workflows, post.registry, Received("sqs", QUEUE, "b", cnm(trace="x")))
