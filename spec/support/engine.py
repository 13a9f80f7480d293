"""A Docker engine for specs, and the worker's image built on it from packages, with no registry.

The engine that runs is used; otherwise, as root, one is started. All processes of specs share it: each holds a lock on
a file while it uses it, and the last one stops it.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from pileus.deploy.images import build, debootstrap
from spec.support.cache import CACHE

NEEDED = ("docker", "dockerd", "debootstrap")


def docker(*arguments: str, check: bool = True) -> str:
    """Run a docker command; its output."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=600, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def answers() -> bool:
    return bool(shutil.which("docker")) and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Docker engine that answers. Skips, loudly, where there is none and none can be started."""
    with _used() as lock:
        if not (answers() and shutil.which("debootstrap")):
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not answers():
                _start(tmp_path_factory.mktemp("dockerd") / "log")
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


PROCESS = CACHE / "engine.pid"
"""Has the id of the engine's process, where specs have started it."""


@contextmanager
def _used() -> Iterator[IO[str]]:
    """Hold the lock of the engine's users, and stop the engine that specs have started when the last one lets go."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield lock
        finally:
            with suppress(BlockingIOError):  # another process uses it
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _stop()


def _start(log: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("no Docker engine answers, and only root can start one")
    if not all(map(shutil.which, NEEDED)) and (why := _install()):
        pytest.skip(why)
    if answers():
        return
    with log.open("wb") as sink:
        started = subprocess.Popen(["dockerd"], stdout=sink, stderr=subprocess.STDOUT, start_new_session=True)
    PROCESS.write_text(str(started.pid))
    deadline = time.monotonic() + 40
    while not answers():
        if started.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"dockerd does not run here: {log.read_text().strip().splitlines()[-1:]}")
        time.sleep(0.2)


def _stop() -> None:
    """End the engine that specs have started, and wait until it is gone."""
    if not PROCESS.exists():
        return
    pid = int(PROCESS.read_text())
    PROCESS.unlink()
    name = Path(f"/proc/{pid}/comm")
    with suppress(OSError):
        if name.read_text().strip() == "dockerd":
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while name.exists() and time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.1)


def _install() -> str:
    """The reason why the programs cannot be had, or ''."""
    if not shutil.which("apt-get"):
        return "Docker is missing and there is no apt-get to install it with"
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    packages = ["docker.io", "debootstrap"]
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", *packages]):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=False)
    return "" if done.returncode == 0 else f"apt-get could not install Docker: {done.stderr.strip().splitlines()[-1:]}"


@pytest.fixture(scope="session")
def image(engine: None) -> Iterator[str]:
    """The worker's image, built from this checkout; those it replaces are removed at the end."""
    bundle = os.environ.get("SSL_CERT_FILE")  # a proxy's certificates, where the machine has one
    ca = Path(bundle) if bundle and Path(bundle).exists() else None
    build("base", base=debootstrap(), ca=ca, network="host")
    yield build("process_group", base="", ca=ca, network="host")
    docker("image", "prune", "--force", "--filter", "label=org.opencontainers.image.title=pileus process_group")
