"""Dead letters over SQS: looked at they stay, removed they are gone, and what is not ours is told apart."""

import json
import time
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.dead_letters import DeadLetters
from pileus.edges.queues import Queue
from spec.servers import Site

PARTITION = "viirs/001/2015-01/20150101"
OURS = json.dumps({"token": "t", "task": {"config": {"partition": PARTITION, "backfill": "b"}}})


class Desk:
    """Dead queues of their own."""

    def __init__(self, aws: Site) -> None:
        self.sqs, name = Aws(aws.url).sqs, uuid4().hex[:8]
        self.urls = {q: self.sqs.create_queue(QueueName=f"{name}-{q}")["QueueUrl"] for q in ("ingest", "backfill")}
        self.letters = DeadLetters(self.sqs, {queue: Queue("", url) for queue, url in self.urls.items()})

    def bury(self, body: str, queue: str = "backfill") -> None:
        self.sqs.send_message(QueueUrl=self.urls[queue], MessageBody=body)


@pytest.fixture
def desk(aws: Site) -> Desk:
    return Desk(aws)


def test_those_of_both_queues_come_oldest_first(desk: Desk) -> None:
    desk.bury("one", "backfill")
    time.sleep(0.01)
    desk.bury("two", "ingest")
    assert [(letter.queue, letter.body) for letter in desk.letters.all()] == [("backfill", "one"), ("ingest", "two")]


def test_looked_at_they_stay(desk: Desk) -> None:
    for number in range(25):
        desk.bury(str(number))
    first = {letter.id for letter in desk.letters.all()}
    assert len(first) == 25
    assert {letter.id for letter in desk.letters.all()} == first


def test_one_is_removed_and_the_others_are_there_at_once(desk: Desk) -> None:
    for number in range(12):
        desk.bury(str(number))
    chosen = desk.letters.all()[7]
    removed = desk.letters.remove(chosen.id)
    assert removed is not None
    assert (removed.id, removed.body) == (chosen.id, chosen.body)
    assert len(desk.letters.all()) == 11
    assert desk.letters.remove(chosen.id) is None
    assert len(desk.letters.all()) == 11


@pytest.mark.parametrize("body", ["hello", "7", "[]", '{"task": 1}', '{"task": {"config": {"partition": "x"}}}'])
def test_what_is_not_the_message_of_a_group_has_no_partition(desk: Desk, body: str) -> None:
    desk.bury(body)
    (letter,) = desk.letters.all()
    assert (letter.partition, letter.backfill, letter.task) == (None, None, {})


def test_the_message_of_a_group_says_of_which(desk: Desk) -> None:
    desk.bury(OURS)
    (letter,) = desk.letters.all()
    assert (letter.partition, letter.backfill) == (PARTITION, "b")
