"""pileus worker: one worker of the stack that the environment names."""

import json
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pileus.cli import complete
from pileus.cli.app import app

if TYPE_CHECKING:
    import threading

    from pileus.lifecycle.partition import Entry
    from pileus.tasks.worker_state import WorkerState

METRICS = "PILEUS_PROMETHEUS"
"""Variable that may name HOST:PORT of a worker's metrics."""
LEASES = 20
"""The downloads of a dead worker are kept for so many lease times, for the next worker to continue."""


@app.command(epilog="Example: pileus worker --until-idle")
def worker(
    task: Annotated[
        str | None, typer.Option(autocompletion=complete.tasks, help="A task of the project, in place of groups.")
    ] = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when the queues are empty.")] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics", metavar="HOST:PORT", help="Answer Prometheus there; else where PILEUS_PROMETHEUS says."
        ),
    ] = None,
) -> None:
    """Poll the queues and process groups until SIGTERM; then return the running group to its queue."""
    if task is None:
        work(until_idle=until_idle, metrics=metrics)
    else:
        work_on(task, until_idle=until_idle)


def _printed(text: bytes) -> None:
    """Write what a payload has printed into the worker's log."""
    sys.stderr.buffer.write(text if text.endswith(b"\n") else text + b"\n")
    sys.stderr.buffer.flush()


def work_on(name: str, *, until_idle: bool = False) -> None:
    """Run a worker of one task of the project: of the folder PILEUS_TASKS, else of the project here."""
    from pileus.edges.aws import Aws, Stack
    from pileus.edges.store import S3Store
    from pileus.project.folder import find_project
    from pileus.scratch.volume import Volume
    from pileus.task_folder import FOLDER, TaskFolder
    from pileus.tasks.oversized import by_address
    from pileus.wiring import wire_containers, wire_task_queue
    from pileus.worker.health_check import pulse_file
    from pileus.worker.own_task import TaskWorker
    from pileus.worker.payload_process import Stores, process_of

    log_json_lines()
    folder = Path(os.environ[FOLDER]) if os.environ.get(FOLDER) else find_project(Path.cwd()).root / "tasks"
    found, stack, aws = TaskFolder(folder).task(name), Stack.from_env(os.environ), Aws()
    scratch = Path(os.environ.get("PILEUS_SCRATCH", ".pileus-scratch"))
    pulse = pulse_file(scratch, socket.gethostname())
    store = S3Store(aws.s3)
    there = Stores(store, stack.internal, wire_containers(os.environ, aws))
    with Volume(scratch) as volume, closing(process_of(found, volume.folder, _printed, there)) as process:

        def live() -> None:
            volume.sweep()
            pulse.touch()

        def run(event: "Mapping[str, Any]", cancelled: "threading.Event") -> str:
            said = process.run(event, cancelled)
            return by_address(store, stack.internal, said) if found.definition.calls == "payload" else said

        made = TaskWorker(
            wire_task_queue(aws, stack, name),
            name,
            run,
            visibility=int(stack.visibility),
            deaths=int(stack.deaths),
            pulse=live,
        )
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: made.stop())
        made.run(until_idle=until_idle)


def log_json_lines() -> None:
    """Write what is logged to standard output, one JSON object a line."""
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[output])


