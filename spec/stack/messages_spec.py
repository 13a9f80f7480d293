"""Rules of type sqs, sns and kinesis on the embedded stack: real queues, topics and streams start real executions."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pileus import runs
from pileus.edges.aws import Stack
from pileus.models import State
from pileus.outputs.read import read_stats
from pileus.project.registry import Registry
from pileus.runs import Run
from pileus.tasks.start_from_message import start_from_message
from pileus.wiring import wire_workflows
from spec.support import tiny
from spec.support.stack import Project, project_of

ACCOUNT = "us-east-1:000000000000"
NOTE = {
    "StartAt": "Asked",
    "States": {
        "Asked": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.payload.fail", "IsPresent": True, "Next": "Broken"}],
            "Default": "Done",
        },
        "Broken": {"Type": "Fail", "Error": "Boom", "Cause": "it broke"},
        "Done": {"Type": "Pass", "OutputPath": "$.payload", "End": True},
    },
}
QUEUES = ("thousand", "race", "disabled", "kept", "cnm")
ROLES = {
    "message_sources": [f"arn:aws:sqs:{ACCOUNT}:spec-{name}" for name in QUEUES],
    "response_topics": [f"arn:aws:sns:{ACCOUNT}:spec-responses"],
}
SEVERAL = ("Note", "Disabled", "Topic", "Stream", "Race", "Kept", "Once", "Clocked")
"""Workflows that do the same, so that each spec has runs of its own."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A stack with a few workflows of the project that do next to nothing, and a collection of two months."""
    with project_of(tmp_path_factory.mktemp("project"), **ROLES) as made:
        made.path.joinpath("workflows").mkdir()
        for name in SEVERAL:
            made.path.joinpath(f"workflows/{name}.asl.json").write_text(json.dumps(NOTE))
        tiny.collection(made, "tiny", "201501", "201502")
        clocked = {"workflow": "Clocked", "rule": {"type": "scheduled", "value": "rate(1 minute)"}, "payload": {"n": 9}}
        made.document("rules/clocked.json", {"name": "clocked", **clocked})
        made.up()
        yield made


def queue(project: Project, name: str, seconds: int = 30) -> str:
    """A queue of the account, not of the stack; its URL."""
    made = project.aws.sqs.create_queue(QueueName=f"spec-{name}", Attributes={"VisibilityTimeout": str(seconds)})
    return made["QueueUrl"]


def rule(project: Project, name: str, kind: str, value: str, workflow: str, **changes: Any) -> None:
    meta = {"retries": 1, "visibilityTimeout": 1}
    made = {"name": name, "workflow": workflow, "rule": {"type": kind, "value": value}, "meta": meta}
    project.document(f"rules/{name}.json", made | changes)
    project.pileus("populate")


def ended(project: Project, workflow: str, count: int, seconds: float = 60) -> list[Run]:
    """Wait until so many runs of a workflow have ended; all of its runs."""

    def all_ended() -> list[Run]:
        found, after = [], None
        while True:
            page = runs.list(project.edges, f"workflow:{workflow}", state=None, limit=500, after=after)
            found += page.runs
            if (after := page.after) is None:
                break
        return found if len([run for run in found if run.state.ended]) >= count else []

    found: list[Run] = project.wait_for(all_ended, seconds)
    return found


def documents(project: Project, found: list[Run]) -> list[Any]:
    with ThreadPoolExecutor(8) as pool:
        return [json.loads(one) for one in pool.map(project.edges.store.get, [run.input for run in found])]


def letters(project: Project, at_least: int) -> list[dict[str, Any]]:
    """Wait until there are so many dead letters of messages; all of them."""

    def read() -> list[dict[str, Any]]:
        found = project.json("dead-letters", "list")
        return found if len(found) >= at_least else []

    rows = project.wait_for(read)
    return [project.json("dead-letters", "show", row["id"]) | {"why": row["why"]} for row in rows]


