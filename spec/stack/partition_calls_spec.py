"""What a partition asks of AWS: every call is counted, and the model of costs has the same numbers.

A number here that grows makes each of 100,000 partitions dearer. One that shrinks is lowered here, and in
`pileus.deploy.cost`.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from pileus.deploy import cost
from pileus.worker import heartbeat
from spec.support import tiny
from spec.support.grants import calls
from spec.support.stack import Project, project_of

MONTHS = [f"20{year}{month:02}" for year in (15, 16) for month in range(1, 13)]
FIRST = MONTHS[:2]
"""For these Lambdas and workers start, read their documents and write the zones."""
COUNTED = MONTHS[2:]
EACH = {
    ("DiscoverGranules", "dynamodb", "GetItem"): 1,  # the backfill
    ("DiscoverGranules", "dynamodb", "BatchGetItem"): 1,  # the point's entries
    ("DiscoverGranules", "dynamodb", "PutItem"): 1,  # queued
    ("DiscoverGranules", "s3", "PutObject"): 1,  # the point's list of groups
    ("worker", "dynamodb", "PutItem"): 2,  # claimed, ended
    ("worker", "s3", "PutObject"): 5,  # the fence; table, CSV and item staged; the manifest
    ("worker", "s3", "CopyObject"): 3,  # published
    ("worker", "stepfunctions", "SendTaskSuccess"): 1,
}
"""Calls of each partition."""
SHARED = {
    ("worker", "s3", "HeadObject"): 1,  # whether the zones are still there
    ("worker", "s3", "DeleteObjects"): 1,  # what was staged, in batches
    ("worker", "sqs", "DeleteMessageBatch"): 1,
    ("worker", "sqs", "ChangeMessageVisibilityBatch"): 1,
    ("DiscoverGranules", "s3", "GetObject"): 0.5,  # the run's documents, once in each Lambda
}
"""Most calls of a partition of those that several may share; how many do depends on the time that they take."""
TIMED = {
    ("worker", "dynamodb", "GetItem"): 1,  # the backfill, after the claim; then every 1.5 seconds
    ("worker", "sqs", "ReceiveMessage"): 0,  # up to ten at once; every second while there are none
}
"""Fewest calls of a partition of those that the seconds decide."""
STATES = ["DiscoverGranules", "AnyToDo", "OneGroup"]
"""Of the workflow of a point with one group."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Counter[tuple[str, str, str]]]]:
    """A stack on which a backfill of COUNTED has run, and what it has called."""
    with project_of(tmp_path_factory.mktemp("partition-calls")) as project:
        tiny.collection(project, "counted", MONTHS[0], MONTHS[-1])
        tiny.publish(project, "counted", *MONTHS)
        project.up(workers=1)
        project.pileus("populate")
        project.pileus("backfill", "counted", "--from", "2015-01", "--to", "2015-02", "--name", "first", "--wait")
        before = counted(project)
        project.pileus("backfill", "counted", "--from", "2015-03", "--to", "2016-12", "--name", "counted", "--wait")
        yield project, counted(project) - before


def counted(project: Project) -> Counter[tuple[str, str, str]]:
    """Calls by role, service and operation."""
    found = calls(project.calls)
    return Counter((call["role"].removeprefix("pileus-"), call["service"], call["operation"]) for call in found)


def test_each_partition_makes_these_calls(made: tuple[Project, Counter[tuple[str, str, str]]]) -> None:
    found = {what: made[1][what] for what in EACH}
    assert {what: count // len(COUNTED) for what, count in found.items()} == EACH  # a Lambda may be repeated
    assert all(made[1][what] >= fewest * len(COUNTED) for what, fewest in TIMED.items())


def test_calls_that_partitions_share_are_few(made: tuple[Project, Counter[tuple[str, str, str]]]) -> None:
    found = {what: made[1][what] / len(COUNTED) for what in SHARED}
    assert {what: count for what, count in found.items() if count > SHARED[what]} == {}


def test_a_partition_makes_no_other_calls(made: tuple[Project, Counter[tuple[str, str, str]]]) -> None:
    others = (
        {what for what in made[1] if what[0] in ("worker", "DiscoverGranules")}
        - EACH.keys()
        - SHARED.keys()
        - TIMED.keys()
    )
    assert others == set()


def test_the_workflow_of_a_point_with_one_group_enters_three_states(
    made: tuple[Project, Counter[tuple[str, str, str]]],
) -> None:
    client = made[0].aws.stepfunctions
    machine = made[0].edges.stack.workflow_arn("DiscoverAndProcessGranules")
    executions = client.list_executions(stateMachineArn=machine)["executions"]
    assert len(executions) == len(MONTHS)
    for execution in executions[:5]:
        events = client.get_execution_history(executionArn=execution["executionArn"])["events"]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
        assert entered == STATES


def test_the_model_of_costs_counts_the_same() -> None:
    def of(service: str, *operations: str) -> float:
        both = EACH | SHARED | TIMED
        return sum(count for (_, where, what), count in both.items() if where == service and what in operations)

    assert of("s3", "PutObject", "CopyObject") == cost.OBJECTS
    assert of("s3", "GetObject", "HeadObject") <= cost.OBJECT_READS
    assert of("dynamodb", "PutItem") == cost.CHANGES
    assert of("dynamodb", "GetItem", "BatchGetItem") <= cost.LOOKS
    start_and_end, outside = 2, 2  # StartWorkflow, and the Map child that it is in
    whole = start_and_end + outside + len(STATES)
    assert whole == cost.TRANSITIONS_OF_POINT + cost.TRANSITIONS_OF_GROUP
    assert cost.HEARD_SECONDS == heartbeat.HEARD_SECONDS
