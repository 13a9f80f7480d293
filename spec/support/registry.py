"""A registry of images on this machine (Debian's docker-registry), which asks for the password that the embedded ECR
gives.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from spec.servers import free_port, running

PROGRAM = "docker-registry"
USER, PASSWORD = "AWS", "ministack-auth-token"


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a registry that is empty at first. Skips, loudly, where it cannot be installed."""
    if not shutil.which(PROGRAM) and (why := _install()):
        pytest.skip(why)
    work = tmp_path_factory.mktemp("registry")
    port = free_port()
    secret = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$", 1)
    (work / "users").write_text(f"{USER}:{secret}\n")
    config = work / "config.yml"
    config.write_text(_config(work, port))
    with running([PROGRAM, "serve", str(config)], port):
        yield f"127.0.0.1:{port}"


def _config(work: Path, port: int) -> str:
    return f"""
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {work}/images}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: pileus, path: {work}/users}}}}
"""


def _install() -> str:
    """The reason why it cannot be had, or ''."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"{PROGRAM} is missing, and only root with apt-get can install it"
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", PROGRAM]):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=False)
    return "" if done.returncode == 0 else f"apt-get: {done.stderr.strip().splitlines()[-1:]}"