def executions(project: Project, workflow: str) -> int:
    """Return how often Step Functions has started a workflow."""
    arn = Stack.from_env(project.running.stack).workflow_arn(workflow)
    pages = project.aws.stepfunctions.get_paginator("list_executions").paginate(stateMachineArn=arn)
    return sum(len(page["executions"]) for page in pages)


def cnm(identifier: str, collection: str = "tiny", **changes: Any) -> dict[str, Any]:
    file = {"type": "data", "uri": "https://x.org/a.nc", "name": "a.nc", "size": 1}
    value = {"version": "1.5", "identifier": identifier, "submissionTime": "2015-02-01T00:00:00Z"}
    value |= {"collection": collection, "product": {"name": "a", "dataVersion": "001", "files": [file]}}
    return value | changes


def test_of_a_thousand_messages_each_good_one_runs_once_and_each_poison_is_a_dead_letter(project: Project) -> None:
    url = queue(project, "thousand")
    rule(project, "thousand", "sqs", url, "Note", collection={"name": "tiny"})
    poison = {
        "no json": "not JSON",
        json.dumps({"collection": "unheard"}): "no enabled rule of this source takes collection 'unheard'",
        json.dumps(cnm("bad", version="9")): "version: ",
        json.dumps({"fail": True}): "Boom: it broke",
    }
    bodies = [json.dumps({"number": number}) for number in range(1000 - len(poison))]
    for place, body in enumerate(poison):
        bodies.insert(250 * place, body)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: send(project, url, bodies[at : at + 10]), range(0, 1000, 10)))
    project.wait_for(lambda: left(project, url) == 0, 150, every=1)
    found = ended(project, "Note", 997)
    numbers = sorted(one["payload"]["number"] for one in documents(project, found) if "number" in one["payload"])
    assert numbers == list(range(996))
    assert executions(project, "Note") == 997, "with the one that fails"
    told = letters(project, 4)
    assert sorted(one["message"]["body"] for one in told) == sorted(poison)
    for one in told:
        assert poison[one["message"]["body"]] in one["why"]
        assert one["rules"] == ["thousand"]


def send(project: Project, url: str, bodies: list[str]) -> None:
    entries: Any = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)]
    project.aws.sqs.send_message_batch(QueueUrl=url, Entries=entries)


def left(project: Project, url: str) -> int:
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = project.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(count) for count in found.values())


def test_racers_and_messages_that_come_again_start_one_execution(project: Project) -> None:
    url = queue(project, "race")
    rule(project, "race", "sqs", url, "Race", state="DISABLED")
    registry = json.loads(project.edges.store.get(project.edges.internal("registry.json")))
    registry["rules"]["race"]["state"] = "ENABLED"  # its queue stays unasked: the racers here are the Lambdas
    Registry.from_json(json.dumps(registry).encode())
    project.edges.store.put(project.edges.internal("registry.json"), json.dumps(registry).encode())
    record = {
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{ACCOUNT}:spec-race",
        "messageId": "m-1",
        "receiptHandle": "r",
        "body": json.dumps({"number": 1}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1000"},
    }
    stack = Stack.from_env(project.running.stack)

    def hand(_: int) -> Any:
        return start_from_message(project.edges, wire_workflows(project.aws, stack), {"Records": [record, record]})

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(hand, range(16))) == [{"batchItemFailures": []}] * 16
    ended(project, "Race", 1)
    assert executions(project, "Race") == 1
    assert hand(0) == {"batchItemFailures": []}
    assert executions(project, "Race") == 1


def test_a_disabled_rule_leaves_its_messages_in_the_queue_until_it_is_enabled(project: Project) -> None:
    url = queue(project, "disabled")
    rule(project, "disabled", "sqs", url, "Disabled", state="DISABLED")
    send(project, url, [json.dumps({"number": 1})])
    assert project.json("rules", "show", "disabled")["source_state"] == "disabled"
    assert (left(project, url), executions(project, "Disabled")) == (1, 0)
    project.pileus("rules", "enable", "disabled")
    ended(project, "Disabled", 1)
    assert executions(project, "Disabled") == 1


