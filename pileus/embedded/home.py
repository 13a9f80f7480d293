"""The folder .pileus of a project: its files, and what runs."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import rmtree

from pileus.edges.aws import Aws, Credentials

PRIVATE = 0o700
"""Mode of the folder: it holds the key of the embedded AWS, and all of its objects."""
NOBODY = Credentials("", "", "")


@dataclass(frozen=True, slots=True)
class Running:
    """What `pileus up` started. `ready`: the stack is deployed and the workers poll."""

    supervisor: int
    """Process id."""
    endpoint: str
    ministack: int
    """Process id; 0 while it is not running."""
    workers: tuple[int, ...]
    """Process ids."""
    stack: dict[str, str]
    """Names of what the core stack made, as `Stack.to_env` gives them."""
    ready: bool
    doing: str = ""
    """What it is doing now, for the command that waits for it."""
    updates: int = 0
    """How often `pileus up` has asked it to take over the project's workflows and tasks."""
    updated: bool = False
    """Whether something was different when it was asked last."""
    problem: str = ""
    """Why it could not, when it was asked last."""
    credentials: Credentials = field(default=NOBODY, repr=False)
    """What the embedded AWS of this run asks for."""

    @property
    def aws(self) -> Aws:
        """Clients of the embedded AWS."""
        return Aws(self.endpoint, self.credentials)


class Home:
    """Paths under one .pileus."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.path = project / ".pileus"
        self.data = self.path / "s3"
        self.metadata = self.path / "s3-metadata"
        self.logs = self.path / "logs"
        self.scratch = self.path / "scratch"
        self.temporary = self.path / "tmp"
        self.assemblies = self.path / "cdk"
        self._state = self.path / "state.json"

    def running(self) -> Running | None:
        """Return what was noted last; its processes may have ended."""
        try:
            value = json.loads(self._state.read_text())
            kept = Credentials(**value.pop("credentials"))
            return Running(**{**value, "workers": tuple(value["workers"]), "credentials": kept})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def note(self, running: Running) -> None:
        self.make()
        part = self._state.with_suffix(".part")
        part.write_text(json.dumps(asdict(running)))
        part.replace(self._state)

    def make(self) -> None:
        """Make the folder, for its user alone; an older one is made private."""
        self.path.mkdir(mode=PRIVATE, exist_ok=True)
        if self.path.stat().st_mode & 0o777 != PRIVATE:
            self.path.chmod(PRIVATE)

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """Return the secret of this name, which `make` makes once. Only this user can read it."""
        path = self.path / name
        self.make()
        try:
            return path.read_text()
        except FileNotFoundError:
            part = self.path / f".{name}.{os.getpid()}.part"
            part.touch(mode=0o600)
            part.write_text(make())
            with suppress(FileExistsError):  # another process was first
                os.link(part, path)
            part.unlink()
            return path.read_text()

    def clear_temporary(self) -> None:
        """Empty the folder of temporary files: the embedded AWS unpacks its Lambdas there, and leaves them."""
        rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True)

    def forget(self) -> None:
        self._state.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Yield whether this process is the one that runs the stack. The kernel releases the lock when the process
        dies.
        """
        self.make()
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def supervised(self) -> bool:
        """Return whether a supervisor lives."""
        with self.locked() as free:
            return not free


def alive(pid: int, marker: str) -> bool:
    """Return whether process `pid` lives and is ours: `marker` is in its command line."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return _answers(pid) if not Path("/proc").is_dir() else False
    return marker in command


def _answers(pid: int) -> bool:
    """Return whether the process lives, on systems without /proc."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return pid > 0
