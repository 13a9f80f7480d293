"""A task within a Cumulus workflow: the message becomes its event, and its answer the next message.

This is what Cumulus's own helper for Python does around a task. It is the same for a Lambda, a worker and a process
that runs somebody's handler, so it is here once. The adapter opens S3 and is therefore given.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

WORKFLOW_ERROR = "WorkflowError"


class Adapter(Protocol):
    """The three functions of the Cumulus Message Adapter. All take and return JSON values."""

    def load_and_update_remote_event(self, event: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the full message: with what lies in S3, with `cma` taken apart, and the task noted in
        `meta.workflow_tasks`. `context`: attributes of the Lambda's context.
        """

    def load_nested_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the task is called with: `input`, `config`, and `messageConfig` where its config has one."""

    def create_next_event(
        self, response: Any, event: Mapping[str, Any], message_config: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the message with the task's answer in it; what is too large for `ReplaceConfig` is put into S3."""


def is_message(event: object) -> bool:
    """Return whether an event is a Cumulus message, or parameters that have one under `cma`.

    >>> is_message({"cma": {"event": {}}}), is_message({"cumulus_meta": {}}), is_message({"config": {}, "input": 1})
    (True, True, False)
    """
    return isinstance(event, Mapping) and ("cma" in event or "cumulus_meta" in event)


def run_cumulus_task(task: Callable[[Any], Any], event: Any, context: object, adapter: Callable[[], Adapter]) -> Any:
    """Return the task's answer: to a Cumulus message the next message, to any other event what the task returns.

    `adapter` is called for a Cumulus message only.
    """
    return over_message(task, event, context, adapter()) if is_message(event) else task(event)


def over_message(
    task: Callable[[Any], Any], event: Mapping[str, Any], context: object, bound: Adapter
) -> dict[str, Any]:
    """Return the next message, after a task that is called with the `config` and `input` of this one.

    1. The task returns: its answer is in the message.
    2. The task raises a WorkflowError (see `workflow_error`): the full message without a payload, and `exception` says
       it. The workflow goes on.
    3. Anything else that the task or the adapter raises is raised as it is.
    """
    message = bound.load_and_update_remote_event(event, facts_of(context))
    told = bound.load_nested_event(message)
    try:
        answer = task(told)
    except Exception as error:
        if (said := workflow_error(error)) is None:
            raise
        return {**message, "payload": None, "exception": said}
    return bound.create_next_event(answer, message, told.get("messageConfig"))


FACTS = ("function_name", "function_version", "invoked_function_arn", "activityArn")
"""Attributes of a context that the adapter reads."""


def facts_of(context: object) -> dict[str, Any]:
    """Return what the adapter reads of a context: a Lambda's, or a mapping; none for None.

    >>> facts_of(None)
    {}
    """
    if isinstance(context, Mapping):
        return dict(context)
    return {name: getattr(context, name) for name in FACTS if hasattr(context, name)}


def workflow_error(error: BaseException) -> str | None:
    """Return what the message says of an error with which a workflow goes on; None for any other.

    1. Its first argument is a text with `WorkflowError` in it: that text, as Cumulus's helper for Python does.
    2. Its class has `WorkflowError` in its name: that name, as Cumulus's helper for JavaScript does.

    >>> workflow_error(ValueError("WorkflowError: no granules")), workflow_error(ValueError("no granules"))
    ('WorkflowError: no granules', None)
    """
    first = error.args[0] if error.args else None
    if isinstance(first, str) and WORKFLOW_ERROR in first:
        return first
    name = type(error).__name__
    return name if WORKFLOW_ERROR in name else None
