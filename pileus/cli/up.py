"""pileus up: the embedded AWS and its workers."""

import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from pileus.cli import show
from pileus.cli.app import app
from pileus.cli.session import Session
from pileus.errors import UsageError

if TYPE_CHECKING:
    from pileus.embedded.home import Home, Running


@app.command(epilog="Example: pileus up --detach --workers 2")
def up(
    workers: Annotated[str, typer.Option(help="Worker processes; `docker:N` or `gippy:N`: containers.")] = "2",
    detach: Annotated[bool, typer.Option("--detach", help="Return once it is up, and leave it running.")] = False,
    json: show.Json = False,
) -> None:
    """Start the embedded AWS, deploy the core stack, and start workers. Where they run, deploy what has changed in the
    project's workflows and tasks.
    """
    from pileus.embedded.control import ask_update, start_detached
    from pileus.embedded.supervisor import Supervisor

    processes, containers, image = count_workers(workers)
    home = Session().home
    home.make()
    if home.supervised():
        running = home.running()
        if running is None or not running.ready:
            raise UsageError("it is starting: try again")
        running = ask_update(home, running)
        word = "updated, and up" if running.updated else "already up"
        _tell_up(home, running, len(running.workers), word, json)
        return
    if detach:
        start_detached(home, workers)
        running = home.running()
        if running is None:
            raise UsageError("it stopped at once")
        _tell_up(home, running, processes + containers, "up", json)
        return
    if json:
        raise UsageError("--json answers for --detach: without it the stack runs in front of you")
    supervisor = Supervisor(home, workers=processes, containers=containers, image=image, tell=show.line)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, supervisor.stop)
    signal.signal(signal.SIGUSR1, supervisor.update)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup it must stay up
        signal.signal(signal.SIGHUP, supervisor.stop)
    supervisor.run()


def _tell_up(home: "Home", running: "Running", workers: int, word: str, json: bool) -> None:
    logs = os.path.relpath(home.logs)
    told = f"{word} at {running.endpoint} with {workers} workers; logs in {logs}; stop: pileus down"
    show.answer(json, {"endpoint": running.endpoint, "workers": workers, "logs": logs}, told)


def count_workers(text: str) -> tuple[int, int, str]:
    """Return the numbers of processes and of containers that `--workers` asks for, and the containers' image. Raises
    UsageError.

    >>> count_workers("3"), count_workers("docker"), count_workers("gippy:4")
    ((3, 0, ''), (0, 2, 'pileus-process-group'), (0, 4, 'pileus-gippy'))
    """
    images = {"": "", "docker": "pileus-process-group", "gippy": "pileus-gippy"}
    kind, _, count = text.rpartition(":")
    if text in ("docker", "gippy"):
        kind, count = text, "2"
    if kind not in images or not count.isdecimal() or not 0 <= int(count) <= 64:
        raise UsageError(f"--workers {text!r}: expected 0 to 64, docker:N, or gippy:N")
    return (0, int(count), images[kind]) if kind else (int(count), 0, "")
