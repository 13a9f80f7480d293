"""ECS for specs: runs a task definition of a template with Docker, in the order and with the limits that it says.

It is not AWS's agent: it does what ECS's documentation says of the parts that our definitions use. It takes and answers
what boto3's clients do, checks each request by botocore's own models, and refuses a definition with a part that it does
not know. A container with a network has that of the host, because the embedded AWS listens on this machine alone.
"""

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from spec.support.engine import docker

LABEL = "pileus.spec.ecs"
KNOWN = {
    "Name", "Image", "User", "ReadonlyRootFilesystem", "Privileged", "StopTimeout", "LinuxParameters", "MountPoints",
    "LogConfiguration", "Command", "WorkingDirectory", "Essential", "DependsOn", "Memory", "Cpu", "Environment",
    "DisableNetworking", "DockerSecurityOptions", "Ulimits",
}  # fmt: skip
"""Parts of a container's definition that this agent does."""
LIMITED = {"Capabilities", "MaxSwap"}
"""Parts of its LinuxParameters."""


@dataclass
class _Container:
    definition: Mapping[str, Any]
    name: str
    """Of Docker's."""
    started: bool = False
    status: int | None = None
    ended: bool = False
    reason: str = ""

    @property
    def known(self) -> str:
        return "STOPPED" if self.ended else "RUNNING" if self.started else "PENDING"


@dataclass
class _Task:
    arn: str
    containers: dict[str, _Container]
    overrides: Mapping[str, Mapping[str, str]]
    code: str = ""
    reason: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def status(self) -> str:
        if self.stopped.is_set():
            return "STOPPED"
        every = self.containers.values()
        return "RUNNING" if all(one.started or one.ended for one in every) else "PENDING"


