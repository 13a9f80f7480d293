"""Tasks of Cirrus in images that have no Pileus in them: a container for each payload, and harm that stays with it."""

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pileus.documents import parse_value
from pileus.documents.task import TaskDefinition
from pileus.errors import HandedBack, UsageError
from pileus.worker.container_payloads import ContainerPayloads
from pileus.worker.docker_containers import LABEL, DockerContainers, remove_left
from pileus.worker.watched import KEPT
from spec.support.cirrus_tasks import PAYLOAD, failure, run
from spec.support.engine import docker, engine
from spec.support.stack import Project, project_of
from spec.support.stranger import COMMAND, DERIVED, HARMS, IMAGE, RUN_HARM, built, defined

__all__ = ["built", "engine"]


class Containers:
    """Makes what does payloads with the image."""

    def __init__(self, folder: Path) -> None:
        self.scratch, self.printed = folder / "scratch", list[bytes]()
        self.scratch.mkdir()
        self.made: list[ContainerPayloads] = []

    def __call__(self, command: list[str], *, memory: int = 512, **fields: Any) -> ContainerPayloads:
        definition = parse_value(TaskDefinition, defined(command, **fields), "task.json")
        how: dict[str, Any] = {"memory": memory, "tell": self.printed.append}
        self.made.append(ContainerPayloads("task", DockerContainers("task", definition, self.scratch, **how)))
        return self.made[-1]

    def left(self) -> list[str]:
        """What is left of payloads: folders and containers. Docker may have others, of a run that was killed."""
        folders = [path.name for path in self.scratch.glob("*/*")]
        return folders + [container for container, room in labelled() if room.is_relative_to(self.scratch)]


def labelled() -> list[tuple[str, Path]]:
    """All containers of payloads that Docker has, and the folder of who started each."""
    told = docker("ps", "--all", f"--filter=label={LABEL}", '--format={{.ID}} {{.Label "' + LABEL + '"}}')
    return [(container, Path(room)) for container, _, room in (line.partition(" ") for line in told.splitlines())]


@pytest.fixture
def containers(built: None, tmp_path: Path) -> Iterator[Containers]:
    made = Containers(tmp_path)
    yield made
    assert made.left() == []
    for one in made.made:
        one.close()
    assert list(made.scratch.iterdir()) == []


def test_the_command_line_of_stac_task_does_a_payload(containers: Containers) -> None:
    made = run(containers(DERIVED), PAYLOAD)
    (item,) = made["features"]
    assert (item["id"], item["collection"]) == ("a-fast", "derived")
    assert made["process"] == PAYLOAD["process"]
    assert b"made 1\n" in containers.printed[-1]


def test_a_payload_by_address_is_read_by_the_worker(containers: Containers, tmp_path: Path) -> None:
    """The container has no credentials."""
    definition = parse_value(TaskDefinition, defined(DERIVED), "task.json")
    there = {"s3://b/payload.json": json.dumps(PAYLOAD).encode()}
    here = DockerContainers("task", definition, containers.scratch, memory=512)
    does = ContainerPayloads("task", here, there.__getitem__)
    containers.made.append(does)
    assert run(does, {"url": "s3://b/payload.json"})["id"] == PAYLOAD["id"]


def test_what_stac_task_raises_keeps_its_name(containers: Containers) -> None:
    told = failure(containers(["python3", "/app/task.py", "Fails", *COMMAND]), PAYLOAD)
    assert (told.kind, told.message) == ("InvalidInput", "no items of this kind")
    assert failure(containers(DERIVED), PAYLOAD | {"refused": True}).kind == "FailedValidation"


def test_a_folder_that_is_kept_has_the_files_that_the_answer_names(containers: Containers, tmp_path: Path) -> None:
    definition, kept = parse_value(TaskDefinition, defined(DERIVED), "task.json"), tmp_path / "local-output"
    saving = definition.model_copy(update={"command": (*definition.command, "--save-workdir")})
    does = ContainerPayloads("task", DockerContainers("task", saving, containers.scratch, memory=512, kept=kept))
    containers.made.append(does)
    href = run(does, PAYLOAD)["features"][0]["assets"]["text"]["href"]
    assert href == str(kept / "a.txt")
    assert Path(href).read_text() == "fast"


def test_a_container_has_a_fresh_folder_no_credentials_no_network_and_is_not_root(containers: Containers) -> None:
    os.environ["AWS_SECRET_ACCESS_KEY"] = "mine"
    try:
        for _ in range(2):
            found = run(containers(RUN_HARM), {})
            assert found["user"] != 0
            assert (found["names"], found["interfaces"]) == ([], ["lo"])
            assert found["here"] == [["input.json", "tmp", "work"], [], []]
    finally:
        del os.environ["AWS_SECRET_ACCESS_KEY"]


def test_one_that_asks_for_it_has_a_network_and_an_environment(containers: Containers) -> None:
    found = run(containers(RUN_HARM, network=True, environment={"AWSOME": "1"}), {})
    assert found["interfaces"] == ["eth0", "lo"]
    assert found["names"] == ["AWSOME"]


@pytest.mark.parametrize(("do", "kind", "why"), HARMS)
def test_harm_fails_its_own_payload_and_the_next_is_done(
    containers: Containers, tmp_path: Path, do: str, kind: str, why: str
) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"secret": true}')
    does = containers(RUN_HARM, memory=128 if do == "hungry" else 1024)
    told = failure(does, {"do": do, "path": "/app/written" if do == "writes" else str(secret)})
    assert (told.kind, why in told.message) == (kind, True), str(told)
    assert run(does, {})["here"] == [["input.json", "tmp", "work"], [], []]


