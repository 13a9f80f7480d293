"""The states of a payload as Cirrus names them, and what each allows."""

from typing import Protocol

from pileus.lifecycle.partition import Entry, Failure, Step
from pileus.models import State

INVALID = "InvalidInput"
"""Type of the failure of a payload that is wrong: the last part of the name of a task's error, as Cirrus has it."""
_NAMES = {
    State.queued: "CLAIMED",
    State.running: "PROCESSING",
    State.succeeded: "SUCCEEDED",
    State.cancelled: "ABORTED",
    State.failed: "FAILED",
}


def is_invalid(failure: Failure | None) -> bool:
    """Return whether a payload failed because it is wrong: it would fail again.

    >>> is_invalid(Failure("stactask.exceptions.InvalidInput", "no items")), is_invalid(Failure("KeyError", "'a'"))
    (True, False)
    """
    return failure is not None and failure.type.rpartition(".")[2] == INVALID


class Stands(Protocol):
    """Of an entry or a run of a payload, what tells where it stands."""

    @property
    def state(self) -> State: ...
    @property
    def failure(self) -> Failure | None: ...


def cirrus_state(entry: Stands) -> str:
    """Return the state of a payload as Cirrus names it."""
    if entry.state is State.failed and is_invalid(entry.failure):
        return "INVALID"
    return _NAMES.get(entry.state, str(entry.state).upper())


def step_state(step: Step) -> str | None:
    """Return the state, as Cirrus names it, that a step of a payload's past came to; None for one that it has not.

    >>> step_state(Step(0, 1, "failed", "stactask.exceptions.InvalidInput: no items"))
    'INVALID'
    """
    if step.state == State.failed and is_invalid(Failure(step.text.partition(":")[0], "")):
        return "INVALID"
    return _NAMES.get(State(step.state))


def may_start(entry: Entry | None, *, replace: bool) -> bool:
    """Return whether a payload may be started, as Cirrus decides it.

    1. One that is processed never is, and one that was claimed goes on by itself.
    2. One that has succeeded, or is invalid, is started again only to `replace` what it made.
    3. One that has failed or was aborted, or that nobody has seen, is started.
    """
    if entry is None:
        return True
    if not entry.state.ended:
        return False
    return replace or not (entry.state is State.succeeded or is_invalid(entry.failure))
