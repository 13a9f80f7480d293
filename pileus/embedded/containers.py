"""Workers as containers: a service of the embedded ECS runs them on the Docker engine of this machine."""

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

from pileus.edges.aws import Aws, Credentials, Stack
from pileus.embedded.home import Home
from pileus.errors import StoreError, UsageError
from pileus.worker.docker_containers import remove_left

IMAGE = "pileus-process-group"
WORLD_WRITABLE = 0o1777
"""Mode of the scratch folder: the user in the image is not the user who started the stack."""


class Containers:
    """`count` worker containers of the project at `home`. The embedded ECS keeps them running until `stop`."""

    def __init__(self, aws: Aws, stack: Stack, home: Home, credentials: Credentials, *, count: int, image: str) -> None:
        self._ecs = aws.ecs
        self._credentials = credentials
        self._stack = stack
        self._name = name_of(home)
        self._count = count
        self._scratch = scratch_of(home)
        self._image = image

    def start(self) -> None:
        """Create the ECS service. ECS starts the containers, and replaces those that die."""
        remove(self._name)
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._scratch.chmod(WORLD_WRITABLE)
        self._ecs.create_cluster(clusterName=self._name)
        definition = self._ecs.register_task_definition(
            family=self._name,
            networkMode="host",  # the embedded AWS listens on this machine's own address only
            volumes=[{"name": "scratch", "host": {"sourcePath": str(self._scratch)}}],
            containerDefinitions=[
                {
                    "name": "worker",
                    "image": self._image,
                    "essential": True,
                    "versionConsistency": "disabled",
                    "environment": [{"name": name, "value": value} for name, value in self._environment().items()],
                    "mountPoints": [{"sourceVolume": "scratch", "containerPath": "/scratch", "readOnly": False}],
                }
            ],
        )
        self._ecs.create_service(
            cluster=self._name,
            serviceName=self._name,
            taskDefinition=definition["taskDefinition"]["taskDefinitionArn"],
            desiredCount=self._count,
            launchType="EC2",
        )

    def _environment(self) -> dict[str, str]:
        return self._stack.to_env() | self._credentials.to_env() | {"PILEUS_SCRATCH": "/scratch"}

    def stop(self, *, seconds: float = 30) -> None:
        """Stop the containers; each returns its group to the queue. After `seconds` the rest is removed by force."""
        self._ecs.update_service(cluster=self._name, service=self._name, desiredCount=0)
        self._ecs.delete_service(cluster=self._name, service=self._name, force=True)
        deadline = time.monotonic() + seconds
        while containers(self._name) and time.monotonic() < deadline:
            time.sleep(0.2)
        remove(self._name)


def name_of(home: Home) -> str:
    """Return the name of the cluster, the service and the task definition: one for each project of this machine."""
    return f"pileus-{hashlib.sha256(str(home.path).encode()).hexdigest()[:8]}"


def containers(name: str, *, dead: bool = False) -> list[str]:
    """Return the ids of the containers of the project that `name_of` names; with `dead`, of ended ones too."""
    label = f"label=com.amazonaws.ecs.task-definition-family={name}"
    every = ["--all"] if dead else []
    return _docker("ps", *every, "--quiet", "--no-trunc", "--filter", label).split()


def remove(name: str) -> None:
    """Remove the containers that a killed supervisor left."""
    for container in containers(name, dead=True):
        _docker("rm", "--force", "--volumes", container)


def sweep_containers(home: Home) -> None:
    """Remove the containers of a killed supervisor, if this project ever had any."""
    if scratch_of(home).exists() and shutil.which("docker"):
        remove(name_of(home))
    if home.scratch.exists():
        remove_left(home.scratch)


def scratch_of(home: Home) -> Path:
    """Return the folder that a project's containers share as their scratch volume."""
    return home.path / "container-scratch"


def find_image(version: str, name: str = IMAGE) -> str:
    """Return the worker's image of this version. `name`: another that has a worker in it.

    Raises UsageError where there is no Docker engine or no image.
    """
    if shutil.which("docker") is None:
        raise UsageError("workers in containers need Docker: install it, or leave `docker` out")
    image = f"{name}:{version}"
    if not _docker("images", "--quiet", image):
        more = "" if name == IMAGE else " base process_group gippy"
        raise UsageError(f"there is no image {image}: `pileus images{more}` builds it")
    return image


def _docker(*arguments: str) -> str:
    """Run Docker, and return its output. Raises StoreError with Docker's message."""
    asked = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if asked.returncode:
        said = asked.stderr.strip().splitlines() or ["no message"]
        raise StoreError(f"Docker refused: {said[-1]}", where=f"docker {arguments[0]}")
    return asked.stdout.strip()
