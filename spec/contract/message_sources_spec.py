"""One contract for sources of messages: those that are kept, and those of Lambda and SNS."""

import io
import zipfile
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.message_sources import KeptSources, LambdaSources, MessageSources, Source
from pileus.errors import Conflict
from spec.servers import Site

PLACE = "us-east-1:000000000000"


class Account:
    """A Lambda, a queue, a topic and a stream of their own."""

    def __init__(self, site: Site) -> None:
        self.aws, name = Aws(site.url), f"spec-{uuid4().hex[:8]}"
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as package:
            package.writestr("index.py", "def handler(event, context):\n    return {}\n")
        self.function = self.aws.lambda_.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role="arn:aws:iam::000000000000:role/spec",
            Handler="index.handler",
            Code={"ZipFile": body.getvalue()},
        )["FunctionArn"]
        self.aws.sqs.create_queue(QueueName=name)
        self.queue = f"arn:aws:sqs:{PLACE}:{name}"
        self.topic = self.aws.sns.create_topic(Name=name)["TopicArn"]
        kinesis: Any = self.aws.unguarded("kinesis")
        kinesis.create_stream(StreamName=name, ShardCount=1)
        self.stream = f"arn:aws:kinesis:{PLACE}:stream/{name}"

    @property
    def sources(self) -> LambdaSources:
        return LambdaSources(self.aws.lambda_, self.aws.sns, function=self.function, stack="spec")


@pytest.fixture
def account(aws: Site) -> Account:
    return Account(aws)


@pytest.fixture(params=["kept", "lambda"])
def sources(request: pytest.FixtureRequest, account: Account) -> MessageSources:
    return KeptSources() if request.param == "kept" else account.sources


def test_there_is_what_was_put(sources: MessageSources, account: Account) -> None:
    assert sources.all() == {}
    wanted = [Source(account.queue), Source(account.topic), Source(account.stream, enabled=False)]
    for one in wanted:
        sources.put(one)
    assert sources.all() == {one.arn: one for one in wanted}


def test_a_source_is_disabled_and_enabled(sources: MessageSources, account: Account) -> None:
    for one in (Source(account.queue), Source(account.topic), Source(account.stream)):
        for enabled in (True, False, True):
            sources.put(replace(one, enabled=enabled))
            assert sources.all()[one.arn].enabled is enabled


def test_to_put_it_again_changes_nothing(sources: MessageSources, account: Account) -> None:
    for arn in (account.queue, account.topic, account.stream):
        sources.put(Source(arn))
        sources.put(Source(arn))
    assert len(sources.all()) == 3


def test_what_is_deleted_is_gone_and_to_delete_it_again_is_no_error(sources: MessageSources, account: Account) -> None:
    for arn in (account.queue, account.topic, account.stream):
        sources.put(Source(arn))
        sources.delete(arn)
        sources.delete(arn)
    assert sources.all() == {}


def test_a_mapping_that_somebody_else_made_is_not_listed_changed_or_deleted(account: Account) -> None:
    lambdas = account.aws.lambda_
    made = lambdas.create_event_source_mapping(EventSourceArn=account.queue, FunctionName=account.function)
    assert account.sources.all() == {}
    with pytest.raises(Conflict, match="not ours"):
        account.sources.put(Source(account.queue, enabled=False))
    account.sources.delete(account.queue)
    assert lambdas.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled"


def test_a_subscription_that_somebody_else_made_is_not_listed_changed_or_deleted(account: Account) -> None:
    sns = account.aws.sns
    sns.subscribe(TopicArn=account.topic, Protocol="lambda", Endpoint=account.function)
    assert account.sources.all() == {}
    with pytest.raises(Conflict, match="not by a rule"):
        account.sources.put(Source(account.topic))
    account.sources.delete(account.topic)
    assert len(sns.list_subscriptions_by_topic(TopicArn=account.topic)["Subscriptions"]) == 1


def test_a_topic_that_is_gone_is_told_as_not_subscribed(account: Account) -> None:
    account.sources.put(Source(account.topic))
    account.aws.sns.delete_topic(TopicArn=account.topic)
    assert account.sources.all() == {account.topic: Source(account.topic, enabled=False)}
    account.sources.delete(account.topic)
    assert account.sources.all() == {}