def work(*, until_idle: bool = False, metrics: str | None = None) -> None:
    """Run a worker, as the command does. Containers call it directly. `metrics`: HOST:PORT for Prometheus."""
    from pileus.raster.gdal import harden
    from pileus.worker.kernels import bring

    harden(os.environ)
    bring(os.environ)
    from pileus.cell.cell import Cell
    from pileus.cell.settings import limits_of
    from pileus.edges.aws import Aws, Stack
    from pileus.edges.cma import Cma
    from pileus.edges.scale_in import protected, protection_from
    from pileus.endpoint_folder import folder_of, modules_in
    from pileus.messages import PartTask, RequestTask
    from pileus.stratus.apart import Apart
    from pileus.tasks.process_group import process_group
    from pileus.tasks.process_operations import process_operations
    from pileus.tasks.process_request import process_request
    from pileus.tasks.worker_state import TaskControl, WorkerState
    from pileus.wiring import wire, wire_queues
    from pileus.worker.cumulus_queues import CumulusQueues
    from pileus.worker.health_check import pulse_file
    from pileus.worker.loop import Worker

    log_json_lines()
    logging.getLogger("rasterio").setLevel(logging.ERROR)  # GDAL warns about each header whose pixels are not there
    stack, limits = Stack.from_env(os.environ), limits_of(os.environ)
    scratch = Path(os.environ.get("PILEUS_SCRATCH", ".pileus-scratch"))
    protection = protection_from(os.environ)
    pulse = pulse_file(scratch, socket.gethostname())

    # Containers may share a host's name and have the same process id.
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    apart = Apart(modules_in(folder_of(os.environ)), most=1)
    with closing(WorkerState(scratch, patience=LEASES * float(stack.visibility))) as state, closing(apart):
        if limits:
            state.cell = Cell(os.environ, state.volume.folder.resolve(), limits)  # before this process has credentials
        else:
            logging.getLogger("pileus.worker").warning("there is no cell: strangers' files are opened in this process")
        aws = Aws()
        edges = wire(os.environ, aws, stack)

        def live() -> None:
            state.volume.sweep()
            pulse.touch()
            if state.late:
                state.late.rest()

        def task(event: Mapping[str, Any], control: TaskControl) -> Mapping[str, Any]:
            if PartTask.is_one(event):
                with protected(protection):
                    return process_operations(edges, event, state, control, apart.operate)
            if RequestTask.is_one(event):
                with protected(protection):
                    return process_request(edges, event, state, control)
            with protected(protection), _measured(state, stack.stack) as measure:
                return measure(process_group(edges, event, state, control))

        queues = CumulusQueues(wire_queues(aws, stack), lambda: Cma(edges.store))
        with _observed(state, metrics or os.environ.get(METRICS)) as ended:
            made = Worker(edges, queues, task, name=name, pulse=live, ended=ended)
            for signum in (signal.SIGTERM, signal.SIGINT):
                signal.signal(signum, lambda *_: made.stop())
            made.run(until_idle=until_idle)


@contextmanager
def _observed(state: "WorkerState", metrics: str | None) -> Iterator[Callable[["Entry"], None]]:
    """Yield what is told each partition that has ended: Prometheus and OpenTelemetry, as far as they are asked for.

    Raises UsageError where metrics are asked for without the extra.
    """
    from pileus.worker.prometheus import WorkerMetrics, served
    from pileus.worker.traces import traces_of

    def free_share() -> float:
        usage = state.volume.usage()
        return usage.free / usage.total

    told: list[Callable[[Entry], None]] = []
    with ExitStack() as held:
        if metrics:
            counted = WorkerMetrics(free_share)
            held.enter_context(served(counted.registry, metrics))
            told.append(counted.ended)
        if traces := traces_of(os.environ):
            held.callback(traces.close)
            told.append(traces.ended)

        def ended(entry: "Entry") -> None:
            for one in told:
                one(entry)

        yield ended


@contextmanager
def _measured(state: "WorkerState", stack: str) -> Iterator[Callable[[Mapping[str, Any]], Mapping[str, Any]]]:
    """Return the task with metrics: for each group it logs them, when PILEUS_METRICS names their namespace."""
    from pileus.errors import Cancelled, HandedBack, NoSpace, PileusError, StoreError
    from pileus.worker.metrics import of_group

    def tell(succeeded: bool, result: Mapping[str, Any]) -> None:
        if namespace := os.environ.get("PILEUS_METRICS"):
            usage = state.volume.usage()
            facts = {"downloaded": result.get("downloaded", 0), "hops": result.get("hops", {})}
            share = usage.free / usage.total
            for text in of_group(namespace, stack, succeeded=succeeded, free_share=share, now=time.time(), **facts):
                print(text, flush=True)

    def measure(result: Mapping[str, Any]) -> Mapping[str, Any]:
        tell(True, result)
        return result

    try:
        yield measure
    except (HandedBack, Cancelled, NoSpace):
        raise
    except PileusError as error:
        if not (isinstance(error, StoreError) and error.retryable):  # else the group returns to its queue
            tell(False, {})
        raise


class JsonLines(logging.Formatter):
    """One JSON object a line, as CloudWatch Logs Insights reads it."""

    _plain = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": self.formatTime(record), "level": record.levelname, "message": record.getMessage()}
        line |= {key: value for key, value in vars(record).items() if key not in self._plain}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
