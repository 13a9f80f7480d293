"""The supervisor behind `pileus up`: starts the embedded AWS and its workers, and restarts what dies, until told to
stop.

S3's objects are on disk at once, and each start rebuilds everything else from them. So a start after `kill -9` is the
same as any other ("crash-only").
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from urllib.error import URLError
from urllib.request import urlopen

from pileus.backfills.recover import recover, restore_rules
from pileus.edges.aws import Aws, Stack
from pileus.edges.cloudformation import Assembly
from pileus.embedded.containers import IMAGE, Containers, find_image, sweep_containers
from pileus.embedded.deployment import deploy_embedded, synth_embedded
from pileus.embedded.home import Home, Running, alive
from pileus.embedded.private import HEALTH, new_credentials
from pileus.embedded.restarts import Restarts
from pileus.endpoint_folder import FOLDER as ENDPOINTS
from pileus.errors import PileusError, StoreError, UsageError
from pileus.project.folder import Project
from pileus.runs.control import recover as recover_runs
from pileus.task_folder import FOLDER
from pileus.version import __version__
from pileus.wiring import wire, wire_schedules, wire_sources, wire_workflows

MINISTACK = [sys.executable, "-m", "pileus.embedded.ministack"]
PILEUS = [sys.executable, "-m", "pileus"]
GRACE = 10
"""Seconds that a process has to end after SIGTERM."""


class Supervisor:
    """Runs in the foreground. `workers`, `containers`: how many of each; `image`: of the containers; `tell` gets a line
    about each step.
    """

    def __init__(
        self, home: Home, *, workers: int, containers: int = 0, image: str = IMAGE, tell: Callable[[str], None]
    ) -> None:
        self._home = home
        self._count = workers
        self._contained, self._image = containers, image
        self._containers: Containers | None = None
        self._tell = tell
        self._stopping = threading.Event()
        self._asked = threading.Event()
        self._updates, self._updated, self._problem = 0, False, ""
        self._assembly: Assembly | None = None
        self._ministack: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._tasks: dict[str, subprocess.Popen[bytes]] = {}
        """The worker of each task of the project that runs in workers."""
        self._restarts = Restarts()
        self._port = 0
        self._credentials = new_credentials()
        self._stack: Stack | None = None

    def stop(self, *_: object) -> None:
        """End `run`. Safe in a signal handler."""
        self._stopping.set()

    def update(self, *_: object) -> None:
        """Take over the workflows and tasks of the project, soon. Safe in a signal handler."""
        self._asked.set()

    def run(self) -> None:
        """Start all, then restart what dies, until stopped. Raises UsageError when the stack is up already."""
        if importlib.util.find_spec("ministack") is None:
            raise UsageError("the embedded AWS needs the extra embedded: pip install 'pileus[embedded,infra]'")
        with self._home.locked() as ours:
            if not ours:
                raise UsageError("it is up already: `pileus down` stops it")
            self.sweep()
            try:
                self._start()
                while not self._stopping.wait(0.25):
                    if self._asked.is_set():
                        self._asked.clear()
                        self._update()
                    self._restart_dead()
            finally:
                self._end()

    def sweep(self) -> None:
        """Stop the processes that a killed supervisor left."""
        left = self._home.running()
        sweep_containers(self._home)
        if left is None:
            return
        self._port = int(left.endpoint.rpartition(":")[2] or 0)
        for pid, marker in [(left.ministack, "ministack"), *((pid, "worker") for pid in left.workers)]:
            if pid and alive(pid, marker):
                self._tell(f"stopping process {pid}, left behind")
                os.kill(pid, signal.SIGTERM)
                deadline = time.monotonic() + GRACE
                while alive(pid, marker) and time.monotonic() < deadline:
                    time.sleep(0.05)
                if alive(pid, marker):
                    os.kill(pid, signal.SIGKILL)

    def _start(self) -> None:
        self._note("starting the embedded AWS", ready=False)
        self._start_ministack()
        aws = Aws(self.endpoint, self._credentials)
        self._note("deploying the core stack", ready=False)
        self._assembly = synth_embedded(self._home)
        self._stack = deploy_embedded(aws, self._assembly)
        self._note("reading the index from S3", ready=False)
        edges = wire(os.environ, aws, self._stack, self._home.project / "endpoints")
        workflows = wire_workflows(aws, self._stack)
        recover(edges, workflows, self._tell)
        recover_runs(edges, workflows, self._tell)
        restore_rules(edges, workflows, wire_schedules(aws, self._stack), wire_sources(aws, self._stack))
        while len(self._workers) < self._count and not self._stopping.is_set():
            self._workers.append(self._start_worker(f"worker-{len(self._workers)}"))
        self._start_task_workers()
        if self._contained:
            image = find_image(__version__, self._image)
            self._containers = Containers(
                aws, self._stack, self._home, self._credentials, count=self._contained, image=image
            )
            self._containers.start()
        self._note("", ready=True)

    def _start_task_workers(self) -> None:
        """Start a worker for each task of the project that runs in workers and has none."""
        for name, task in Project(self._home.project).own_tasks().items():
            if task.definition.runs == "worker" and name not in self._tasks and not self._stopping.is_set():
                self._tasks[name] = self._start_worker(f"task-{name}", "--task", name)

    def _update(self) -> None:
        """Deploy the project's workflows and tasks where they have changed. Workers then end and start again, with the
        new code; each hands its group back.
        """
        self._updated, self._problem = False, ""
        try:
            assembly = synth_embedded(self._home)
            if assembly != self._assembly:
                self._tell("updating the core stack")
                self._stack = deploy_embedded(Aws(self.endpoint, self._credentials), assembly)
                self._assembly, self._updated = assembly, True
                _end_all([*self._workers, *self._tasks.values()])
                self._tasks.clear()
                self._workers = [self._start_worker(f"worker-{number}") for number in range(len(self._workers))]
                self._start_task_workers()
        except PileusError as error:
            self._problem = str(error)
        self._updates += 1
        self._note("", ready=True)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def _note(self, doing: str, *, ready: bool) -> None:
        if doing:
            self._tell(doing)
        running = Running(
            os.getpid(),
            self.endpoint,
            self._ministack.pid if self._ministack else 0,
            tuple(worker.pid for worker in (*self._workers, *self._tasks.values())),
            self._stack.to_env() if self._stack else {},
            ready,
            doing,
            self._updates,
            self._updated,
            self._problem,
            self._credentials,
        )
        self._home.note(running)

    def _start_ministack(self) -> None:
        self._port = self._port if self._port and _free(self._port) else _any_free_port()
        self._home.data.mkdir(parents=True, exist_ok=True)
        self._home.clear_temporary()
        settings = {
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "S3_PERSIST": "0",  # it loads its folder when `objects.keep` has said what lies where
            "S3_DATA_DIR": str(self._home.data),
            "PILEUS_S3_METADATA": str(self._home.metadata),
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self._home.temporary),
            "STATE_DIR": str(self._home.temporary),
            "IOT_MTLS_ENABLED": "0",  # by default it would listen on every interface
            "SFTP_ENABLED": "0",
        }
        self._ministack = self._spawn("ministack", MINISTACK, settings)
        deadline = time.monotonic() + 30
        while not _answers(self.endpoint):
            if self._ministack.poll() is not None or time.monotonic() > deadline:
                raise StoreError("the embedded AWS did not start", where=str(self._home.logs / "ministack.log"))
            time.sleep(0.05)

    def _start_worker(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        assert self._stack is not None  # the stack is deployed before workers start
        settings = self._stack.to_env() | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "PILEUS_SCRATCH": str(self._home.scratch),
            FOLDER: str(self._home.project / "tasks"),
            ENDPOINTS: str(self._home.project / "endpoints"),
        }
        self._restarts.started(name)
        return self._spawn(name, [*PILEUS, "worker", *options], settings)

    def _spawn(self, name: str, command: list[str], settings: dict[str, str]) -> subprocess.Popen[bytes]:
        self._home.logs.mkdir(parents=True, exist_ok=True)
        with (self._home.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=os.environ | self._credentials.to_env() | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self._home.path,
            )

    def _restart_dead(self) -> None:
        """Restart what has died; what dies again and again, after a pause."""
        if self._ministack and self._ministack.poll() is not None:
            self._tell("the embedded AWS died: starting it again")
            self._start()
        for number, worker in enumerate(self._workers):
            if worker.poll() is not None and self._restarts.may_start(f"worker-{number}"):
                self._tell(f"worker {number} died: starting it again")
                self._workers[number] = self._start_worker(f"worker-{number}")
                self._note("", ready=True)
        for name, worker in self._tasks.items():
            if worker.poll() is not None and self._restarts.may_start(f"task-{name}"):
                self._tell(f"the worker of task {name} died: starting it again")
                self._tasks[name] = self._start_worker(f"task-{name}", "--task", name)
                self._note("", ready=True)

    def _end(self) -> None:
        """Stop the workers, so that they return their groups, and then the embedded AWS."""
        _end_all([*self._workers, *self._tasks.values()])
        if self._containers:
            self._containers.stop()
        if self._ministack:
            _end_all([self._ministack])
            self._home.clear_temporary()
        self._home.forget()


def _end_all(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(endpoint: str) -> bool:
    try:
        with urlopen(endpoint + HEALTH, timeout=1):
            return True
    except (URLError, OSError):
        return False


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
