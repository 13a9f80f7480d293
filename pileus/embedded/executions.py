"""Executions of the embedded Step Functions start at once, and start nothing more once they are stopped.

MiniStack waits before it runs an execution, and runs the rest of a map that was stopped.
"""

import threading
import time
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any

PRETENDED = 0.15
"""Seconds for which MiniStack lets an execution wait before its first state."""

_parent: ContextVar[dict[str, Any] | None] = ContextVar("parent", default=None)
"""The execution whose task this thread runs."""
_starting: ContextVar[ExitStack | None] = ContextVar("starting", default=None)
"""Holds the lock until the execution that this thread starts is in the list."""


def end_with_their_parent(engine: Any) -> None:
    """Change MiniStack's Step Functions, the module `engine`, so that no task and no execution starts within one that
    was stopped. An execution that starts at the same moment is in the list before the stop is answered.
    """
    lock = threading.RLock()
    task, run, stop = engine._execute_task, engine._run_execution, engine._stop_execution
    start, start_sync = engine._start_execution, engine._start_sync_execution

    def stopped(execution: dict[str, Any] | None) -> bool:
        while execution is not None:
            if execution["status"] != "RUNNING":
                return True
            map_run = engine._map_runs.get(execution.get("mapRunArn"))
            execution = map_run and engine._executions.get(map_run["executionArn"])
        return False

    def execute_task(state: Any, given: Any, execution: dict[str, Any], context: Any) -> Any:
        if stopped(execution):
            raise engine._ExecutionError("States.TaskFailed", "its execution was stopped")
        token = _parent.set(execution)
        try:
            return task(state, given, execution, context)
        finally:
            _parent.reset(token)

    def refusal() -> Any:
        if not stopped(_parent.get()):
            return None
        return engine.error_response_json("ExecutionAborted", "the execution that starts it was stopped", 400)

    def start_execution(data: Any) -> Any:
        with lock:
            return refusal() or start(data)

    def start_sync_execution(data: Any) -> Any:
        with ExitStack() as held:
            held.enter_context(lock)
            token = _starting.set(held)
            try:
                return refusal() or start_sync(data)
            finally:
                _starting.reset(token)

    def run_execution(arn: str) -> None:
        if held := _starting.get():
            held.close()
        run(arn)

    def stop_execution(data: Any) -> Any:
        with lock:
            return stop(data)

    engine._execute_task, engine._run_execution, engine._stop_execution = execute_task, run_execution, stop_execution
    engine._start_execution, engine._start_sync_execution = start_execution, start_sync_execution


def start_at_once(engine: Any) -> None:
    """Change MiniStack's Step Functions, the module `engine`, so that an execution does not wait before its start."""
    engine.time = _Time()


class _Time:
    """The module `time`, without that wait."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        if seconds != PRETENDED:
            time.sleep(seconds)
