"""One contract for queues: those over SQS, and those of the simulation."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.queues import Message, Queue, Queues, SqsQueues
from pileus.lifecycle.partition import Failure
from spec.servers import Site
from spec.simulation.alone import Alone
from spec.simulation.executions import Settings
from spec.simulation.machines import Machines
from spec.simulation.queues import SimulatedQueues
from spec.simulation.schedule import Schedule


class Desk(NamedTuple):
    """Queues, and what is around them."""

    queues: Queues
    post: Callable[[str, str], None]
    """Send a body to the queue of this name."""
    dead: Callable[[], list[str]]
    """Bodies of the dead letters."""


def simulated() -> Desk:
    schedule = Schedule(1)
    addresses = {"ingest": "queue://ingest", "backfill": "queue://backfill"}
    edge = SimulatedQueues(schedule, lambda: False, addresses, 120, 0.0)
    edge.machines = Machines(
        schedule, Settings(), lambda *_: None, lambda *_: None, lambda *_: None, lambda _: None, "m"
    )
    queues: Any = Alone(edge, schedule)
    return Desk(queues, lambda queue, body: edge.arrive(addresses[queue], body), lambda: edge.mail.dead)


def embedded(site: Site) -> Desk:
    aws, name = Aws(site.url), uuid4().hex[:8]
    urls = {
        part: aws.sqs.create_queue(QueueName=f"{name}-{part}", Attributes={"VisibilityTimeout": "120"})["QueueUrl"]
        for part in ("ingest", "backfill", "dead")
    }
    queues = {part: Queue(urls[part], urls["dead"]) for part in ("ingest", "backfill")}

    def dead() -> list[str]:
        return [one["Body"] for one in aws.sqs.receive_message(QueueUrl=urls["dead"]).get("Messages", [])]

    def post(queue: str, body: str) -> None:
        aws.sqs.send_message(QueueUrl=urls[queue], MessageBody=body)

    return Desk(SqsQueues(aws.sqs, aws.stepfunctions, queues), post, dead)


@pytest.fixture(params=["simulated", "sqs"])
def desk(request: pytest.FixtureRequest) -> Desk:
    return simulated() if request.param == "simulated" else embedded(request.getfixturevalue("aws"))


def body(token: str = "t") -> str:
    return json.dumps({"token": token, "task": {"config": {"partition": "p"}}})


def received(desk: Desk, queue: str = "backfill") -> Message:
    message = desk.queues.receive(queue, 2)
    assert message is not None
    return message


def test_what_is_sent_is_received_whole_by_one(desk: Desk) -> None:
    desk.post("backfill", body())
    message = received(desk)
    assert (message.queue, message.token, message.body) == ("backfill", "t", body())
    assert message.task == {"config": {"partition": "p"}}
    assert desk.queues.receive("backfill", 0) is None


def test_a_queue_gives_out_its_own(desk: Desk) -> None:
    desk.post("ingest", body("i"))
    assert desk.queues.receive("backfill", 0) is None
    assert received(desk, "ingest").token == "i"


def test_what_is_held_comes_back_and_counts(desk: Desk) -> None:
    desk.post("backfill", body())
    for times in (1, 2, 3):
        message = received(desk)
        assert message.received == times
        desk.queues.hold(message, 0)


def test_what_is_held_for_long_or_kept_stays_away(desk: Desk) -> None:
    for token in ("held", "kept"):
        desk.post("backfill", body(token))
    for _ in range(2):
        message = received(desk)
        (desk.queues.hold if message.token == "held" else desk.queues.keep)(message, 300)
    desk.queues.settle()
    assert desk.queues.receive("backfill", 0) is None


def test_what_is_dealt_with_does_not_come_back(desk: Desk) -> None:
    desk.post("backfill", body())
    message = received(desk)
    desk.queues.delete(message)
    desk.queues.settle()
    desk.queues.hold(message, 0)  # somebody who is late: no error
    assert desk.queues.receive("backfill", 0) is None


def test_what_succeeded_does_not_come_back(desk: Desk) -> None:
    desk.post("backfill", body("of nobody"))
    desk.queues.succeed(received(desk), {"manifest": "m"})
    desk.queues.settle()
    assert desk.queues.receive("backfill", 0) is None


def test_what_is_buried_is_dead_and_does_not_come_back(desk: Desk) -> None:
    desk.post("backfill", body())
    message = received(desk)
    desk.queues.bury(message)
    desk.queues.settle()
    assert desk.dead() == [body()]
    assert desk.queues.receive("backfill", 0) is None


def test_a_token_that_nobody_waits_for_is_answered_in_vain(desk: Desk) -> None:
    desk.post("backfill", body("of nobody"))
    message = received(desk)
    assert not desk.queues.beat(message)
    assert not desk.queues.fail(message, Failure("Corrupt", "cut", "a.tgz"))