def test_a_topic_starts_its_rule_and_its_bad_message_becomes_a_dead_letter(project: Project) -> None:
    topic = project.aws.sns.create_topic(Name="spec-topic")["TopicArn"]
    rule(project, "topic", "sns", topic, "Topic")
    project.aws.sns.publish(TopicArn=topic, Message=json.dumps({"number": 1}))
    project.aws.sns.publish(TopicArn=topic, Message="bad topic")
    (run,) = ended(project, "Topic", 1)
    (document,) = documents(project, [run])
    assert (document["payload"], document["meta"]["eventSource"]["arn"]) == ({"number": 1}, topic)
    project.wait_for(lambda: [one for one in letters(project, 1) if one["message"]["body"] == "bad topic"])


def test_a_record_that_fails_twice_goes_to_the_fallback_queue_and_holds_up_none_behind_it(project: Project) -> None:
    kinesis: Any = project.aws.unguarded("kinesis")
    kinesis.create_stream(StreamName="spec-stream", ShardCount=1)
    stream = f"arn:aws:kinesis:{ACCOUNT}:stream/spec-stream"
    rule(project, "stream", "kinesis", stream, "Stream", collection={"name": "tiny"})
    for body in (b"bad stream \xff", b'{"collection": "unheard"}', b'{"number": 1}', b'{"number": 2}'):
        kinesis.put_record(StreamName="spec-stream", Data=body, PartitionKey="one")
    found = ended(project, "Stream", 2)
    assert sorted(one["payload"]["number"] for one in documents(project, found)) == [1, 2]

    def aside() -> list[dict[str, Any]]:
        kept = [one for one in letters(project, 2) if one["message"]["kind"] == "kinesis"]
        return kept if len(kept) == 2 else []

    told = {one["message"]["body"]: one["reason"]["type"] for one in project.wait_for(aside)}
    assert told == {"bad stream \\xff": "DocumentError", '{"collection": "unheard"}': "Unknown"}


