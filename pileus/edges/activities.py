"""Step Functions activities: tasks that a worker asks for, and the answers to their tokens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pileus.edges.aws_errors import translated
from pileus.edges.task_tokens import answer
from pileus.lifecycle.partition import Failure

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

POLL_SECONDS = 65
"""How long a client waits for the answer of a poll, which takes 60 seconds where there is no task."""
ERROR, CAUSE = 256, 32_768
"""Most characters of a failure's error and cause."""


@dataclass(frozen=True, slots=True)
class ActivityTask:
    """One task of an activity."""

    token: str
    input: str
    """JSON."""


class Activities(Protocol):
    """One activity. Every method raises StoreError when Step Functions refuses."""

    def take(self) -> ActivityTask | None:
        """Return the next task; None when there was none for a minute."""

    def beat(self, token: str) -> bool:
        """Send a heartbeat. Return False when the workflow does not wait any more."""

    def succeed(self, token: str, output: str) -> bool:
        """Answer with JSON. Return False when the workflow does not wait any more."""

    def fail(self, token: str, failure: Failure) -> bool:
        """Answer with a failure, cut to the lengths of the service. Return as `succeed`."""


class SfnActivities:
    """An activity of Step Functions. `client`: waits at least POLL_SECONDS; `worker`: name for the history."""

    def __init__(self, client: "SFNClient", arn: str, worker: str) -> None:
        self._client, self._arn, self._worker = client, arn, worker[:80]

    def take(self) -> ActivityTask | None:
        with translated(self._arn, "Step Functions"):
            found = self._client.get_activity_task(activityArn=self._arn, workerName=self._worker)
        token = found.get("taskToken")
        return ActivityTask(token, found.get("input", "{}")) if token else None

    def beat(self, token: str) -> bool:
        return answer(self._client.send_task_heartbeat, self._arn, taskToken=token)

    def succeed(self, token: str, output: str) -> bool:
        return answer(self._client.send_task_success, self._arn, taskToken=token, output=output)

    def fail(self, token: str, failure: Failure) -> bool:
        cause = f"{failure.where}: {failure.message}" if failure.where else failure.message
        told = {"error": failure.type[:ERROR], "cause": cause[:CAUSE]}
        return answer(self._client.send_task_failure, self._arn, taskToken=token, **told)
