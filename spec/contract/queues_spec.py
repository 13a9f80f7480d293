"""Queues over SQS: a hidden message returns, however long; what is no task goes to the dead-letter queue and is
answered.
"""

import json
import time
from uuid import uuid4

import pytest

from pileus.edges import queues as module
from pileus.edges.aws import Aws
from pileus.edges.queues import Queue, SqsQueues
from spec.servers import Site, free_port


class Desk:
    """Queues for one spec."""

    def __init__(self, aws: Site) -> None:
        self.sqs = Aws(aws.url).sqs
        name = uuid4().hex[:8]
        self.url, self.dead = (self.sqs.create_queue(QueueName=f"{name}-{p}")["QueueUrl"] for p in ("in", "dead"))
        self.queues = SqsQueues(self.sqs, Aws(aws.url).stepfunctions, {"backfill": Queue(self.url, self.dead)})

    def other(self) -> SqsQueues:
        """Another worker's."""
        return SqsQueues(self.sqs, self.queues._stepfunctions, self.queues._addresses)

    def depth(self) -> int:
        """Messages that are visible or received by somebody."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))

    def post(self, body: object) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=json.dumps(body))

    def buried(self) -> int:
        return len(self.sqs.receive_message(QueueUrl=self.dead).get("Messages", []))


@pytest.fixture
def desk(aws: Site) -> Desk:
    return Desk(aws)


def test_a_message_that_is_held_comes_back_and_has_been_received_once_more(desk: Desk) -> None:
    desk.post({"token": "t", "task": {}})
    for received in (1, 2, 3):
        message = desk.queues.receive("backfill", 1)
        assert message is not None
        assert message.received == received
        desk.queues.hold(message, 0)


def test_a_message_that_is_held_again_and_again_is_posted_anew_and_never_dies(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OFTEN", 3)
    desk.post({"token": "t", "task": {"a": 1}})
    seen = []
    for _ in range(8):
        message = desk.queues.receive("backfill", 1)
        assert message is not None
        assert message.task == {"a": 1}
        seen.append(message.received)
        desk.queues.hold(message, 0)
    assert max(seen) == 3, "as often as SQS counts, it is counted from 1 again"
    assert seen == [1, 2, 3, 1, 2, 3, 1, 2]
    assert desk.buried() == 0


def test_what_a_worker_keeps_is_not_posted_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OFTEN", 1)
    desk.post({"token": "t", "task": {}})
    message = desk.queues.receive("backfill", 1)
    assert message is not None
    desk.queues.keep(message, 60)
    assert desk.queues.receive("backfill", 0) is None, "it is hidden, and there is no copy"


def of_run(run: int, rank: int) -> dict[str, object]:
    return {"token": f"{run}.{rank}", "task": {"config": {"backfill": "b", "run": run, "rank": rank}}}


def test_of_what_is_there_the_first_in_the_order_of_its_run_comes_first(desk: Desk) -> None:
    for rank in (4, 0, 3, 1, 2):
        desk.post(of_run(1, rank))
    seen = []
    while message := desk.queues.receive("backfill", 0):
        seen.append(message.rank)
        desk.queues.delete(message)
        desk.queues.settle()
    assert seen == [0, 1, 2, 3, 4]


def test_several_are_received_and_deleted_together(desk: Desk) -> None:
    for rank in range(10):
        desk.post(of_run(1, rank))
    calls = []
    desk.sqs.meta.events.register("before-call.sqs", lambda model, **_: calls.append(model.name))
    for _ in range(10):
        message = desk.queues.receive("backfill", 0)
        assert message is not None
        desk.queues.delete(message)
    assert calls == ["ReceiveMessage", "DeleteMessageBatch"]
    assert desk.queues.receive("backfill", 0) is None
    assert desk.depth() == 0


def test_a_success_that_nobody_could_be_told_comes_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.StandardRetryConditions.is_retryable", lambda *_: False)
    lost = SqsQueues(desk.sqs, Aws(f"http://127.0.0.1:{free_port()}").stepfunctions, desk.queues._addresses)
    desk.post({"token": "t", "task": {}})
    message = lost.receive("backfill", 1)
    assert message is not None
    lost.succeed(message, {})
    lost.settle()
    lost.hold(message, 0)
    assert desk.queues.receive("backfill", 1) is not None


def test_a_run_does_not_go_before_another_because_its_ranks_are_lower(desk: Desk) -> None:
    desk.post(of_run(1, 900))
    desk.post(of_run(2, 0))
    message = desk.queues.receive("backfill", 0)
    assert message is not None
    assert message.run == ("b", 1)


def test_what_was_received_with_another_is_there_for_others_once_that_takes_long(desk: Desk) -> None:
    for rank in (1, 0):
        desk.post(of_run(1, rank))
    first, other = desk.queues.receive("backfill", 0), desk.other()
    assert first is not None
    assert other.receive("backfill", 0) is None
    desk.queues.settle()
    second = other.receive("backfill", 0)
    assert second is not None
    assert (first.rank, second.rank) == (0, 1)


def test_a_look_into_another_queue_gives_nothing_back_that_is_at_hand(desk: Desk) -> None:
    """Workers look into `ingest` between two messages of `backfill`."""
    urgent = desk.sqs.create_queue(QueueName=f"{uuid4().hex[:8]}-ingest")["QueueUrl"]
    queues = SqsQueues(
        desk.sqs,
        desk.queues._stepfunctions,
        {"ingest": Queue(urgent, desk.dead), "backfill": Queue(desk.url, desk.dead)},
    )
    for rank in range(3):
        desk.post(of_run(1, rank))
    first = queues.receive("backfill", 0)
    assert queues.receive("ingest", 0) is None
    second = queues.receive("backfill", 0)
    assert first is not None
    assert second is not None
    assert (first.rank, second.rank, second.received) == (0, 1, 1)


def test_what_stayed_with_a_worker_for_too_long_is_received_anew(desk: Desk) -> None:
    """Its first receipt may be invalid by then."""
    for rank in (1, 0):
        desk.post(of_run(1, rank))
    assert desk.queues.receive("backfill", 0) is not None
    time.sleep(module.AHEAD_SECONDS + 0.1)
    second = desk.queues.receive("backfill", 0)
    assert second is not None
    assert (second.rank, second.received) == (1, 2)


def test_what_is_not_one_of_ours_does_not_hide_what_is(desk: Desk) -> None:
    desk.post("no object")
    desk.post(of_run(1, 0))
    message = desk.queues.receive("backfill", 0)
    assert message is not None
    assert message.rank == 0
    assert desk.buried() == 1


@pytest.mark.parametrize("body", ["no object", {"no": "token"}, {"token": "t"}, {"token": 5, "task": {}, "x": []}, 7])
def test_what_is_not_one_of_ours_is_buried(desk: Desk, body: object) -> None:
    desk.post(body)
    found = desk.queues.receive("backfill", 1)
    assert found is None or found.token == 5  # the worker refuses what has a task that is none
    if found is None:
        assert desk.buried() == 1
