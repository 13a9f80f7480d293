"""Containers of somebody's image with Docker, on this machine: one for each payload, with one folder to write to."""

import os
import selectors
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from pileus.documents.task import INPUT, OUTPUT, WORKDIR, TaskDefinition
from pileus.errors import HandedBack, StoreError, UsageError
from pileus.worker.child_process import POLL_SECONDS
from pileus.worker.container_payloads import (
    FILES,
    INSIDE,
    NOBODY,
    PROCESSES,
    failed,
    filled,
    too_hungry,
    took_too_long,
    written,
)
from pileus.worker.forked import remove
from pileus.worker.watched import PIECE, Kept

LABEL = "pileus.payloads"
"""Of each container: the folder of who started it. Where that is gone, so is who started it."""
NOT_STARTED = 125
"""Status with which Docker says that it could not start a container."""


class DockerContainers:
    """Runs the containers of a task.

    `scratch`: where folders of payloads are made. `memory`: MiB. `tell`: takes what each payload has printed, at most a
    MiB of it. `kept`: a folder to work in that stays.
    """

    def __init__(
        self,
        name: str,
        definition: TaskDefinition,
        scratch: Path,
        *,
        memory: int,
        tell: Callable[[bytes], None] = lambda _: None,
        kept: Path | None = None,
    ) -> None:
        self._name, self._definition, self._memory = name, definition, memory
        self._tell, self._kept = tell, kept
        self._room = scratch.resolve() / f"{name}-{uuid4().hex[:12]}"
        self._room.mkdir(mode=0o700, parents=True)
        remove_left()

    def run(self, payload: bytes, cancelled: threading.Event) -> bytes:
        """Do as Containers does."""
        folder = Path(tempfile.mkdtemp(dir=self._room))
        container = f"pileus-{self._name}-{uuid4().hex[:12]}"
        try:
            inside = self._prepared(folder / "payload", payload)
            status = self._ended(self._command(container, inside, *self._work()), cancelled)
            self._check(container, status)
            return written(inside / "output.json", self._name)
        finally:
            _docker("rm", "--force", "--volumes", container)
            remove(folder)

    def close(self) -> None:
        """Remove what is left on the scratch volume."""
        remove(self._room)

    def _prepared(self, inside: Path, payload: bytes) -> Path:
        """Make the folder that the container sees as `INSIDE`, which is its user's."""
        for made in (inside, inside / "tmp", inside / "work"):
            made.mkdir()
            _give(made)
        (inside / "input.json").write_bytes(payload)
        (inside / "input.json").chmod(0o444)
        return inside

    def _work(self) -> tuple[str, list[str]]:
        """Return the folder to work in as the container sees it, and what mounts it beside the payload's own."""
        if self._kept is None:
            return FILES[2], []
        kept = self._kept.resolve()
        kept.mkdir(parents=True, exist_ok=True)
        _give(kept)
        return str(kept), _mount(kept, str(kept))

    def _command(self, container: str, inside: Path, work: str, mounted: list[str]) -> list[str]:
        definition = self._definition
        files = {INPUT: FILES[0], OUTPUT: FILES[1], WORKDIR: work}
        told = {"TMPDIR": f"{INSIDE}/tmp", "HOME": f"{INSIDE}/tmp"} | definition.environment
        limits = {"memory": f"{self._memory}m", "memory-swap": f"{self._memory}m", "pids-limit": str(PROCESSES)}
        if definition.cpu:
            limits["cpus"] = str(definition.cpu / 1024)
        fixed = {
            "pull": "never",
            "name": container,
            "label": f"{LABEL}={self._room}",
            "network": "bridge" if definition.network else "none",
            "user": ":".join(map(str, _user())),
            "cap-drop": "ALL",
            "security-opt": "no-new-privileges",
            "log-driver": "none",
            "ulimit": "core=0",
        }
        options = [f"--{name}={value}" for name, value in (fixed | limits).items()]
        options += ["--read-only", "--tmpfs=/tmp", *_mount(inside, INSIDE), *mounted]
        options += [f"--env={name}={value}" for name, value in told.items()]
        assert definition.image  # it is checked with the command
        return ["docker", "run", *options, definition.image, *filled(definition.command, files)]

    def _ended(self, command: list[str], cancelled: threading.Event) -> int:
        """Run a container to its end, and return its status. What it prints is kept, and told."""
        kept, self._printed = Kept(), b""
        try:
            started = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the worker, which then decides
            )
        except FileNotFoundError as exc:
            raise UsageError("runs in an image, which needs Docker: install it first", where=self._name) from exc
        assert started.stdout
        try:
            self._follow(started, started.stdout, kept, cancelled)
            return started.wait()
        finally:
            started.kill()
            started.wait()
            started.stdout.close()
            self._printed = kept.bytes()
            if self._printed:
                self._tell(self._printed)

    def _follow(
        self, started: "subprocess.Popen[bytes]", output: IO[bytes], kept: Kept, cancelled: threading.Event
    ) -> None:
        """Take what it prints, until it has ended: it may close its output long before."""
        ends = time.monotonic() + self._definition.timeout
        with selectors.DefaultSelector() as waiting:
            waiting.register(output, selectors.EVENT_READ)
            while True:
                if cancelled.is_set():
                    raise HandedBack("told to stop", where=self._name)
                if time.monotonic() > ends:
                    raise took_too_long(self._name, self._definition.timeout)
                if not waiting.get_map():
                    with suppress(subprocess.TimeoutExpired):
                        started.wait(POLL_SECONDS)
                        return
                elif waiting.select(POLL_SECONDS):
                    piece = os.read(output.fileno(), PIECE)
                    kept.add(piece)
                    if not piece:
                        waiting.unregister(output)

    def _check(self, container: str, status: int) -> None:
        """Raise what has gone wrong in a container that has ended; nothing where its status is 0."""
        if status == 0:
            return
        if status == NOT_STARTED:
            self._not_started()
        state = _docker("inspect", "--format={{.State.OOMKilled}}", container)
        if state.strip() == "true":
            raise too_hungry(self._name, self._memory)
        raise failed(self._name, status, self._printed)

    def _not_started(self) -> None:
        """Raise why Docker could not start a container, where it is Docker that said so."""
        image, said = self._definition.image, self._printed.decode(errors="replace").strip()
        if "No such image" in said or "Unable to find image" in said:
            raise UsageError(f"the image {image} is not on this machine: `docker pull` gets it", where=self._name)
        if "Cannot connect to the Docker daemon" in said or "docker daemon running" in said:
            raise UsageError("runs in an image, and the Docker engine does not answer: start it", where=self._name)
        if said.startswith("docker: "):
            raise StoreError(f"Docker refused: {said.splitlines()[0].removeprefix('docker: ')[:300]}", where=self._name)


def _user() -> tuple[int, int]:
    """Return user and group of a container: never root."""
    return (os.geteuid(), os.getegid()) if os.geteuid() else (NOBODY, NOBODY)


def _give(folder: Path) -> None:
    """Make a folder that of the container's user."""
    if os.geteuid() == 0:
        os.chown(folder, *_user())


def _mount(source: Path, target: str) -> list[str]:
    """Return the options that mount a folder. `--mount` would read a comma in a path as its end."""
    return [f"--volume={source}:{target}"]


def remove_left(within: Path | None = None) -> None:
    """Remove the containers of those who died, or all of those whose folder is in `within`. Without Docker there are
    none.
    """
    if shutil.which("docker") is None:
        return
    told = _docker("ps", "--all", f"--filter=label={LABEL}", '--format={{.ID}} {{.Label "' + LABEL + '"}}')
    for line in told.splitlines():
        container, _, room = line.partition(" ")
        if not Path(room).is_dir() or (within and Path(room).is_relative_to(within)):
            _docker("rm", "--force", "--volumes", container)


def _docker(*arguments: str) -> str:
    """Return what Docker answers; empty where it does not."""
    with suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60, check=False)
        return asked.stdout
    return ""
