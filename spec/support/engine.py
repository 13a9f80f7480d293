"""A Docker engine for specs, and the worker's image built on it from packages, with no registry.

The engine that runs is used; otherwise, as root, one is started for the session and stopped at its end.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.deploy.images import build, debootstrap

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
    if answers() and shutil.which("debootstrap"):
        yield
        return
    if os.geteuid() != 0:
        pytest.skip("no Docker engine answers, and only root can start one")
    if not all(map(shutil.which, NEEDED)) and (why := _install()):
        pytest.skip(why)
    if answers():
        yield
        return
    log = tmp_path_factory.mktemp("dockerd") / "log"
    with log.open("wb") as sink:
        started = subprocess.Popen(["dockerd"], stdout=sink, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + 40
        while not answers():
            if started.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"dockerd does not run here: {log.read_text().strip().splitlines()[-1:]}")
            time.sleep(0.2)
        yield
    finally:
        started.terminate()
        started.wait(30)


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