@pytest.mark.parametrize("do", ["sleeps", "closes"])
def test_a_task_that_sleeps_past_its_limit_is_ended_and_the_next_payload_is_done(
    containers: Containers, do: str
) -> None:
    does = containers(RUN_HARM, timeout=3)
    told = failure(does, {"do": do})
    assert (told.kind, told.message) == ("TaskTimedOut", "took longer than 3 s")
    assert run(does, {})["user"]


def test_of_a_gigabyte_of_output_a_mebibyte_is_kept(containers: Containers) -> None:
    run(containers(RUN_HARM), {"do": "prints", "mib": 1024})
    (printed,) = containers.printed
    assert len(printed) < KEPT + 100
    assert printed.startswith(b"yyy")
    assert b"bytes are left out" in printed


@pytest.mark.parametrize("do", ["daemon", "locks"])
def test_what_a_task_leaves_ends_with_its_container(containers: Containers, do: str) -> None:
    run(containers(RUN_HARM), {"do": do})


def test_a_task_is_ended_when_its_worker_is_told_to_stop(containers: Containers) -> None:
    stop = threading.Event()
    threading.Timer(2, stop.set).start()
    with pytest.raises(HandedBack):
        containers(RUN_HARM).run({"do": "sleeps"}, stop)


def test_an_image_that_is_not_here_is_said_in_a_sentence(containers: Containers) -> None:
    missing = IMAGE.replace("stranger", "none")
    with pytest.raises(UsageError, match=f"the image {missing} is not on this machine: `docker pull` gets it"):
        run(containers(RUN_HARM, image=missing), {})


def test_without_docker_a_sentence_says_so(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> None:
    does = containers(RUN_HARM)
    with monkeypatch.context() as patched:
        patched.setenv("DOCKER_HOST", "unix:///nowhere.sock")
        with pytest.raises(UsageError, match="the Docker engine does not answer: start it"):
            run(does, {})
        patched.setenv("PATH", "/nowhere")
        with pytest.raises(UsageError, match="runs in an image, which needs Docker: install it first"):
            run(does, {})


def test_containers_of_a_worker_that_was_killed_are_removed_by_the_next(containers: Containers, tmp_path: Path) -> None:
    gone, there = tmp_path / "gone", containers.scratch
    for room in (gone, there):
        docker("run", "--detach", f"--label={LABEL}={room}", IMAGE, "sleep", "600")
    containers(RUN_HARM)
    assert [room for _, room in labelled() if room in (gone, there)] == [there]
    remove_left(containers.scratch)


@pytest.fixture(scope="module")
def project(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("stranger") / "project"
    with project_of(folder) as made:
        for name, command, seconds in (("derived", DERIVED, 60), ("harm", RUN_HARM, 5)):
            (folder / f"tasks/{name}").mkdir(parents=True)
            (folder / f"tasks/{name}/task.json").write_text(json.dumps(defined(command, timeout=seconds)))
            states = {"Do": {"Type": "Task", "Resource": f"pileus:task:{name}", "End": True}}
            (folder / "workflows").mkdir(exist_ok=True)
            (folder / f"workflows/{name}.asl.json").write_text(json.dumps({"StartAt": "Do", "States": states}))
        made.up(workers=0, visibility_seconds=5)
        yield made


def processed(project: Project, name: str, payload: dict[str, Any]) -> Any:
    """The run of a payload, which was waited for."""
    path = project.path / f"{time.monotonic_ns()}.json"
    path.write_text(json.dumps(payload))
    return project.pileus("payload", "process", str(path), "--wait", code=None)


def payload(workflow: str, id: str, **more: Any) -> dict[str, Any]:
    ((process,), items) = PAYLOAD["process"], [{**PAYLOAD["features"][0], "id": id}]
    left = {name: value for name, value in PAYLOAD.items() if name != "id"}
    return left | {"features": items, "process": [process | {"workflow": workflow}]} | more


def test_a_payload_goes_through_a_workflow_and_a_large_one_by_its_address(project: Project) -> None:
    for id, more in (("small", ""), ("large", "x" * 400_000)):
        processed(project, "derived", payload("derived", id, more=more))
        made = json.loads(project.pileus("runs", "output", f"payload:viirs/workflow-derived/{id}"))
        assert made["features"][0]["id"] == f"{id}-fast"


def test_harm_in_a_container_leaves_other_payloads_of_the_stack(project: Project) -> None:
    processed(project, "harm", payload("harm", "bad", do="exits"))
    assert shown(project, "harm/bad")["failure"]["type"] == "TaskDied"
    processed(project, "derived", payload("derived", "after"))
    assert shown(project, "derived/after")["state"] == "succeeded"


def shown(project: Project, what: str) -> dict[str, Any]:
    return dict(json.loads(project.pileus("runs", "show", f"payload:viirs/workflow-{what}", "--json")))


def test_it_is_run_here_without_a_stack(project: Project) -> None:
    path = project.path / "here.json"
    path.write_text(json.dumps(PAYLOAD))
    made, _ = json.JSONDecoder().raw_decode(project.pileus("run-task", "derived", "--input", str(path)))
    assert made["features"][0]["id"] == "a-fast"
    assert "runs in workers; runs the image" in project.pileus("tasks", "show", "derived")
