"""Steps of a workflow that name a task of the project: `"Resource": "pileus:task:NAME"`, or as workflows of Cumulus do,
such as `"${NAME_task_arn}"`.

Where a task runs is said in its definition only. So a step reads the same for a Lambda and for a worker: its Parameters
are the task's event, and the task's answer is its result. Here it becomes what Step Functions knows.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pileus.documents.task import TaskDefinition

PREFIX = "pileus:task:"
CUMULUS = re.compile(r'("Resource"\s*:\s*)"\$\{(\w+?)(?:_task_arn|_lambda_arn|_arn|_activity_id|_service_id)\}"')
"""How workflows of Cumulus name a task: a Lambda, or the activity of an ECS service."""
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


def cumulus_name(value: str) -> str:
    """Return the name of a task of Pileus in Cumulus's words.

    >>> cumulus_name("DiscoverGranulesArn")
    'discover_granules'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", value.removesuffix("Arn")).lower()


def with_names(text: str, tasks: Iterable[str], lambdas: Iterable[str]) -> str:
    """Return a definition in which each `${NAME_task_arn}` or the like names a task as Pileus does.

    1. A task of the project, `tasks`, of this name, or with `-` where it has `_`.
    2. A Lambda that comes with Pileus, one of the values `lambdas`: `discover_granules` is `DiscoverGranulesArn`.
    3. Any other stays as it is.

    >>> with_names('"Resource": "${cloud_mask_task_arn}"', ["cloud-mask"], [])
    '"Resource": "pileus:task:cloud-mask"'
    >>> with_names('"Resource": "${discover_granules_task_arn}"', [], ["DiscoverGranulesArn"])
    '"Resource": "${DiscoverGranulesArn}"'
    """
    own = {re.sub(r"\W", "_", name): name for name in tasks}
    ours = {cumulus_name(name): name for name in lambdas}

    def name(found: re.Match[str]) -> str:
        if found[2] in own:
            return f'{found[1]}"{PREFIX}{own[found[2]]}"'
        return f'{found[1]}"${{{ours[found[2]]}}}"' if found[2] in ours else found[0]

    return CUMULUS.sub(name, text)


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
