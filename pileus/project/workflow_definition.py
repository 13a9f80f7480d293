"""A workflow's definition in Amazon States Language: checked before anything is deployed, and its states as a graph."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pileus.documents.task import TaskDefinition
from pileus.errors import DocumentError
from pileus.near import unknown
from pileus.project.workflow_tasks import CUMULUS, PREFIX, cumulus_name, tasks_of, value_name, with_names, with_tasks
from pileus.strict_json import parse_json

LAMBDAS = (
    "GenerateCollectionsArn",
    "DiscoverGranulesArn",
    "ReportStatusArn",
    "ActOnGranulesArn",
    "QueueGranulesArn",
    "SyncGranuleArn",
    "MoveGranulesArn",
    "AdvanceGraphArn",
)
NUMBERS = ("PointConcurrency", "GroupConcurrency", "SilenceSeconds", "TimeoutSeconds")
VALUES = (*LAMBDAS, *NUMBERS)
"""What `${...}` may name in a definition; the stack puts its own values there."""
TASKS = (
    "arn:aws:states:::lambda:invoke",
    "arn:aws:states:::sqs:sendMessage",
    "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "arn:aws:states:::states:startExecution",
    "arn:aws:states:::states:startExecution.sync",
    "arn:aws:states:::states:startExecution.sync:2",
)
"""What a task may do: the workflow's role has rights for no more."""
ACCOUNT = "us-east-1:000000000000"
"""Region and account while a definition is checked."""
OURS = f"arn:aws:lambda:{ACCOUNT}:function:"
"""A Lambda that comes with Pileus, by its ARN alone."""
ACTIVITY = re.compile(r"arn:aws[\w-]*:states:[\w-]+:\d{12}:activity:.+")
"""An activity. Its worker has the rights, and the workflow needs none."""
NEEDLESS = re.compile(r'Field "(Label|InputType)" not allowed| is \d+ but should be a Float$')
"""What the validator says without need: two fields of Distributed Maps are younger than it, and JSON has one kind of
numbers, so that a BackoffRate of 2 is one of 2.0.
"""
LONGEST = 1 << 20
"""Most characters of a definition (a quota of Step Functions)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One state."""

    name: str
    type: str
    depth: int
    """How many Maps and Parallels it lies in."""
    parent: str | None
    """The Map or Parallel that it lies in."""
    resource: str
    """What a task calls, by its ARN; else empty."""
    what: str
    """The same in a few words: a Lambda, a queue or a workflow."""
    to: tuple[tuple[str, str], ...]
    """Next states and when: empty for always, a condition, or an error."""
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """A checked definition."""

    name: str
    comment: str
    steps: tuple[Step, ...]
    """Every state, those of a Map or Parallel right after it."""
    tasks: tuple[str, ...]
    """Tasks of the project that it names."""


def read_definition(name: str, path: Path, where: str, tasks: Mapping[str, TaskDefinition]) -> Definition:
    """Return the definition in a file. Raises DocumentError with one sentence for the first that is wrong: its JSON, a
    `${...}` that the stack has no value for, a task that is not one of `tasks`, the project's, what Amazon States
    Language does not allow, or what a workflow has no right to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise DocumentError(f"cannot be read: {exc.strerror}", where=where) from exc
    except UnicodeDecodeError as exc:
        raise DocumentError("is not in UTF-8", where=where) from exc
    text = with_names(text, tasks, LAMBDAS)
    if len(text) > LONGEST:
        raise DocumentError(f"is longer than {LONGEST:,} characters, the most that a workflow has", where=where)
    strange = sorted(set(re.findall(r"\$\{([^}]*)\}", text)) - {*VALUES})
    if strange and (named := CUMULUS.search(text)):
        there = [*tasks, *map(cumulus_name, LAMBDAS)]
        raise DocumentError(f"{unknown('task', named[2], there)}; ${{{strange[0]}}} names one in tasks/", where=where)
    if strange:
        raise DocumentError(f"${{{strange[0]}}}: expected one of {', '.join(VALUES)}", where=where)
    try:
        value = parse_json(_filled(text, tasks))
    except ValueError as exc:
        raise DocumentError(str(exc), where=where) from exc
    if not isinstance(value, dict):
        raise DocumentError("expected an object with StartAt and States", where=where)
    for task in tasks_of(text):
        if task not in tasks:
            raise DocumentError(unknown("task", task, tasks), where=where)
        if tasks[task].runs == "group":
            why = "runs within a group: a collection names it in meta.task, and no workflow does"
            raise DocumentError(f"task {task} {why}", where=where)
    _lint(value if not tasks_of(text) else _compiled(text, tasks), where)
    steps = tuple(_steps(value, 0, None))
    for step in steps:
        if step.type == "Task" and not _may(step.resource):
            said = f"{step.name}: a workflow may not use {step.resource}: expected {_or((*TASKS, f'{PREFIX}NAME'))}"
            raise DocumentError(said, where=where)
    return Definition(name, str(value.get("Comment", "")), steps, tuple(tasks_of(text)))


def _may(resource: str) -> bool:
    """Return whether a task may call this: the workflow's role has the right, or needs none."""
    return resource in TASKS or resource.startswith((PREFIX, OURS)) or ACTIVITY.fullmatch(resource) is not None


