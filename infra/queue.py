"""A queue that feeds workers."""

from aws_cdk import Duration
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.settings import Settings


class FedQueue(Construct):
    """A queue of groups for the workers, with its dead-letter queue.

    Workers move a message there after too many of them died on it. A message may also be received often because it was
    hidden and shown again, so SQS itself moves it only after 1000 times.
    """

    def __init__(self, scope: Construct, name: str, *, settings: Settings) -> None:
        super().__init__(scope, f"{name.title()}FedQueue")
        self.dead = sqs.Queue(
            self,
            "Dead",
            queue_name=f"{settings.stack}-{name}-dead",
            retention_period=Duration.days(14),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=not settings.embedded,
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=f"{settings.stack}-{name}",
            visibility_timeout=Duration.seconds(settings.visibility_seconds),
            retention_period=Duration.days(14),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=not settings.embedded,
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead, max_receive_count=1000),
        )
