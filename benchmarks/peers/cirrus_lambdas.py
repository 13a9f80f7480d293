"""cirrus-geo's functions `process` and `update-state`, each fed by a queue. Runs in an environment of its own.

python cirrus_lambdas.py PROCESS_QUEUE ENDS_QUEUE
"""

import json
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import boto3


def main() -> None:
    from cirrus.lambda_functions.process import lambda_handler as process
    from cirrus.lambda_functions.update_state import lambda_handler as update

    logging.disable(logging.CRITICAL)
    first = threading.Thread(
        target=poll, args=(sys.argv[1], lambda found: process({"Records": found}, None)), daemon=True
    )
    first.start()
    poll(sys.argv[2], lambda found: [update(json.loads(one["body"]), None) for one in found])


def poll(queue: str, do: Callable[[list[dict[str, Any]]], object]) -> None:
    """Give each batch of messages to a function, as Lambda hands them over, and delete it."""
    sqs = boto3.client("sqs")
    while True:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = answer.get("Messages", [])
        if not messages:
            continue
        records = [
            {
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:" + queue.rpartition("/")[2],
                "messageId": one["MessageId"],
                "receiptHandle": one["ReceiptHandle"],
                "body": one["Body"],
            }
            for one in messages
        ]
        do(records)
        entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=queue, Entries=entries)


if __name__ == "__main__":
    main()