def test_sources_follow_the_documents_and_those_that_are_not_ours_stay(project: Project) -> None:
    lambdas, stack = project.aws.lambda_, Stack.from_env(project.running.stack)
    foreign = f"arn:aws:sqs:{ACCOUNT}:spec-foreign"
    queue(project, "foreign")
    lambdas.create_event_source_mapping(EventSourceArn=foreign, FunctionName=stack.starter, Enabled=False)
    topic = project.aws.sns.create_topic(Name="spec-kept")["TopicArn"]
    rule(project, "kept", "sqs", queue(project, "kept"), "Kept")
    rule(project, "kept.topic", "sns", topic, "Kept")
    kept = f"arn:aws:sqs:{ACCOUNT}:spec-kept"

    def mappings() -> dict[str, str]:
        found = lambdas.list_event_source_mappings(FunctionName=stack.starter)["EventSourceMappings"]
        return {one["EventSourceArn"]: one["State"] for one in found}

    assert (mappings()[kept], mappings()[foreign]) == ("Enabled", "Disabled")
    assert len(project.aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 1
    before = lambdas.list_event_source_mappings(FunctionName=stack.starter)["EventSourceMappings"]
    project.pileus("populate")
    assert lambdas.list_event_source_mappings(FunctionName=stack.starter)["EventSourceMappings"] == before

    for name in ("kept", "kept.topic"):
        project.pileus("rules", "disable", name)
    assert mappings()[kept] == "Disabled"
    assert project.aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []

    for name in ("kept", "kept.topic"):
        (project.path / f"rules/{name}.json").unlink()
    project.pileus("populate")
    assert kept not in mappings()
    assert mappings()[foreign] == "Disabled"


def test_a_rule_is_fired_by_hand_with_a_message(project: Project) -> None:
    rule(project, "by.hand", "sqs", queue(project, "hand"), "Kept", state="DISABLED")
    project.document("message.json", {"number": 5})
    fired = project.json("rules", "run", "by.hand", "--message", "message.json")
    assert ":pileus-Kept:run_" in fired["execution"]
    ended(project, "Kept", 1)
    assert "--message" in project.pileus("rules", "run", "by.hand", code=2)


def responses(project: Project, url: str, count: int) -> list[dict[str, Any]]:
    """Wait for so many CNM responses on a queue that is subscribed to their topic."""
    found: list[dict[str, Any]] = []

    def come() -> bool:
        answer = project.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for one in answer.get("Messages", ()):
            found.append(json.loads(json.loads(one["Body"])["Message"]))
            project.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return len(found) >= count

    project.wait_for(come)
    return found


def announce(project: Project, month: str, **changes: Any) -> dict[str, Any]:
    """A CNM of the archive of a month, as it lies at the provider."""
    path = project.path / f"site/tiny/{month}/tiny_{month}.tgz"
    body = path.read_bytes()
    file = {"type": "data", "uri": path.as_uri(), "name": path.name, "size": len(body)}
    file |= {"checksum-type": "md5", "checksum": hashlib.md5(body).hexdigest()} | changes
    product = {"name": path.stem, "dataVersion": "001", "files": [file]}
    return cnm(f"note-{month}-{len(changes)}", product=product)


def test_a_cnm_becomes_the_rows_that_a_backfill_would_have_made_and_is_answered(project: Project) -> None:
    url, out = queue(project, "cnm"), queue(project, "responses")
    topic = project.aws.sns.create_topic(Name="spec-responses")["TopicArn"]
    arn = f"arn:aws:sqs:{ACCOUNT}:spec-responses"
    project.aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    tiny.publish(project, "tiny", "201501", "201502")
    meta = {"retries": 0, "visibilityTimeout": 1, "cnmResponse": {"topic": topic}}
    place = {"collection": {"name": "tiny"}, "provider": "folder"}
    rule(project, "cnm", "sqs", url, "DiscoverAndProcessGranules", meta=meta, **place)
    good, bad = announce(project, "201501"), announce(project, "201502", checksum="0" * 32)
    send(project, url, [json.dumps(good), json.dumps(bad)])

    told = {one["identifier"]: one for one in responses(project, out, 2)}
    assert told[good["identifier"]]["response"] == {"status": "SUCCESS"}
    assert told[good["identifier"]]["product"] == good["product"]
    refusal = told[bad["identifier"]]["response"]
    assert (refusal["status"], refusal["errorCode"]) == ("FAILURE", "TRANSFER_ERROR")
    assert "md5" in refusal["errorMessage"]

    edges = project.edges
    (row,) = read_stats(edges.store, edges.stack.protected, "tiny").to_pylist()
    assert (row["zone"], row["period"], row["count"], row["mean"]) == ("square", "2015-01", 16, 1.0)
    (planned,) = project.json("plan", "tiny", "--from", "201501", "--to", "201501")["partitions"]
    assert (planned["partition"], planned["kind"]) == ("tiny/001/2015-01/201501", "up to date")


def test_a_rule_without_a_collection_starts_its_workflow_once_a_content_and_by_hand(project: Project) -> None:
    document = {"name": "once", "workflow": "Once", "rule": {"type": "onetime"}, "payload": {"n": 1}}
    project.document("rules/once.json", document)
    assert "rule once started" in project.pileus("populate")
    (run,) = ended(project, "Once", 1)
    assert runs.result(project.edges, run.key) == {"n": 1}
    assert "started" not in project.pileus("populate")
    project.document("rules/once.json", document | {"payload": {"fail": True}})
    project.pileus("populate")
    assert {run.state for run in ended(project, "Once", 2)} == {State.succeeded, State.failed}
    assert any(one["why"].startswith("Boom") and one["rules"] == ["once"] for one in letters(project, 1))
    project.pileus("rules", "run", "once")
    assert len(ended(project, "Once", 3)) == 3
    assert executions(project, "Once") == 3


def test_a_schedule_without_a_collection_starts_its_workflow_each_time_it_fires(project: Project) -> None:
    """It was made when the stack came up; the embedded scheduler looks every ten seconds."""
    first = ended(project, "Clocked", 1, seconds=120)[0]
    assert first.state is State.succeeded
    assert runs.result(project.edges, first.key) == {"n": 9}
