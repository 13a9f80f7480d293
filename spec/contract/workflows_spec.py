"""One contract for executions of workflows: Step Functions, and the engine of the simulation."""

import json
import time
from collections.abc import Callable
from typing import NamedTuple
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.workflows import StepFunctions, Workflows
from pileus.errors import Unknown
from spec.servers import Site
from spec.simulation.alone import alone_workflows

NAME = "DiscoverAndProcessGranules"
OTHER = "GenerateCollectionsTriggerWorkflows"
WAITS = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
VALUE = {"config": {}}
ENDS = {"StartAt": "End", "States": {"End": {"Type": "Pass", "End": True}}}


class Engine(NamedTuple):
    """Workflows whose executions run until they are stopped."""

    workflows: Workflows
    ended: Callable[[str], str]
    """Start one of this name that has ended by itself when this returns; its ARN."""


def simulated() -> Engine:
    workflows, machines = alone_workflows()

    def ended(name: str) -> str:
        arn = workflows.start(NAME, name, VALUE)
        machines._end(machines.executions[arn], "SUCCEEDED")
        return arn

    return Engine(workflows, ended)


def embedded(site: Site) -> Engine:
    client, prefix = Aws(site.url).stepfunctions, f"spec-{uuid4().hex[:8]}-"

    def create(name: str, definition: object) -> str:
        role = "arn:aws:iam::000000000000:role/spec"
        made = client.create_state_machine(name=prefix + name, definition=json.dumps(definition), roleArn=role)
        return made["stateMachineArn"]

    arn = create(NAME, WAITS)
    create(OTHER, WAITS)
    workflows = StepFunctions(lambda: client, arn.removesuffix(NAME))

    def ended(name: str) -> str:
        """The definition is changed for as long as this one runs."""
        client.update_state_machine(stateMachineArn=arn, definition=json.dumps(ENDS))
        execution = workflows.start(NAME, name, VALUE)
        deadline = time.monotonic() + 30
        while workflows.status(execution) == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        client.update_state_machine(stateMachineArn=arn, definition=json.dumps(WAITS))
        return execution

    return Engine(workflows, ended)


@pytest.fixture(params=["simulated", "stepfunctions"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return simulated() if request.param == "simulated" else embedded(request.getfixturevalue("aws"))


def test_what_is_started_runs_and_what_is_stopped_does_not(engine: Engine) -> None:
    workflows = engine.workflows
    one = workflows.start(NAME, "b-1-x", VALUE)
    assert workflows.status(one) == "RUNNING"
    workflows.stop(one, "by its user")
    assert workflows.status(one) == "ABORTED"


def test_a_workflow_tells_what_it_is_made_of_and_one_that_is_not_there_nothing(engine: Engine) -> None:
    found = engine.workflows.definition(NAME)
    assert found is not None
    assert found["StartAt"] in found["States"]
    assert engine.workflows.definition("None") is None
    assert (engine.workflows.exists(NAME), engine.workflows.exists("None")) == (True, False)


def test_asked_twice_with_one_name_it_is_one_execution(engine: Engine) -> None:
    workflows = engine.workflows
    one = workflows.start(NAME, "b-1", VALUE)
    assert workflows.start(NAME, "b-1", VALUE) == one
    assert workflows.start(NAME, "b-1", VALUE | {"a": 2}) == one
    assert list(workflows.running(NAME, "b-")) == [one]


def test_a_name_whose_execution_has_ended_is_not_run_again(engine: Engine) -> None:
    one = engine.ended("b-1")
    assert engine.workflows.start(NAME, "b-1", VALUE) == one
    assert engine.workflows.status(one) == "SUCCEEDED"
    assert list(engine.workflows.running(NAME, "b-")) == []


def test_one_name_in_two_workflows_is_two_executions(engine: Engine) -> None:
    workflows = engine.workflows
    one, two = workflows.start(NAME, "b-1", VALUE), workflows.start(OTHER, "b-1", VALUE)
    assert one != two
    assert list(workflows.running(NAME, "b-")) == [one]
    assert list(workflows.running(OTHER, "b-")) == [two]


def test_to_stop_what_has_ended_or_was_stopped_or_never_was_is_no_error(engine: Engine) -> None:
    workflows, ended = engine.workflows, engine.ended("b-1")
    workflows.stop(ended, "cause")
    assert workflows.status(ended) == "SUCCEEDED", "how it ended stays"
    stopped = workflows.start(NAME, "b-2", VALUE)
    workflows.stop(stopped, "cause")
    workflows.stop(stopped, "cause")
    assert workflows.status(stopped) == "ABORTED"
    workflows.stop(f"{ended}-none", "cause")


def test_an_execution_that_nobody_knows_is_gone(engine: Engine) -> None:
    assert engine.workflows.status(f"{engine.ended('b-1')}-none") == "GONE"


def test_its_history_begins_with_its_start_and_ends_with_its_end(engine: Engine) -> None:
    runs, ended = engine.workflows.start(NAME, "b-2", VALUE), engine.ended("b-1")
    assert engine.workflows.history(runs)[0]["type"] == "ExecutionStarted"
    found = engine.workflows.history(ended)
    assert (found[0]["type"], found[-1]["type"]) == ("ExecutionStarted", "ExecutionSucceeded")
    assert [event["time"] for event in found] == sorted(event["time"] for event in found)
    assert engine.workflows.history(f"{ended}-none") == []


def test_those_that_run_are_listed_by_the_beginning_of_their_name(engine: Engine) -> None:
    workflows = engine.workflows
    names = ("b-1-x", "b-1-y", "b-12-x", "c-1-x")
    started = {name: workflows.start(NAME, name, VALUE) for name in names}
    workflows.stop(started["b-1-y"], "cause")
    assert sorted(workflows.running(NAME, "b-1-")) == [started["b-1-x"]]
    assert sorted(workflows.running(NAME, "b-1")) == sorted([started["b-1-x"], started["b-12-x"]])
    assert list(workflows.running(NAME, "d")) == []


def test_more_than_a_page_of_them_is_listed(engine: Engine) -> None:
    started = {engine.workflows.start(NAME, f"b-{number:03}", VALUE) for number in range(120)}
    assert set(engine.workflows.running(NAME, "b-")) == started


def test_a_workflow_that_is_not_there_is_said_to_be_none(engine: Engine) -> None:
    assert (engine.workflows.exists(NAME), engine.workflows.exists("None")) == (True, False)
    with pytest.raises(Unknown, match="the stack has no workflow 'None'"):
        engine.workflows.start("None", "b-1", VALUE)
