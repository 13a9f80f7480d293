"""The embedded Lambdas: their errors have names, and their processes are forked, so that ten events at once take no ten
seconds of a core before they begin.

MiniStack starts a Python for each event that comes while others run, and each imports for half a second.
"""

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

SERVER = [sys.executable, "-m", "pileus.embedded.lambda_server"]


def fork_lambdas(runtime: Any) -> None:
    """Change MiniStack's Lambda, the module `runtime`, so that the processes of Python are forked."""
    runtime.subprocess = Forking()


def name_errors(lambdas: Any) -> None:
    """Change MiniStack's Lambda, the module `lambdas`, so that an error has the name of its class, as on AWS.

    MiniStack says `Runtime.HandlerError` of every error, and no workflow could tell one that passes from one that does
    not.
    """
    execute = lambdas._execute_function_warm

    def execute_named(func: Any, event: Any, request_id: str) -> dict[str, Any]:
        done: dict[str, Any] = execute(func, event, request_id)
        if done.get("error") and done["body"]["errorType"] == "Runtime.HandlerError":
            done["body"]["errorType"] = class_of(done["log"]) or "Runtime.ExitError"
        return done

    lambdas._execute_function_warm = execute_named


def sign_code(lambdas: Any, token: str) -> None:
    """Change MiniStack's Lambda, the module `lambdas`, so that the address of a function's zip has the session token of
    this run, as an address that AWS signed has it: nobody else is answered.
    """
    address = lambdas._presigned_code_url

    def signed(name: str) -> str:
        return f"{address(name)}&{urlencode({'X-Amz-Security-Token': token})}"

    lambdas._presigned_code_url = signed


def class_of(trace: str) -> str | None:
    """Return the class of the error that a traceback ends with; None where there is none.

    >>> class_of("Traceback (most recent call last):\\n  File ...\\npileus.errors.Denied: no\\nsecond line")
    'Denied'
    """
    _, found, rest = trace.rpartition("Traceback (most recent call last):\n")
    match = re.search(r"^([\w.]+)(: |$)", rest, re.MULTILINE) if found else None
    return match and match[1].rpartition(".")[2]


class Forking:
    """The module `subprocess`, whose `Popen` forks what runs in this Python. The fork server starts when first
    needed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, command: list[str], *, cwd: str, env: dict[str, str], **options: Any) -> Any:  # noqa: N802
        """Start a process. One whose environment says something to Python itself is not forked."""
        if command[0] != sys.executable or _for_python(env) != _for_python(os.environ):
            return subprocess.Popen(command, cwd=cwd, env=env, **options)
        order = {"script": command[1], "folder": cwd, "environ": env}
        return Forked(self._connected(), json.dumps(order).encode())

    def _connected(self) -> socket.socket:
        """Return the connection to the fork server, which is started if it does not run."""
        with self._lock:
            if self._control is None or self._server is None or self._server.poll() is not None:
                self._control, theirs = socket.socketpair()
                with theirs:
                    number = theirs.fileno()
                    self._server = subprocess.Popen([*SERVER, str(number)], pass_fds=[number])
            return self._control


def _for_python(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith("PYTHON")}


class Forked:
    """A forked process, as MiniStack uses a `subprocess.Popen` with pipes for text. How it ended is not known."""

    def __init__(self, control: socket.socket, order: bytes) -> None:
        """Ask for it through `control`, and wait until it runs."""
        self._life, theirs = socket.socketpair()
        read_input, write_input = os.pipe()
        read_output, write_output = os.pipe()
        read_messages, write_messages = os.pipe()
        self.stdin = open(write_input, "w", 1, encoding="utf-8")  # noqa: SIM115, PTH123
        self.stdout = open(read_output, encoding="utf-8")  # noqa: SIM115, PTH123
        self.stderr = open(read_messages, encoding="utf-8")  # noqa: SIM115, PTH123
        given = [theirs.detach(), read_input, write_output, write_messages]
        try:
            socket.send_fds(control, [b"f"], given)
        finally:
            for file in given:
                os.close(file)
        self._life.sendall(order + b"\n")
        with self._life.makefile("rb") as lines:
            self.pid = int(lines.readline() or 0)

    def poll(self) -> int | None:
        """Return None while it runs, then 0."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended. Raises TimeoutExpired."""
        ended = self._ended_within(timeout)
        if ended is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return ended

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended_within(self, seconds: float | None) -> int | None:
        """Return 0 when its end of the socket is closed."""
        waiting = select.poll()
        waiting.register(self._life, select.POLLIN)
        return 0 if waiting.poll(None if seconds is None else seconds * 1000) else None
