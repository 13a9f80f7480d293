"""A Redis and a RabbitMQ of the spec's own, and workers of Celery in processes of their own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from kombu import Connection
from redis import Redis
from redis.exceptions import RedisError

from pileus.errors import HandedBack
from pileus.nodes.celery_queue import Queue
from pileus.nodes.celery_worker import work
from pileus.stratus.request import StratusRequest
from spec.servers import find, install
from spec.support.nodes import HandNode
from spec.support.zeromq import free_ports

ROOT = Path(__file__).resolve().parents[2]
RABBITMQ = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/usr/local/sbin/rabbitmq-server")
NO_RABBITMQ = "no rabbitmq-server here: `apt-get install rabbitmq-server` brings it"
MISSING = "no redis-server here: `apt-get install redis-server` brings it"


class Harm:
    """Makes a folder when it is read as a pickle."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self._path,)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The address of a Redis that keeps nothing on the disk, and is stopped at the end."""
    if why := install():
        pytest.skip(f"{MISSING}: {why}")
    program = find("redis-server")
    assert program
    (port,) = free_ports(1)
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with Redis(port=port) as redis:
            wait_for(lambda: _answers(redis))
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def rabbitmq_server(folder: Path) -> Iterator[str]:
    """The address of a RabbitMQ of Debian's package, with all that it keeps in a folder; it is stopped at the end."""
    why = install()
    program = next((one for one in RABBITMQ if Path(one).exists()), None)
    epmd = find("epmd")
    if program is None or epmd is None:
        pytest.skip(f"{NO_RABBITMQ}: {why}")
    names, port, between = free_ports(3)
    (folder / "plugins").write_text("[].\n")
    environ = os.environ | {
        "HOME": str(folder),  # Erlang's cookie lies there
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "spec@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(between),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    started = list[subprocess.Popen[bytes]]()
    try:
        for command in ([epmd, "-port", str(names), "-address", "127.0.0.1"], [program]):
            started.append(subprocess.Popen(command, env=environ, cwd=folder, stdout=subprocess.DEVNULL))
        address = f"amqp://guest:guest@127.0.0.1:{port}//"
        wait_for(lambda: _takes(address), 120)
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)


def _takes(address: str) -> bool:
    try:
        with Connection(address, connect_timeout=2) as connection:
            connection.connect()
            return True
    except OSError:
        return False


def _answers(redis: "Redis") -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def wait_for(true: object, seconds: float = 30) -> None:
    """Wait until a function returns something true."""
    until = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < until, true
        time.sleep(0.02)


class HoldingNode(HandNode):
    """Does operations as HandNode; the first to begin one with the parameter `hold` holds it until it is killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__("x", ["x"])
        self._folder = folder

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """See Node. Who was asked for is written down."""
        with (self._folder / "asked").open("a") as file:
            file.write(f"{request.rid}\n")
        if request.operations[0].parameters.get("hold"):
            try:
                with (self._folder / "held").open("x") as file:
                    file.write(str(os.getpid()))
            except FileExistsError:
                pass
            else:
                stopping.wait(60)
                raise HandedBack("told to stop")
        return super().run(request, given, folder, stopping)


@contextmanager
def worker(queue: Queue, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own that has begun; it is ended at the end, if it still lives."""
    arguments = [queue.broker, queue.backend, str(queue.shared or ""), str(queue.patience), str(queue.seconds)]
    arguments.append(str(folder))
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-u", "-m", "spec.support.broker", *arguments]
    process = subprocess.Popen(command, env=environ, cwd=folder, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stdout.readline().startswith(b"takes requests from queue")
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        process.communicate(timeout=30)


def main(broker: str, backend: str, shared: str, patience: str, seconds: str, folder: str) -> None:
    """Work until SIGTERM."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    kept = Path(shared) if shared else None
    queue = Queue(broker, backend, shared=kept, seconds=int(seconds), patience=int(patience))
    work(queue, HoldingNode(Path(folder)), stopping, 2, print)


if __name__ == "__main__":
    main(*sys.argv[1:])
