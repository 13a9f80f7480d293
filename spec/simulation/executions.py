"""Executions of workflows, and what their states say of paths, choices and errors."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pileus.edges.workflows import Status
from spec.simulation.schedule import Process


class Failed(Exception):
    """An error of a state, as a Catch sees it."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause


@dataclass(eq=False)
class Execution:
    """One execution of a workflow."""

    arn: str
    name: str
    workflow: str
    value: str
    """Its input, as JSON."""
    process: Process
    branches: list[Process] = field(default_factory=list)
    """Of its maps, which end when one of their items fails and that is not tolerated."""
    status: Status = "RUNNING"
    output: Any = None
    error: tuple[str, str] = ("", "")
    ended: threading.Event = field(default_factory=threading.Event)
    watchers: list[Process] = field(default_factory=list)
    history: list[int] = field(default_factory=lambda: [0])
    """How many events its history has."""


@dataclass(eq=False)
class Token:
    """A task that waits for an answer."""

    execution: Execution
    process: Process
    event: threading.Event = field(default_factory=threading.Event)
    beat: float = 0
    answer: tuple[str, Any] | None = None


@dataclass
class Settings:
    """What the templates fill in."""

    points: int = 2
    groups: int = 2
    silence: float = 900
    timeout: float = 7200


def matches(rule: Mapping[str, Any], failed: Failed) -> bool:
    """Whether a Retry or Catch is of this error."""
    names = rule["ErrorEquals"]
    if failed.error != "States.Timeout" and "States.TaskFailed" in names:
        return True
    return any(name in ("States.ALL", failed.error) for name in names)


def choice(state: Any, value: Any) -> str:
    """The state that a Choice goes to."""
    for choice in state["Choices"]:
        found, there = value, True
        for part in choice["Variable"].removeprefix("$.").split("."):
            there = isinstance(found, dict) and part in found
            found = found[part] if there else None
            if not there:
                break
        if "IsPresent" in choice and choice["IsPresent"] == there:
            return choice["Next"]
        if "NumericEquals" in choice and there and found == choice["NumericEquals"]:
            return choice["Next"]
        if "StringEquals" in choice and there and found == choice["StringEquals"]:
            return choice["Next"]
    return state["Default"]


def placed(value: Any, result: Any, path: str | None) -> Any:
    """A state's input with its result at ResultPath."""
    if path is None:
        return value
    if path == "$":
        return result
    return {**value, path.removeprefix("$."): result}


def follow(path: str, value: Any, context: Any) -> Any:
    """What a reference path leads to."""
    found, rest = (context, path[2:]) if path.startswith("$$") else (value, path[1:])
    for part in rest.replace("[0]", ".0").split(".")[1:]:
        try:
            found = found[int(part) if isinstance(found, list) else part]
        except (LookupError, TypeError, ValueError) as error:
            raise Failed("States.Runtime", f"{path} is not in the state's input") from error
    return found


def filled(template: Any, value: Any, context: Any) -> Any:
    """Parameters with their paths filled in."""
    if isinstance(template, dict):
        return {
            key.removesuffix(".$"): follow(item, value, context) if key.endswith(".$") else filled(item, value, context)
            for key, item in template.items()
        }
    return template
