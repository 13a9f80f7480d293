"""pileus up: the embedded AWS and its workers."""

import os
import signal
from typing import Annotated

import typer

from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.cli.show import line
from pileus.errors import UsageError


@app.command(epilog="Example: pileus up --detach --workers 2")
def up(
    workers: Annotated[str, typer.Option(help="Worker processes; `docker` or `docker:N`: containers.")] = "2",
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is up, and leave it running.")] = False,
) -> None:
    """Start the embedded AWS, deploy the core stack, start workers. Twice is harmless."""
    from pileus.embedded.supervisor import Supervisor, start_detached

    processes, containers = count_workers(workers)
    home = Session().home
    home.path.mkdir(exist_ok=True)
    if home.supervised():
        running = home.running()
        line(f"already up{f' at {running.endpoint} with {len(running.workers)} workers' if running else ''}")
        return
    if detach:
        start_detached(home, workers)
        running = home.running()
        if running is None:
            raise UsageError("it went down again at once")
        line(
            f"up at {running.endpoint} with {processes + containers} workers; "
            f"logs in {os.path.relpath(home.logs)}; stop: pileus down"
        )
        return
    supervisor = Supervisor(home, workers=processes, containers=containers, tell=line)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, supervisor.stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup wants it to stay up
        signal.signal(signal.SIGHUP, supervisor.stop)
    supervisor.run()


def count_workers(text: str) -> tuple[int, int]:
    """Processes and containers that `--workers` asks for. Raises UsageError.

    >>> count_workers("3"), count_workers("docker"), count_workers("docker:4")
    ((3, 0), (0, 2), (0, 4))
    """
    kind, _, count = text.rpartition(":")
    if text == "docker":
        kind, count = "docker", "2"
    if kind not in ("", "docker") or not count.isdecimal() or not 0 <= int(count) <= 64:
        raise UsageError(f"--workers {text!r}: expected 0 to 64, docker, or docker:N")
    return (0, int(count)) if kind else (int(count), 0)
