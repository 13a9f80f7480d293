"""Does payloads with a task in somebody's image, which has nothing of Pileus in it: a container for each payload.

The image's command line reads a file and writes another, as that of stac-task does. The container gets one folder to
write to, with the payload in it; no credentials, and no network unless the task asks for it. Whatever the task does
ends with its container.
"""

import json
import os
import re
import selectors
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from pileus.cirrus.payload import address_of
from pileus.documents.task import INPUT, OUTPUT, WORKDIR, TaskDefinition
from pileus.errors import DocumentError, HandedBack, StoreError, UsageError
from pileus.strict_json import parse_json
from pileus.worker.child_process import POLL_SECONDS, TaskFailed
from pileus.worker.forked import LONGEST, remove
from pileus.worker.watched import PIECE, Kept

LABEL = "pileus.payloads"
"""Of each container: the folder of who started it. Where that is gone, so is who started it."""
INSIDE = "/payload"
"""Where a container has the folder of its payload."""
PROCESSES = 512
"""Most processes and threads of a container."""
NOBODY = 65534
"""User and group of a container whose worker is root."""
NOT_STARTED = 125
"""Status with which Docker says that it could not start a container."""
RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: (.*))?$", re.MULTILINE)
TRACE = "Traceback (most recent call last):\n"
Read = Callable[[str], bytes]
"""Returns the object at an address in S3."""


def nothing_to_read(url: str) -> bytes:
    """Raise UsageError: payloads come as they are."""
    raise UsageError("a container has no credentials: give the payload itself", where=url[:200])


class ContainerPayloads:
    """Does payloads, one after the other.

    `scratch`: where folders of payloads are made. `memory`: MiB. `tell`: takes what each payload has printed, at most a
    MiB of it. `read`: reads a payload that comes by its address. `kept`: a folder to work in that stays.
    """

    def __init__(
        self,
        name: str,
        definition: TaskDefinition,
        scratch: Path,
        *,
        memory: int,
        tell: Callable[[bytes], None] = lambda _: None,
        read: Read = nothing_to_read,
        kept: Path | None = None,
    ) -> None:
        self._name, self._definition, self._memory = name, definition, memory
        self._tell, self._read, self._kept = tell, read, kept
        self._room = scratch.resolve() / f"{name}-{uuid4().hex[:12]}"
        self._room.mkdir(mode=0o700, parents=True)
        remove_left()

    def run(self, event: Mapping[str, Any], cancelled: threading.Event) -> str:
        """Return the JSON of the payload that the task has written. Raises TaskFailed for what the task does wrong,
        HandedBack when `cancelled` is set, UsageError where there is no Docker or no such image, StoreError where
        Docker refuses.
        """
        folder = Path(tempfile.mkdtemp(dir=self._room))
        container = f"pileus-{self._name}-{uuid4().hex[:12]}"
        try:
            inside = self._prepared(folder / "payload", self._payload(event))
            command = self._command(container, inside, *self._work())
            status = self._ended(command, cancelled)
            self._check(container, status, _raised(self._printed))
            return _answer(inside / "output.json", self._name)
        finally:
            _docker("rm", "--force", "--volumes", container)
            remove(folder)

    def close(self) -> None:
        """Remove what is left on the scratch volume."""
        remove(self._room)

    def _payload(self, event: Mapping[str, Any]) -> bytes:
        """Return the payload as JSON: a container has no credentials to read it by its address."""
        url = address_of(event)
        return json.dumps(event).encode() if url is None else self._read(url)

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
            return f"{INSIDE}/work", []
        kept = self._kept.resolve()
        kept.mkdir(parents=True, exist_ok=True)
        _give(kept)
        return str(kept), _mount(kept, str(kept))

    def _command(self, container: str, inside: Path, work: str, mounted: list[str]) -> list[str]:
        definition = self._definition
        files = {INPUT: f"{INSIDE}/input.json", OUTPUT: f"{INSIDE}/output.json", WORKDIR: work}
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
        return ["docker", "run", *options, definition.image, *(_filled(part, files) for part in definition.command)]

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
                    why = f"took longer than {self._definition.timeout:g} s"
                    raise TaskFailed("TaskTimedOut", why, where=self._name)
                if not waiting.get_map():
                    with suppress(subprocess.TimeoutExpired):
                        started.wait(POLL_SECONDS)
                        return
                elif waiting.select(POLL_SECONDS):
                    piece = os.read(output.fileno(), PIECE)
                    kept.add(piece)
                    if not piece:
                        waiting.unregister(output)

    def _check(self, container: str, status: int, raised: tuple[str, str] | None) -> None:
        """Raise what has gone wrong in a container that has ended; nothing where its status is 0."""
        if status == 0:
            return
        if status == NOT_STARTED:
            self._not_started()
        state = _docker("inspect", "--format={{.State.OOMKilled}}", container)
        if state.strip() == "true":
            why = f"needs more memory than its limit of {self._memory:,} MiB"
            raise TaskFailed("MemoryError", why, where=self._name)
        kind, why = raised or ("TaskDied", f"its container ended with status {status}")
        raise TaskFailed(kind, why, where=self._name)

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


def _filled(part: str, files: Mapping[str, str]) -> str:
    for place, path in files.items():
        part = part.replace(place, path)
    return part


def _raised(printed: bytes) -> tuple[str, str] | None:
    """Return class and message of the error that the last traceback ends with; None where there is none.

    >>> _raised(b"Traceback (most recent call last):\\n  File ...\\nstactask.exceptions.InvalidInput: no items\\n")
    ('InvalidInput', 'no items')
    """
    _, found, rest = printed.decode(errors="replace").rpartition(TRACE)
    match = RAISED.search(rest) if found else None
    return (match[1].rpartition(".")[2], (match[2] or "")[:32_000]) if match else None


def _answer(path: Path, name: str) -> str:
    """Return the JSON that a task has written. A link or a pipe in its place is no answer."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as exc:
        raise TaskFailed("TaskDied", "its container ended without an answer", where=name) from exc
    with os.fdopen(number, "rb") as file:
        text = file.read(LONGEST + 1) if stat.S_ISREG(os.fstat(number).st_mode) else b""
    if len(text) > LONGEST:
        raise TaskFailed("AnswerTooLong", f"the answer has more than {LONGEST:,} bytes", where=name)
    try:
        value = parse_json(text.decode())
    except (ValueError, DocumentError) as exc:
        raise TaskFailed("TaskDied", f"its answer is no JSON: {str(exc)[:200]}", where=name) from exc
    if not isinstance(value, Mapping):
        raise TaskFailed("TaskDied", "its answer is no payload, which is an object", where=name)
    return json.dumps(value)


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
