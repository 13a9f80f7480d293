"""Activities of the embedded Step Functions end when their worker is silent or slow, or their execution was stopped.

MiniStack waits for a day for the answer of an activity's worker, whatever the state says: who kills a worker would see
no Retry. Time is counted from the moment in which a worker takes the task, as on AWS.
"""

import json
import time
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

EVERY = 0.1
"""Seconds between two looks at a task that is not answered yet."""
NEVER = 99_999
"""Seconds for which a state waits that names no limit, as on AWS."""

_doing: ContextVar[tuple[dict[str, Any], dict[str, Any]]] = ContextVar("doing")
"""The state that this thread carries out, and its execution."""


def end_silent_activities(engine: Any) -> None:
    """Change MiniStack's Step Functions, the module `engine`, so that HeartbeatSeconds and TimeoutSeconds hold."""
    task, invoke = engine._execute_task, engine._invoke_activity

    def execute_task(state: Any, given: Any, execution: Any, context: Any) -> Any:
        token = _doing.set((state, execution))
        try:
            return task(state, given, execution, context)
        finally:
            _doing.reset(token)

    def invoke_activity(resource: str, given: Any) -> Any:
        state, execution = _doing.get()
        if resource not in engine._activities:
            return invoke(resource, given)  # says that there is none
        token = engine.new_uuid()
        waits = _Waiting(engine, resource, token, given, execution)
        why = waits.until_over(state.get("HeartbeatSeconds", NEVER), state.get("TimeoutSeconds", NEVER))
        info = engine._task_tokens.pop(token, {})
        if why:
            raise engine._ExecutionError(*why)
        if error := info.get("error"):
            raise engine._ExecutionError(error.get("Error", "TaskFailed"), error.get("Cause", ""))
        return json.loads(info["result"]) if isinstance(info["result"], str) else info["result"]

    engine._execute_task, engine._invoke_activity = execute_task, invoke_activity


class _Waiting:
    """One task of an activity, until it is answered."""

    def __init__(self, engine: Any, resource: str, token: str, given: Any, execution: dict[str, Any]) -> None:
        self._execution = execution
        self._queue = engine._activity_tasks[resource]
        self._event = engine.threading.Event()
        self._info = {"event": self._event, "result": None, "error": None, "heartbeat": None}
        engine._task_tokens[token] = self._info
        self._task = {"taskToken": token, "input": json.dumps(given)}
        self._queue.append(self._task)

    def until_over(self, heartbeat: float, timeout: float) -> tuple[str, str] | None:
        """Wait for the answer. Return error and cause when the worker was silent or slow for too many seconds, or the
        execution was stopped.
        """
        started = heard = None
        beat = None
        while not self._event.wait(EVERY):
            now = time.monotonic()
            if self._execution["status"] != "RUNNING":
                self._forget()
                return "States.TaskFailed", "its execution was stopped"
            if started is None:
                if self._task in self._queue:
                    continue
                started = heard = now
            if self._info["heartbeat"] != beat:
                beat, heard = self._info["heartbeat"], now
            if now - (heard or now) > heartbeat:
                return "States.HeartbeatTimeout", f"no heartbeat for {heartbeat} seconds"
            if now - started > timeout:
                return "States.Timeout", f"no answer for {timeout} seconds"
        return None

    def _forget(self) -> None:
        """Let no worker take the task any more."""
        with suppress(ValueError):
            self._queue.remove(self._task)
