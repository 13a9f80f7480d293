"""Step Functions: a small interpreter of the workflows in infra/workflows, with executions, maps and task tokens."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pileus.edges.workflows import Happened, Status, no_such
from pileus.errors import StoreError
from spec.simulation import limits
from spec.simulation.executions import Execution, Failed, Settings, Token, choice, filled, follow, matches, placed
from spec.simulation.schedule import Process, Schedule

FOLDER = Path(__file__).parents[2] / "infra/workflows"
LAMBDA = "arn:aws:states:::lambda:invoke"
SEND = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
CHILD = "arn:aws:states:::states:startExecution.sync:2"


@cache
def definitions(points: int, groups: int, silence: float, timeout: float) -> dict[str, Any]:
    """The workflows by name; nobody changes them."""
    fill = {
        "${PointConcurrency}": str(points),
        "${GroupConcurrency}": str(groups),
        "${SilenceSeconds}": str(silence),
        "${TimeoutSeconds}": str(timeout),
    }
    found = {}
    for path in sorted(FOLDER.glob("*.asl.json")):
        text = path.read_text()
        for name, value in fill.items():
            text = text.replace(name, value)
        found[path.name.removesuffix(".asl.json")] = json.loads(text)
    return found


class Machines:
    """The engine: executions live and die with it."""

    def __init__(
        self,
        schedule: Schedule,
        settings: Settings,
        invoke: Callable[[str, Any], Any],
        send: Callable[[str, str], None],
        read: Callable[[str, str], Any],
        told: Callable[[Execution], None],
        prefix: str,
    ) -> None:
        """`invoke`: call a Lambda by its template name, raising Failed; `send`: a body to a queue's address; `read`:
        an object of a bucket, as JSON; `told`: called when an execution did not end by itself."""
        self.schedule, self.prefix = schedule, prefix
        self._definitions = definitions(settings.points, settings.groups, settings.silence, settings.timeout)
        self._invoke, self._send, self._read, self._told = invoke, send, read, told
        self.executions: dict[str, Execution] = {}
        self.tokens: dict[str, Token] = {}

    # what the API offers; the caller puts an effect around it

    def start(self, workflow: str, name: str, value: Any) -> str:
        """See Workflows."""
        text = json.dumps(value)
        if len(text) > limits.PAYLOAD:
            raise StoreError(f"the input has {len(text):,} bytes: {limits.PAYLOAD:,} are the most", where=name)
        arn = f"{self.prefix}{workflow}/{name}"
        if workflow not in self._definitions:
            raise no_such(workflow)
        if arn in self.executions:
            return arn  # as StepFunctions answers ExecutionAlreadyExists
        execution = Execution(arn, name, workflow, text, Process(f"execution {name}", "engine"))
        self.executions[arn] = execution
        self.schedule.spawn(execution.process, f"execution {name}", lambda: self._execute(execution))
        return arn

    def exists(self, workflow: str) -> bool:
        """See Workflows."""
        return workflow in self._definitions

    def definition(self, workflow: str) -> dict[str, Any] | None:
        """See Workflows."""
        return self._definitions.get(workflow)

    def status(self, arn: str) -> Status:
        """See Workflows."""
        return self.executions[arn].status if arn in self.executions else "GONE"

    def history(self, arn: str) -> list[Happened]:
        """See Workflows. Only the start and the end are told."""
        execution = self.executions.get(arn)
        if execution is None:
            return []
        told = ["ExecutionStarted"]
        if execution.status != "RUNNING":
            told.append(f"Execution{execution.status.title().replace('_', '')}")
        return [{"time": self.schedule.now, "type": name, "details": {}} for name in told]

    def stop(self, arn: str) -> None:
        """See Workflows. One that has ended is left alone, as `StopExecution` does."""
        execution = self.executions.get(arn)
        if execution is None:
            return
        if execution.status == "RUNNING":
            self._end(execution, "ABORTED")
            self._kill(execution)

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        """See Workflows."""
        return iter(
            [
                execution.arn
                for execution in self.executions.values()
                if execution.status == "RUNNING"
                and execution.workflow == workflow
                and execution.name.startswith(prefix)
            ]
        )

    def beat(self, token: str) -> bool:
        """Heartbeat of a token; False when nobody waits for it."""
        waiting = self._waiting(token)
        if waiting:
            waiting.beat = self.schedule.now
        return waiting is not None

    def answer(self, token: str, kind: str, value: Any) -> bool:
        """Answer a token; False when nobody waits for it."""
        waiting = self._waiting(token)
        if waiting is None:
            return False
        waiting.answer = (kind, value)
        waiting.event.set()
        self.schedule.poke(waiting.process)
        return True

    def _waiting(self, token: str) -> Token | None:
        found = self.tokens.get(token)
        return found if found and found.answer is None and found.process.alive else None

    def lost(self) -> None:
        """Everything is gone: no execution goes on, no one is told."""
        for execution in self.executions.values():
            execution.status = "ABORTED"
            self._kill(execution)

    def _kill(self, execution: Execution) -> None:
        for process in (execution.process, *execution.branches):
            self.schedule.kill(process)

    # running

    def _execute(self, execution: Execution) -> None:
        context = {"Execution": {"Id": execution.arn, "Name": execution.name}, "History": execution.history}
        try:
            execution.output = self._states(
                execution, self._definitions[execution.workflow], json.loads(execution.value), context
            )
            self._end(execution, "SUCCEEDED")
        except Failed as failed:
            execution.error = (failed.error, failed.cause)
            self.schedule.note(f"fails: {failed.error}: {failed.cause}")
            self._end(execution, "FAILED")

    def _end(self, execution: Execution, status: Status) -> None:
        execution.status = status
        execution.ended.set()
        for process in execution.watchers:
            self.schedule.poke(process)
        if status != "SUCCEEDED":
            self._told(execution)

    def _states(self, execution: Execution, machine: Any, value: Any, context: Any) -> Any:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            try:
                value = self._tried(execution, state, value, context)
            except Failed as failed:
                catch = next((c for c in state.get("Catch", ()) if matches(c, failed)), None)
                if catch is None:
                    raise
                told = {"Error": failed.error, "Cause": failed.cause}
                value, name = placed(value, told, catch.get("ResultPath", "$")), catch["Next"]
                continue
            if state["Type"] == "Choice":
                name = choice(state, value)
            elif state.get("End") or state["Type"] == "Succeed":
                return value
            else:
                name = state["Next"]

    def _tried(self, execution: Execution, state: Any, value: Any, context: Any) -> Any:
        tries: dict[int, int] = {}
        while True:
            try:
                return self._state(execution, state, value, context)
            except Failed as failed:
                found = next(((n, r) for n, r in enumerate(state.get("Retry", ())) if matches(r, failed)), None)
                if found is None or tries.get(found[0], 0) >= found[1].get("MaxAttempts", 3):
                    raise
                number, retry = found
                tries[number] = tries.get(number, 0) + 1
                pause = retry.get("IntervalSeconds", 1) * retry.get("BackoffRate", 2.0) ** (tries[number] - 1)
                self.schedule.sleep(min(pause, retry.get("MaxDelaySeconds", pause)))

    def _state(self, execution: Execution, state: Any, value: Any, context: Any) -> Any:
        kind = state["Type"]
        limits.written(context["History"], limits.EVENTS[kind])
        if kind == "Fail":
            error = follow(state["ErrorPath"], value, context) if "ErrorPath" in state else state.get("Error", "")
            cause = follow(state["CausePath"], value, context) if "CausePath" in state else state.get("Cause", "")
            raise Failed(error, cause)
        if kind in ("Choice", "Succeed"):
            return value
        if kind == "Pass":
            result = filled(state["Parameters"], value, context) if "Parameters" in state else value
        elif kind == "Map":
            result = self._map(execution, state, value, context)
        elif kind == "Task":
            result = self._task(execution, state, value, context)
        else:
            raise NotImplementedError(kind)
        if "ResultSelector" in state and kind == "Task":
            result = filled(state["ResultSelector"], result, context)
        value = placed(value, result, state.get("ResultPath", "$"))
        return follow(state["OutputPath"], value, context) if "OutputPath" in state else value

    def _task(self, execution: Execution, state: Any, value: Any, context: Any) -> Any:
        resource = state["Resource"]
        if resource == LAMBDA:
            given = filled(state["Parameters"], value, context)
            self._passes("Lambda.TooManyRequestsException")
            limits.fits(json.dumps(given), "the input of a Lambda")
            answer = self._invoke(given["FunctionName"], given["Payload"])
            limits.fits(json.dumps(answer), "the answer of a Lambda")
            return {"Payload": answer}
        if resource == CHILD:
            return self._child(execution, filled(state["Parameters"], value, context))
        if resource == SEND:
            return self._send_and_wait(execution, state, value, context)
        raise NotImplementedError(resource)

    def _passes(self, refusal: str) -> None:
        """Raise Failed when AWS refuses what a workflow itself asks of it now: a Lambda, an execution, a message."""
        if self.schedule.throttled():
            self.schedule.note(f"a workflow is refused: {refusal}")
            raise Failed(refusal, "too many requests")

    def _child(self, execution: Execution, given: Any) -> Any:
        workflow = given["StateMachineArn"].removeprefix(self.prefix)
        self.schedule.sleep(self.schedule.latency())
        self._passes("StepFunctions.ThrottlingException")
        if f"{self.prefix}{workflow}/{given['Name']}" in self.executions:
            raise Failed("StepFunctions.ExecutionAlreadyExistsException", given["Name"])
        arn = self.start(workflow, given["Name"], given["Input"])
        child = self.executions[arn]
        child.watchers.append(self.schedule._me().process)
        while child.status == "RUNNING":
            self.schedule.wait(child.ended, None)
        told = {"ExecutionArn": arn, "Name": child.name, "Status": child.status}
        if child.status != "SUCCEEDED":
            raise Failed("States.TaskFailed", json.dumps({**told, "Error": child.error[0], "Cause": child.error[1]}))
        return {**told, "Output": child.output}

    def _send_and_wait(self, execution: Execution, state: Any, value: Any, context: Any) -> Any:
        id = f"token-{len(self.tokens)}-{self.schedule.dice.getrandbits(32):08x}"
        token = Token(execution, self.schedule._me().process, beat=self.schedule.now)
        self.tokens[id] = token
        given = filled(state["Parameters"], value, {**context, "Task": {"Token": id}})
        self.schedule.sleep(self.schedule.latency())
        self._passes("SQS.RequestThrottledException")
        self._send(given["QueueUrl"], limits.fits(json.dumps(given["MessageBody"]), "a message"))
        silence, deadline = state["HeartbeatSeconds"], self.schedule.now + state["TimeoutSeconds"]
        while token.answer is None:
            due = min(token.beat + silence, deadline)
            if self.schedule.now >= due:
                token.answer = ("timeout", None)
                raise Failed("States.HeartbeatTimeout" if due < deadline else "States.Timeout", "")
            self.schedule.wait(token.event, due - self.schedule.now)
        kind, answer = token.answer
        if kind == "fail":
            raise Failed(*answer)
        return json.loads(answer)

    def _items(self, state: Any, value: Any, context: Any) -> Any:
        if "ItemsPath" in state:
            return follow(state["ItemsPath"], value, context)
        given = filled(state["ItemReader"]["Parameters"], value, context)
        try:
            return self._read(given["Bucket"], given["Key"])
        except KeyError as error:
            raise Failed("States.ItemReaderFailed", f"there is no {given['Key']}") from error

    def _map(self, execution: Execution, state: Any, value: Any, context: Any) -> None:
        found, machine = self._items(state, value, context), state["ItemProcessor"]
        items = iter(found)
        distributed = machine["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
        limits.fits(json.dumps(max(found, key=lambda item: len(json.dumps(item)), default=None)), "an item of a Map")

        tolerant, problems, over = "ToleratedFailurePercentage" in state, list[Failed](), threading.Event()
        branch = Process(f"{execution.process.name} map", "engine")
        execution.branches.append(branch)
        caller = self.schedule._me().process

        def work() -> None:
            for item in items:
                try:
                    if not distributed:
                        limits.written(context["History"], limits.ITERATION)
                    own = {**context, "History": [0]} if distributed else context  # each is an execution of its own
                    self._states(execution, machine, item, own)
                except Failed as failed:
                    self.schedule.note(f"an item fails: {failed.error}: {failed.cause}")
                    if not tolerant:
                        problems.append(failed)
                        break
            if problems or all(thread.over or thread is self.schedule.current for thread in threads):
                over.set()
                self.schedule.poke(caller)

        threads = [
            self.schedule.spawn(branch, f"{branch.name} {number}", work)
            for number in range(min(state["MaxConcurrency"] or 40, len(found)))
        ]
        if threads:
            self.schedule.wait(over)
        if problems:
            self.schedule.kill(branch)
            raise problems[0]
