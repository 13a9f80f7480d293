"""Letters over SQS, and topics: what is sent arrives whole, and what no queue takes is left in the bucket."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.dead_letters import DeadLetters
from pileus.edges.letters import KeptLetters, Letters, SqsLetters
from pileus.edges.queues import Queue
from pileus.edges.store import FolderStore
from pileus.edges.topics import KeptTopics, SnsTopics
from pileus.errors import StoreError
from spec.servers import Site

MESSAGE = {"kind": "sns", "arn": "arn:aws:sns:us-east-1:0:t", "id": "m-1", "body": "no json", "sent": 1.0}


def letter(body: str = "no json") -> dict[str, Any]:
    reason = {"type": "DocumentError", "message": "not JSON", "where": "message m-1"}
    return {"reason": reason, "rules": ["notes"], "message": MESSAGE | {"body": body}}


class Desk:
    """Queues of their own."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.sqs, name = Aws(site.url).sqs, uuid4().hex[:8]
        self.queue, self.dead, self.foreign = (
            self.sqs.create_queue(QueueName=f"{name}-{one}")["QueueUrl"] for one in ("messages", "dead", "foreign")
        )
        self.store = FolderStore(folder)
        self.letters = SqsLetters(
            lambda: self.sqs, self.store, queue=self.queue, dead=self.dead, folder="s3://internal/messages/dead"
        )

    def read(self) -> Any:
        (found,) = DeadLetters(self.sqs, {"messages": Queue(self.queue, self.dead)}).all()
        return found


@pytest.fixture
def desk(aws: Site, tmp_path: Path) -> Desk:
    return Desk(aws, tmp_path)


def test_a_dead_letter_tells_its_reason_its_rules_and_the_message(desk: Desk) -> None:
    desk.letters.put_aside(letter() | {"run": "workflow:Note/1"})
    found = desk.read()
    assert (found.queue, found.run) == ("messages", "workflow:Note/1")
    assert found.reason == "DocumentError: message m-1: not JSON"
    assert (found.letter["message"], found.letter["rules"], found.key) == (MESSAGE, ["notes"], "workflow:Note/1")
    assert found.task == {}


def test_one_that_no_queue_takes_is_left_in_the_bucket_and_its_letter_names_the_address(desk: Desk) -> None:
    desk.letters.put_aside(letter("x" * 300_000))
    url = desk.read().letter["message"]["body"]
    assert url == "s3://internal/messages/dead/m-1.json"
    assert json.loads(desk.store.get(url)) == letter("x" * 300_000)


def test_what_falls_back_comes_out_of_the_queue(desk: Desk) -> None:
    desk.letters.fall_back(MESSAGE)
    (came,) = desk.sqs.receive_message(QueueUrl=desk.queue)["Messages"]
    assert json.loads(came["Body"]) == MESSAGE


def test_a_message_of_another_queue_is_hidden_and_one_that_is_gone_is_no_error(desk: Desk) -> None:
    desk.sqs.send_message(QueueUrl=desk.foreign, MessageBody="x")
    (came,) = desk.sqs.receive_message(QueueUrl=desk.foreign, VisibilityTimeout=600)["Messages"]
    account, name = desk.foreign.split("/")[-2:]
    arn = f"arn:aws:sqs:us-east-1:{account}:{name}"
    desk.letters.hide(arn, came["ReceiptHandle"], 0)
    (again,) = desk.sqs.receive_message(QueueUrl=desk.foreign)["Messages"]
    desk.sqs.delete_message(QueueUrl=desk.foreign, ReceiptHandle=again["ReceiptHandle"])
    desk.letters.hide(arn, again["ReceiptHandle"], 5)


def test_a_queue_that_is_not_there_is_our_error(desk: Desk) -> None:
    desk.sqs.delete_queue(QueueUrl=desk.dead)
    with pytest.raises(StoreError):
        desk.letters.put_aside(letter())


def test_those_that_are_kept_are_in_lists() -> None:
    kept: Letters = KeptLetters()
    kept.put_aside(letter())
    kept.fall_back(MESSAGE)
    kept.hide("arn", "r", 3)
    assert isinstance(kept, KeptLetters)
    assert (kept.dead, kept.again, kept.hidden) == ([letter()], [MESSAGE], [("arn", "r", 3)])


def test_a_topic_gives_its_subscribers_the_message_and_its_attributes(aws: Site) -> None:
    client, name = Aws(aws.url), uuid4().hex[:8]
    url = client.sqs.create_queue(QueueName=name)["QueueUrl"]
    topic = client.sns.create_topic(Name=name)["TopicArn"]
    client.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{name}")
    SnsTopics(lambda: client.sns).publish(topic, {"a": 1}, {"response": "SUCCESS"})
    (came,) = client.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    told = json.loads(came["Body"])
    assert json.loads(told["Message"]) == {"a": 1}
    assert told["MessageAttributes"]["response"]["Value"] == "SUCCESS"
    kept = KeptTopics()
    kept.publish(topic, {"a": 1}, {})
    assert kept.published == [(topic, {"a": 1}, {})]
