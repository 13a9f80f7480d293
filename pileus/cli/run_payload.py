"""A payload through one task of Cirrus, for `pileus run-task`."""

import json
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from pileus.task_folder import FolderTask

SECONDS = 86_400.0
"""Longest time of a payload here, of a class that no definition limits."""


@dataclass(frozen=True, slots=True)
class PayloadTask:
    """A class that does payloads, and what its definition says where it has one."""

    name: str
    entry: str
    folder: Path
    own: "FolderTask | None" = None

    def run(self, payload: object, scratch: Path, kept: Path | None) -> Any:
        """Return the answer to a payload; what the task prints goes to standard error.

        `kept`: a folder to work in, which stays, and nothing is uploaded. Raises UsageError for what is no object,
        TaskFailed for what the task raises.
        """
        from pileus.errors import UsageError
        from pileus.worker.container_payloads import ContainerPayloads
        from pileus.worker.docker_containers import DockerContainers
        from pileus.worker.payload_process import MEMORY, PayloadProcess

        if not isinstance(payload, Mapping):
            raise UsageError("expected a payload, an object with features and process", where=self.name)
        definition = self.own.definition if self.own else None
        scratch.mkdir(parents=True, exist_ok=True)
        if definition and definition.foreign:
            limit = definition.memory or MEMORY
            here = DockerContainers(self.name, definition, scratch, memory=limit, tell=_print, kept=kept)
            with closing(ContainerPayloads(self.name, here)) as made:
                return json.loads(made.run(payload, threading.Event()))
        process = PayloadProcess(
            self.name.rpartition(":")[2],
            self.entry,
            self.folder,
            scratch,
            seconds=definition.timeout if definition else SECONDS,
            memory=(definition.memory if definition else None) or MEMORY,
            python=self.own.python if self.own else None,
            own=self.own is not None,
            tell=_print,
            kept=kept.resolve() if kept else None,
            upload=kept is None,
        )
        with closing(process):
            return json.loads(process.run(payload, threading.Event()))


def of_entry(name: str) -> PayloadTask | None:
    """Return the class that MODULE:CLASS names; None where it is none that does payloads. Raises UsageError."""
    from pileus.cirrus.calls import does_payloads

    module, _, attribute = name.partition(":")
    if not does_payloads(getattr(import_here(module), attribute, None)):
        return None
    return PayloadTask(name, name, Path.cwd())


def of_folder(task: "FolderTask") -> PayloadTask | None:
    """Return a task of the project that does payloads; None for any other."""
    if task.definition.calls != "payload":
        return None
    return PayloadTask(task.name, task.definition.function, task.folder, task)


def import_here(name: str) -> "ModuleType":
    """Return a module that can be imported from the current folder. Raises UsageError."""
    from importlib import import_module

    from pileus.errors import UsageError
    from pileus.worker.payload_child import MISSING

    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(name)
    except ModuleNotFoundError as exc:
        why = MISSING if exc.name == "stactask" else f"cannot be imported: {exc}"
        raise UsageError(why, where=name) from exc


def _print(text: bytes) -> None:
    sys.stderr.buffer.write(text)
    sys.stderr.buffer.flush()
