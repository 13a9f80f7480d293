"""Steps of a workflow that name a task of the project: `"Resource": "pileus:task:NAME"`.

Where a task runs is said in its definition only. So a step reads the same for a Lambda and for a worker: its Parameters
are the task's event, and the task's answer is its result. Here it becomes what Step Functions knows.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from pileus.documents.task import TaskDefinition

PREFIX = "pileus:task:"
INNER = ("ItemProcessor", "Iterator")
NOT_TEXT = re.compile(r"(?<![\"\w}])\$\{(\w+)\}(?![\"\w])")
MARK = re.compile(r'"\$number\{(\w+)\}"')
LAMBDA_RETRY = {
    "ErrorEquals": [
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
        "Lambda.Unknown",
    ],
    "IntervalSeconds": 1,
    "MaxAttempts": 6,
    "BackoffRate": 2.0,
    "JitterStrategy": "FULL",
}
QUEUE_RETRY = LAMBDA_RETRY | {
    "ErrorEquals": ["SQS.SdkClientException", "SQS.SqsException", "SQS.RequestThrottledException"]
}
"""What is tried again before a step's own Retry: refusals that pass, and a worker that had to give its event back."""


def value_name(task: str, what: str) -> str:
    """Return the name of the value that the stack puts in for a task's `Arn` or `Queue`.

    >>> value_name("cloud-mask", "Queue")
    'TaskcloudX2dmaskQueue'
    """
    return f"Task{''.join(c if c.isalnum() and c != 'X' else f'X{ord(c):x}' for c in task)}{what}"


def tasks_of(text: str) -> list[str]:
    """Return the names of the tasks that a workflow's definition names, each once."""
    return sorted(set(re.findall(rf'"{PREFIX}([^"]*)"', text)))


def with_tasks(text: str, tasks: Mapping[str, TaskDefinition]) -> str:
    """Return a definition in which each step that names a task calls its Lambda, or sends its event to its queue and
    waits for the answer.

    The text may hold `${...}`, also where a number stands. `tasks` must have every name.
    """
    if PREFIX not in text:
        return text
    value = json.loads(NOT_TEXT.sub(r'"$number{\1}"', text))
    _machine(value, tasks, value.get("QueryLanguage", "JSONPath"))
    return MARK.sub(r"${\1}", json.dumps(value, indent=2))


def _machine(machine: dict[str, Any], tasks: Mapping[str, TaskDefinition], language: str) -> None:
    for state in machine["States"].values():
        spoken = state.get("QueryLanguage", language)
        resource = str(state.get("Resource", ""))
        if state["Type"] == "Task" and resource.startswith(PREFIX):
            name = resource.removeprefix(PREFIX)
            if tasks[name].runs == "lambda":
                _lambda(state, name, tasks[name], spoken)
            else:
                _worker(state, name, spoken)
        for inner in (*(state[key] for key in INNER if key in state), *state.get("Branches", ())):
            _machine(inner, tasks, spoken)


def _lambda(state: dict[str, Any], name: str, task: TaskDefinition, language: str) -> None:
    """Call the Lambda by its ARN: then its answer is the step's result, and its event the step's Parameters."""
    arn = f"${{{value_name(name, 'Arn')}}}"
    state["Retry"] = [LAMBDA_RETRY, *state.get("Retry", ())]
    state.setdefault("TimeoutSeconds", task.timeout + 60)
    if language == "JSONPath":
        state["Resource"] = arn
        return
    state["Resource"] = "arn:aws:states:::lambda:invoke"
    state["Arguments"] = {"FunctionName": arn, "Payload": state.get("Arguments", "{% $states.input %}")}
    state.setdefault("Output", "{% $states.result.Payload %}")


def _worker(state: dict[str, Any], name: str, language: str) -> None:
    """Send the event with a token to the task's queue, and wait for the worker's answer."""
    jsonata = language == "JSONata"
    given, body = "Arguments" if jsonata else "Parameters", {"task": name}
    token = {"token": "{% $states.context.Task.Token %}"} if jsonata else {"token.$": "$$.Task.Token"}
    if given in state:
        body["event"] = state[given]
    else:
        body |= {"event": "{% $states.input %}"} if jsonata else {"event.$": "$"}
    state["Resource"] = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    state[given] = {"QueueUrl": f"${{{value_name(name, 'Queue')}}}", "MessageBody": token | {"task": body}}
    state["Retry"] = [QUEUE_RETRY, *state.get("Retry", ())]
    state.setdefault("HeartbeatSeconds", "$number{SilenceSeconds}")
    state.setdefault("TimeoutSeconds", "$number{TimeoutSeconds}")
