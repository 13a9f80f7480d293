"""Answers to the tokens of tasks that a workflow waits for."""

from collections.abc import Callable
from typing import Any

from pileus.edges.aws_errors import translated
from pileus.errors import StoreError

GONE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")
"""What Step Functions says of a token that nobody waits for."""


def answer(call: Callable[..., Any], where: str, **told: str) -> bool:
    """Call a method of a client of Step Functions with a token. Return False when the workflow does not wait any more.

    `where`: what an error names. Raises StoreError.
    """
    try:
        with translated(where, "Step Functions"):
            call(**told)
    except StoreError as exc:
        if exc.code in GONE:
            return False
        raise
    return True