def _compiled(text: str, tasks: Mapping[str, TaskDefinition]) -> Any:
    try:
        return parse_json(_filled(with_tasks(text, tasks), tasks))
    except (AttributeError, KeyError, TypeError):
        return parse_json(_filled(text, tasks))  # a state without its Type, and the like: the validator says so


def _lint(value: Any, where: str) -> None:
    """Raise DocumentError for the first thing that Amazon States Language does not allow."""
    from statelint.linter import Linter  # it is slow to import, and few commands read a workflow

    if problems := [problem for problem in Linter.validate(value) if not NEEDLESS.search(problem)]:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise DocumentError(f"{problems[0]}{more}", where=where)


def _filled(text: str, tasks: Iterable[str]) -> str:
    """Return the definition with a value of the right kind for each `${...}`."""
    for task in tasks:
        arn, queue = f"${{{value_name(task, 'Arn')}}}", f"${{{value_name(task, 'Queue')}}}"
        text = text.replace(arn, f"{OURS}task-{task}")
        text = text.replace(queue, f"https://sqs.us-east-1.amazonaws.com/000000000000/task-{task}")
    for name in NUMBERS:
        text = text.replace(f"${{{name}}}", "60")
    for name in LAMBDAS:
        text = text.replace(f"${{{name}}}", f"{OURS}{name.removesuffix('Arn')}")
    return text


def _or(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _inner(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the machines within a Map or Parallel."""
    if state["Type"] == "Map":
        return [state.get("ItemProcessor") or state["Iterator"]]
    return list(state["Branches"]) if state["Type"] == "Parallel" else []


def _steps(machine: Mapping[str, Any], depth: int, parent: str | None) -> Iterator[Step]:
    for name, state in _in_order(machine):
        to = tuple(_to(state))
        last = bool(state.get("End")) or state["Type"] in ("Succeed", "Fail")
        resource = str(state.get("Resource", ""))
        yield Step(name, state["Type"], depth, parent, resource, _what(state), to, name == machine["StartAt"], last)
        for inner in _inner(state):
            yield from _steps(inner, depth + 1, name)


def _in_order(machine: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the states in the order in which they can be reached, nearest first."""
    states, order, waiting = machine["States"], [], [machine["StartAt"]]
    while waiting:
        name = waiting.pop(0)
        if name in states and name not in order:
            order.append(name)
            waiting += [to for to, _ in _to(states[name])]
    return [(name, states[name]) for name in order]


def _to(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "Next" in state and state["Type"] != "Choice":
        yield state["Next"], ""
    for choice in state.get("Choices", ()):
        yield choice["Next"], _condition(choice)
    if "Default" in state:
        yield state["Default"], "otherwise"
    for catch in state.get("Catch", ()):
        yield catch["Next"], f"on {', '.join(catch['ErrorEquals'])}"


def _condition(choice: Mapping[str, Any]) -> str:
    """Return a condition in a few words.

    >>> _condition({"Variable": "$.count", "NumericEquals": 0, "Next": "Done"})
    '$.count NumericEquals 0'
    """
    if isinstance(choice.get("Condition"), str):
        return str(choice["Condition"])
    if choice.get("IsPresent") is not None:
        return f"{choice['Variable']} is {'there' if choice['IsPresent'] else 'not there'}"
    for word in ("And", "Or", "Not"):
        if word in choice:
            inner = choice[word] if isinstance(choice[word], list) else [choice[word]]
            return f"{word} ({'; '.join(map(_condition, inner))})"
    test = next((key for key in choice if key not in ("Variable", "Next", "Comment")), "")
    return f"{choice.get('Variable', '')} {test} {choice.get(test, '')}".strip()


def _what(state: Mapping[str, Any]) -> str:
    resource = str(state.get("Resource", ""))
    if resource.startswith(PREFIX):
        return f"task {resource.removeprefix(PREFIX)}"
    if resource.endswith("lambda:invoke"):
        given = state.get("Parameters") or state.get("Arguments") or {}
        return str(given.get("FunctionName", "a Lambda")).rpartition(":")[2]
    if ":lambda:" in resource or ":activity:" in resource:
        return resource.rpartition(":")[2]
    if ":sqs:" in resource:
        return "a worker, by its queue" if resource.endswith("waitForTaskToken") else "a queue"
    return "another workflow" if ":states:startExecution" in resource else ""
