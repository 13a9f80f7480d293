"""A process that does payloads with a task of Cirrus: each in a fork of its own, with limits of memory and time."""

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pileus.edges.ecs_tasks import EcsTasks
from pileus.edges.store import Store
from pileus.task_folder import FolderTask
from pileus.worker.child_process import ChildProcess, DoesEvents
from pileus.worker.container_payloads import ContainerPayloads, Containers
from pileus.worker.docker_containers import DockerContainers
from pileus.worker.ecs_containers import EcsContainers
from pileus.worker.forked import remove
from pileus.worker.payload_child import OUTPUT, Told
from pileus.worker.task_process import TaskProcess

MEMORY = 2048
"""MiB of a task whose definition does not say it."""
GRACE = 30
"""Seconds beyond a payload's own, for the import of the task before the first."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What a worker's stack has for payloads in containers."""

    store: Store
    internal: str
    """Bucket."""
    tasks: EcsTasks | None = None
    """None: containers run on the worker's own machine."""


class PayloadProcess(ChildProcess):
    """Does payloads, one after the other.

    `entry`: MODULE:CLASS or MODULE:FUNCTION, imported from `folder` first; `own`: that is the task's own. `scratch`:
    where folders of payloads are made. `tell`: takes what each payload has printed, at most a MiB of it. `python`: an
    interpreter of its own, which may know nothing of Pileus. `kept`: a folder to work in that stays. `upload`: whether
    files are uploaded.
    """

    def __init__(
        self,
        name: str,
        entry: str,
        folder: Path,
        scratch: Path,
        *,
        seconds: float,
        memory: int = MEMORY,
        python: str | None = None,
        own: bool = False,
        tell: Callable[[bytes], None] = lambda _: None,
        kept: Path | None = None,
        upload: bool = True,
    ) -> None:
        self._room, self._tell = scratch.resolve() / f"{name}-{uuid4().hex[:12]}", tell
        told = Told(name, entry, str(folder), own, str(self._room), memory << 20, seconds, str(kept or ""), upload)
        super().__init__(
            name,
            "pileus.worker.payload_child",
            (json.dumps(asdict(told)),),
            seconds=seconds + GRACE,
            environ={**os.environ, "PYTHONPATH": path_with_pileus(os.environ)},
            python=python or sys.executable,
        )

    def run(self, event: Mapping[str, Any], cancelled: threading.Event, look: Callable[[], None] = lambda: None) -> str:
        """Do as ChildProcess does; what the payload has printed is told also where it fails."""
        output = self._room / OUTPUT
        output.unlink(missing_ok=True)
        try:
            return super().run(event, cancelled, look)
        finally:
            if output.exists() and (printed := output.read_bytes()):
                self._tell(printed)

    def close(self) -> None:
        """End the process and whatever it started, and remove what is left of it on the scratch volume."""
        super().close()
        remove(self._room)


def process_of(task: FolderTask, scratch: Path, tell: Callable[[bytes], None], there: Stores) -> DoesEvents:
    """Return what does the events, or the payloads, of a project's task. `there`: what the stack has for it."""
    definition = task.definition
    memory = definition.memory or MEMORY
    if definition.foreign:
        return ContainerPayloads(task.name, _containers(task, scratch, tell, there), there.store.get)
    if definition.calls == "event":
        return TaskProcess(task.folder.parent, task.name, scratch, seconds=definition.timeout)
    return PayloadProcess(
        task.name,
        definition.function,
        task.folder,
        scratch,
        seconds=definition.timeout,
        memory=memory,
        python=task.python,
        own=True,
        tell=tell,
    )


def _containers(task: FolderTask, scratch: Path, tell: Callable[[bytes], None], there: Stores) -> Containers:
    """Return where the containers of a task run: on ECS where the stack has a place for them, else on this machine."""
    memory = task.definition.memory or MEMORY
    if there.tasks:
        return EcsContainers(task.name, task.definition, there.tasks, there.store, there.internal, memory=memory)
    return DockerContainers(task.name, task.definition, scratch, memory=memory, tell=tell)


def path_with_pileus(environ: Mapping[str, str]) -> str:
    """Return PYTHONPATH with Pileus in it: the process may have another folder, or another interpreter."""
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(dict.fromkeys([here, *filter(None, environ.get("PYTHONPATH", "").split(os.pathsep))]))
