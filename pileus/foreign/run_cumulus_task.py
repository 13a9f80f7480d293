"""`from run_cumulus_task import run_cumulus_task`, as tasks of Cumulus in Python say it.

A task that comes with the library of that name finds its own: this module is last on the path.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pileus.cumulus.task import is_message, over_message, workflow_error
from pileus.edges import cma
from pileus.errors import UsageError

DISABLED = "CUMULUS_MESSAGE_ADAPTER_DISABLED"
"""Environment variable: `true` calls the task with the message as it is."""
UNWRAPPED = (
    'this task reads Cumulus messages itself, and was called with what is in one: say `"cma": "none"` in its '
    "task.json, or `--cma none`"
)


def run_cumulus_task(
    task_function: Callable[..., Any],
    cumulus_message: Any,
    context: Any = None,
    schemas: Mapping[str, str] | None = None,
    **taskargs: Any,
) -> Any:
    """Return the next message: `task_function(event, context, **taskargs)` is called with the `config` and `input` of
    `cumulus_message`.

    `schemas`: files of JSON Schemas for `input`, `config` and `output`, relative to the folder that LAMBDA_TASK_ROOT
    names (else the current one); by default schemas/KIND.json. Raises jsonschema's ValidationError where one does not
    hold, and what the task raises but for a WorkflowError, which becomes the message's `exception`.
    """

    def task(event: Any) -> Any:
        return task_function(event, context, **taskargs)

    if os.environ.get(DISABLED, "").lower() == "true":
        return _alone(task, cumulus_message)
    if not is_message(cumulus_message) and {"input", "config"} <= set(cumulus_message):
        raise UsageError(UNWRAPPED)
    folder = Path(os.environ.get(cma.ROOT) or Path.cwd())
    adapter = cma.of_environment(cma.schemas_in(folder, schemas))
    return over_message(task, cumulus_message, context, adapter)


def _alone(task: Callable[[Any], Any], message: Any) -> Any:
    """Call the task with the message itself."""
    try:
        return task(message)
    except Exception as error:
        if (said := workflow_error(error)) is None:
            raise
        return {**message, "payload": None, "exception": said}
