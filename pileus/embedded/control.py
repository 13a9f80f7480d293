"""What commands ask of the supervisor: to start in the background, to take over what has changed, to stop."""

import os
import signal
import subprocess
import time

from pileus.embedded.home import Home, Running
from pileus.embedded.supervisor import PILEUS, Supervisor
from pileus.errors import StoreError, UsageError


def start_detached(home: Home, workers: int | str) -> None:
    """Start a supervisor in the background, and return when the stack is ready. Raises StoreError when it ends before
    that.
    """
    home.logs.mkdir(parents=True, exist_ok=True)
    log_path = home.logs / "supervisor.log"
    with log_path.open("ab") as log:
        supervisor = subprocess.Popen(
            [*PILEUS, "up", "--workers", str(workers)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=home.project,
        )
    while not ((running := home.running()) and running.ready and running.supervisor == supervisor.pid):
        if supervisor.poll() is not None:
            last = (log_path.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise StoreError(f"it did not start: {last}", where=str(log_path))
        time.sleep(0.1)


def ask_update(home: Home, running: Running) -> Running:
    """Have the supervisor take over the project's workflows and tasks; return its state after that.

    Raises UsageError with what is wrong in them, or when it ends meanwhile.
    """
    os.kill(running.supervisor, signal.SIGUSR1)
    while home.supervised():
        now = home.running()
        if now is not None and now.updates > running.updates and now.ready:
            if now.problem:
                raise UsageError(f"it stays as it was: {now.problem}")
            return now
        time.sleep(0.1)
    raise UsageError("it stopped meanwhile: `pileus up` starts it again")


def stop_supervisor(home: Home) -> bool:
    """Stop the supervisor and what it started, or what a killed one left. Return False when nothing ran."""
    running = home.running()
    if running is None:
        return False
    if home.supervised():
        os.kill(running.supervisor, signal.SIGTERM)
        while home.supervised():
            time.sleep(0.05)
    else:
        Supervisor(home, workers=0, tell=lambda _: None).sweep()
        home.forget()
    return True
