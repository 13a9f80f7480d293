"""Which errors of a Lambda its workflow tries again: all but those that the same call would meet again."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pileus import errors
from pileus.project.workflow_tasks import NOT_TEXT

FINAL = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type)
    and issubclass(kind, errors.PileusError)
    and not kind.retryable
    and (kind is errors.Denied or not issubclass(kind, errors.StoreError))
}
"""Errors that pass by nothing: of StoreError, which says that AWS refused, only the lack of a right."""


def calls(machine: Mapping[str, Any], where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every state that calls a Lambda, with the states of its maps."""
    for name, state in machine["States"].items():
        if state.get("Resource") == "arn:aws:states:::lambda:invoke":
            yield f"{where}.{name}", state
        if "ItemProcessor" in state:
            yield from calls(state["ItemProcessor"], f"{where}.{name}")


FOUND = [
    call
    for path in sorted(Path("infra/workflows").glob("*.asl.json"))
    for call in calls(json.loads(NOT_TEXT.sub("0", path.read_text())), path.name.partition(".")[0])
]


def test_every_workflow_was_read() -> None:
    assert len(FOUND) == 19


@pytest.mark.parametrize("state", [state for _, state in FOUND], ids=[name for name, _ in FOUND])
def test_an_error_is_tried_again_unless_it_is_final(state: Mapping[str, Any]) -> None:
    """A crash, a time limit, a refusal of AWS and a lost race pass. `States.TaskFailed` is any error but a timeout."""
    final, others = state["Retry"]
    assert set(final["ErrorEquals"]) <= FINAL, "these pass"
    assert final["MaxAttempts"] == 0
    assert others["ErrorEquals"] == ["States.TaskFailed"]
    assert others["MaxAttempts"] == 6
