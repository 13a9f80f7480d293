"""Tasks of Cirrus in images of others on ECS: the definition of the template, run by Docker container by container."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.edges.aws import Aws
from pileus.errors import HandedBack, UsageError
from spec.servers import Site
from spec.support.cirrus_tasks import PAYLOAD, failure, run
from spec.support.ecs_payloads import BUCKET, Ecs
from spec.support.engine import engine, image
from spec.support.stranger import COMMAND, DERIVED, HARMS, IMAGE, RUN_HARM, built

__all__ = ["built", "engine", "image"]


@pytest.fixture
def ecs(built: None, image: str, aws: Site, tmp_path: Path) -> Iterator[Ecs]:
    here = Aws(aws.url)
    here.s3.create_bucket(Bucket=BUCKET)
    made = Ecs(tmp_path, here, image)
    yield made
    for agent in made.agents:
        agent.close()
        assert agent.left() == []


def test_the_command_line_of_stac_task_does_a_payload(ecs: Ecs) -> None:
    does = ecs(DERIVED)
    for _ in range(2):
        (item,) = run(does, PAYLOAD)["features"]
        assert (item["id"], item["collection"]) == ("a-fast", "derived")


def test_a_payload_by_address_is_read_by_the_worker(ecs: Ecs) -> None:
    ecs.aws.s3.put_object(Bucket=BUCKET, Key="payload.json", Body=json.dumps(PAYLOAD).encode())
    assert run(ecs(DERIVED), {"url": f"s3://{BUCKET}/payload.json"})["id"] == PAYLOAD["id"]


def test_what_stac_task_raises_keeps_its_name(ecs: Ecs) -> None:
    told = failure(ecs(["python3", "/app/task.py", "Fails", *COMMAND]), PAYLOAD)
    assert (told.kind, told.message) == ("InvalidInput", "no items of this kind")


def test_its_container_has_the_volume_and_nothing_else(ecs: Ecs) -> None:
    """No credentials, no address of a ticket, no network; a fresh folder each time, and it is not root."""
    does = ecs(RUN_HARM, environment={"AWSOME": "1"})
    for _ in range(2):
        found = run(does, {})
        assert found == {
            "names": ["AWSOME", "AWS_EXECUTION_ENV"],  # of the agent: where it runs
            "interfaces": ["lo"],
            "here": [["input.json", "tmp", "work"], [], []],
            "user": 65534,
        }
    (agent,) = ecs.agents
    told = [one["overrides"]["containerOverrides"] for one in agent.requests]
    assert [[one["name"] for one in each] for each in told] == [["bring", "take"]] * 2


@pytest.mark.parametrize(("do", "kind", "why"), HARMS)
def test_harm_fails_its_own_payload_as_with_docker_and_the_next_is_done(
    ecs: Ecs, tmp_path: Path, do: str, kind: str, why: str
) -> None:
    does = ecs(RUN_HARM, memory=128 if do == "hungry" else 1024)
    told = failure(does, {"do": do, "path": "/app/written" if do == "writes" else "/etc/passwd"})
    assert (told.kind, why in told.message) == (kind, True), str(told)
    assert run(does, {})["here"] == [["input.json", "tmp", "work"], [], []]


@pytest.mark.parametrize("do", ["sleeps", "closes"])
def test_a_task_that_sleeps_past_its_limit_is_ended(ecs: Ecs, do: str) -> None:
    told = failure(ecs(RUN_HARM, timeout=3), {"do": do})
    assert (told.kind, told.message) == ("TaskTimedOut", "took longer than 3 s")


def test_much_output_does_not_keep_a_payload_from_its_answer(ecs: Ecs) -> None:
    assert run(ecs(RUN_HARM), {"do": "prints", "mib": 64})["user"] == 65534


def test_a_task_is_ended_when_its_worker_is_told_to_stop(ecs: Ecs) -> None:
    stop = threading.Event()
    threading.Timer(3, stop.set).start()
    with pytest.raises(HandedBack):
        ecs(RUN_HARM).run({"do": "sleeps"}, stop)


def test_an_image_that_is_not_there_is_said_in_a_sentence(ecs: Ecs) -> None:
    missing = IMAGE.replace("stranger", "none")
    with pytest.raises(UsageError, match=f"the image {missing} cannot be pulled: CannotPullContainerError"):
        run(ecs(RUN_HARM, image=missing), {})


def test_what_a_task_leaves_ends_with_its_container(ecs: Ecs) -> None:
    does = ecs(RUN_HARM)
    for do in ("daemon", "locks"):
        run(does, {"do": do})
