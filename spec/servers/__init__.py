"""Real servers on the loopback interface, for specs: each serves a folder, on a free port, and is stopped by its id.

Use them as fixtures: `from spec.servers.fixtures import *` is done by spec/conftest.py, so a spec only names one:

    def test_something(nginx):
        site = nginx(folder)          # Apache, lighttpd, vsftpd and sshd likewise
        site.url, site.port
"""

import functools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = Path(__file__).with_name("packages.txt")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
SECONDS = 20.0
"""A server that does not answer by then has failed."""


@functools.cache
def install() -> str:
    """Install packages.txt with apt-get when a program is missing, once a session; the reason why not, or ''."""
    programs = ("apache2", "aria2c", "lighttpd", "nginx", "rabbitmq-server", "redis-server", "sshd", "vsftpd", "wget")
    if all(find(program) for program in programs):
        return ""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "servers are missing and only root with apt-get can install them: " + " ".join(packages())
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", *packages()]):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode and command[1] == "install":
            return f"apt-get could not install the servers: {done.stderr.strip().splitlines()[-1:]}"
    return ""


def packages() -> list[str]:
    return PACKAGES.read_text().split()


def find(program: str) -> str | None:
    return shutil.which(program, path=PATH)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Site:
    """A running server."""

    port: int
    folder: Path
    """What it serves."""
    scheme: str = "http"
    log: Path | None = None
    """Access log, one request a line."""
    extra: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    def requests(self) -> list[str]:
        """Lines of the access log so far."""
        return self.log.read_text().splitlines() if self.log and self.log.exists() else []


@contextmanager
def running(
    command: list[str], port: int, *, ready: Callable[[], bool] | None = None, env: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server in the foreground until the block ends; waits until its port answers."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env or {**os.environ, "PATH": PATH},
    )
    try:
        deadline = time.monotonic() + SECONDS
        while not (ready or (lambda: answers(port)))():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                said = process.stdout.read().decode(errors="replace") if process.stdout else ""
                raise RuntimeError(f"{command[0]} did not start: {said[-800:]}")
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
        if process.stdout:
            process.stdout.close()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True