class EcsAgent:
    """Runs one definition. `definition`: properties of an AWS::ECS::TaskDefinition, with images in place of references;
    `processes`: most of a task.
    """

    def __init__(self, definition: Mapping[str, Any], *, processes: int) -> None:
        for one in definition["ContainerDefinitions"]:
            assert not one.keys() - KNOWN, one.keys() - KNOWN
            assert not one["LinuxParameters"].keys() - LIMITED
        assert not any(volume.keys() - {"Name"} for volume in definition["Volumes"])
        self._definition, self._processes = definition, processes
        self._label = f"{LABEL}={uuid4().hex}"
        """Other agents run beside this one."""
        self._tasks = dict[str, _Task]()
        self.printed = dict[tuple[str, str], str]()
        """What containers have printed, by id of the task and name; of tasks that have ended."""
        self.requests = list[dict[str, Any]]()
        """Of RunTask, oldest first."""
        self._models = botocore.session.get_session().get_service_model("ecs")
        self._metadata = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._metadata.serve_forever, daemon=True).start()

    def close(self) -> None:
        for task in self._tasks.values():
            task.stopping.set()
            assert task.stopped.wait(60)
        self._metadata.shutdown()
        self._metadata.server_close()

    def left(self) -> list[str]:
        """What is left of tasks that have ended: containers and volumes."""
        label = f"--filter=label={self._label}"
        return docker("ps", "--all", "--quiet", label).split() + docker("volume", "ls", "--quiet", label).split()

    def _checked(self, operation: str, wanted: Mapping[str, Any]) -> None:
        report = ParamValidator().validate(wanted, self._models.operation_model(operation).input_shape)
        assert not report.has_errors(), report.generate_report()

    def run_task(self, **wanted: Any) -> Any:
        self._checked("RunTask", wanted)
        assert wanted["taskDefinition"] == self._definition["Family"]
        assert len(json.dumps(wanted["overrides"])) <= 8192, "ECS takes no more"
        self.requests.append(wanted)
        told = {
            one["name"]: {each["name"]: each["value"] for each in one["environment"]}
            for one in wanted["overrides"]["containerOverrides"]
        }
        id = uuid4().hex
        containers = {
            one["Name"]: _Container(one, f"ecs-{id[:12]}-{one['Name']}")
            for one in self._definition["ContainerDefinitions"]
        }
        assert not told.keys() - containers.keys()
        arn = f"arn:aws:ecs:us-east-1:000000000000:task/{wanted['cluster']}/{id}"
        self._tasks[arn] = task = _Task(arn, containers, told)
        threading.Thread(target=self._run, args=(task,), daemon=True).start()
        return {"tasks": [{"taskArn": arn}], "failures": []}

    def describe_tasks(self, **wanted: Any) -> Any:
        self._checked("DescribeTasks", wanted)
        task = self._tasks[wanted["tasks"][0]]
        containers = [
            {"name": name, "lastStatus": one.known}
            | ({"exitCode": one.status} if one.status is not None else {})
            | ({"reason": one.reason} if one.reason else {})
            for name, one in task.containers.items()
        ]
        ended = {"stopCode": task.code, "stoppedReason": task.reason} if task.stopped.is_set() else {}
        found = {"taskArn": task.arn, "lastStatus": task.status, "containers": containers, **ended}
        return {"tasks": [found], "failures": []}

    def stop_task(self, **wanted: Any) -> Any:
        self._checked("StopTask", wanted)
        task = self._tasks[wanted["task"]]
        self._end(task, "UserInitiated", wanted.get("reason", ""))
        return {"task": {}}

    def get_log_events(self, **wanted: Any) -> Any:
        """As CloudWatch Logs: what a container has printed, a line an event, of a stream `PREFIX/CONTAINER/ID`."""
        prefix, name, id = wanted["logStreamName"].split("/")
        task = next(one for arn, one in self._tasks.items() if arn.endswith(id))
        log = task.containers[name].definition["LogConfiguration"]
        assert (log["LogDriver"], log["Options"]["awslogs-stream-prefix"]) == ("awslogs", prefix)
        lines = self.printed[id, name].splitlines()
        if not lines:
            told = {"Error": {"Code": "ResourceNotFoundException", "Message": "The log stream does not exist."}}
            raise ClientError(told, "GetLogEvents")  # type: ignore[arg-type]
        return {"events": [{"message": line} for line in lines[-10_000:]]}

    def _end(self, task: _Task, code: str, reason: str) -> None:
        if not task.code:
            task.code, task.reason = code, reason
        task.stopping.set()

    def _run(self, task: _Task) -> None:
        id = task.arn.rpartition("/")[2]
        for volume in self._definition["Volumes"]:
            docker("volume", "create", f"--label={self._label}", f"{id}-{volume['Name']}")
        try:
            while not task.stopping.wait(0.1):
                for one in task.containers.values():
                    if not (one.started or one.ended) and self._ready(task, one.definition.get("DependsOn", ())):
                        self._start(task, one, id)
                    self._look(one)
                    if one.ended and one.definition["Essential"]:
                        self._end(task, "EssentialContainerExited", "Essential container in task exited")
        finally:
            self._clean(task, id)
            task.stopped.set()

    def _ready(self, task: _Task, needed: Sequence[Mapping[str, str]]) -> bool:
        for one in needed:
            assert one["Condition"] == "SUCCESS"
            before = task.containers[one["ContainerName"]]
            assert not before.definition["Essential"], "ECS refuses SUCCESS of an essential container"
            if before.ended and before.status != 0:
                self._end(task, "TaskFailedToStart", "dependency did not succeed")
            if not before.ended or before.status != 0:
                return False
        return True

    def _start(self, task: _Task, one: _Container, id: str) -> None:
        definition, limits = one.definition, one.definition["LinuxParameters"]
        address = f"http://127.0.0.1:{self._metadata.server_port}/v4/{id}"
        told = {each["Name"]: each["Value"] for each in definition.get("Environment", ())}
        told |= {"AWS_EXECUTION_ENV": "AWS_ECS_EC2", "ECS_CONTAINER_METADATA_URI_V4": address}
        told |= task.overrides.get(definition["Name"], {})
        memory = f"{definition['Memory']}m"
        options = [
            f"--name={one.name}", f"--label={self._label}", f"--user={definition['User']}", f"--memory={memory}",
            f"--network={'none' if definition.get('DisableNetworking') else 'host'}", "--no-healthcheck",
            f"--pids-limit={self._processes}", f"--stop-timeout={definition['StopTimeout']}", "--pull=never",
        ]  # fmt: skip
        options += [f"--cap-drop={name}" for name in limits["Capabilities"]["Drop"]]
        options += [f"--memory-swap={memory}"] if limits.get("MaxSwap") == 0 else []
        options += ["--read-only"] if definition["ReadonlyRootFilesystem"] else []
        options += [f"--security-opt={name}" for name in definition.get("DockerSecurityOptions", ())]
        options += [
            f"--ulimit={name['Name']}={name['SoftLimit']}:{name['HardLimit']}" for name in definition.get("Ulimits", ())
        ]
        options += [f"--workdir={definition['WorkingDirectory']}"] if "WorkingDirectory" in definition else []
        options += [f"--volume={id}-{m['SourceVolume']}:{m['ContainerPath']}" for m in definition["MountPoints"]]
        options += [f"--env={name}={value}" for name, value in told.items()]
        command = ["docker", "run", "--detach", *options, definition["Image"], *definition["Command"]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        one.started = done.returncode == 0
        if done.returncode:
            one.ended = True
            missing = "No such image" in done.stderr or "Unable to find image" in done.stderr
            kind = "CannotPullContainerError" if missing else "CannotStartContainerError"
            one.reason = f"{kind}: {done.stderr.strip().splitlines()[0]}"

    def _look(self, one: _Container) -> None:
        """Note how a container has ended."""
        if not one.started or one.ended:
            return
        told = docker("inspect", "--format={{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}", one.name)
        state, status, killed = told.split()
        if state == "exited":
            one.status, one.ended = int(status), True
            if killed == "true":
                one.reason = "OutOfMemoryError: Container killed due to memory usage"

    def _clean(self, task: _Task, id: str) -> None:
        for name, one in task.containers.items():
            if one.started:
                docker("stop", one.name, check=False)
                self._look(one)
                done = subprocess.run(["docker", "logs", one.name], capture_output=True, check=False)
                self.printed[id, name] = (done.stdout + done.stderr).decode(errors="replace")
            else:
                self.printed[id, name] = ""
            docker("rm", "--force", "--volumes", one.name, check=False)
        for volume in self._definition["Volumes"]:
            docker("volume", "rm", "--force", f"{id}-{volume['Name']}")

    def _handler(agent) -> type[BaseHTTPRequestHandler]:  # noqa: N805  (the handler has a `self` of its own)
        class Metadata(BaseHTTPRequestHandler):
            """What the agent tells containers of their task: only of those that have been made."""

            def do_GET(self) -> None:
                _, version, id, what = self.path.split("/")
                assert (version, what) == ("v4", "task")
                task = next(one for arn, one in agent._tasks.items() if arn.endswith(id))
                made = [
                    {"Name": name, "KnownStatus": one.known} for name, one in task.containers.items() if one.started
                ]
                self.send_response(200)
                self.end_headers()
                with suppress(BrokenPipeError):
                    self.wfile.write(json.dumps({"Containers": made}).encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Print nothing."""

        return Metadata
