"""The fork server: `python -m pileus.cell.server SOCKET`, started by the worker with an environment without secrets.

It imports and compiles once what children need, so that a child costs some milliseconds. Each message of the worker
brings a socket: the server forks a child that serves it, and answers with the child's number and a handle to end it.
When a child ends, it says how. When the worker ends, so do the server and its children.
"""

import gc
import os
import select
import signal
import socket
import sys
import tempfile
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from pileus.cell import confine
from pileus.cell.channel import Channel, Closed


def main() -> None:
    """Serve until the worker closes its end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the worker decides when children end
    why = confine.leave_network()  # while this process has one thread
    from pileus.raster.gdal import harden

    harden(os.environ)
    _prepare()
    control = socket.socket(fileno=int(sys.argv[1]))
    channel = Channel(control)
    channel.send({"missing": [lacking for lacking in (why, *confine.tried()) if lacking]})
    children: dict[int, int] = {}
    try:
        _serve(channel, control, children)
    except Closed:
        for handle in children:
            signal.pidfd_send_signal(handle, signal.SIGKILL)


def _prepare() -> None:
    """Import, and compile, what the jobs need."""
    import numba.core.caching
    import pyogrio  # noqa: F401

    import pileus.cell.jobs
    import pileus.outputs.clips
    import pileus.outputs.pictures  # noqa: F401
    from pileus.task_folder import bring_tasks
    from pileus.worker_tasks import registered
    from pileus.zonal.warm import warm

    bring_tasks(os.environ)
    for task in registered().values():
        resolve_name(task.function)
    warm()
    keep_no_code(numba.core.caching.Cache)
    gc.collect()
    gc.freeze()


def keep_no_code(cache: Any) -> None:
    """Let no child leave machine code for others: what was compiled before is read where a child may, never written."""
    load = cache.load_overload

    def load_if_readable(self: Any, *arguments: Any) -> Any:
        try:
            return load(self, *arguments)
        except OSError:
            return None

    cache.load_overload, cache.save_overload = load_if_readable, lambda *_: None


def _serve(channel: Channel, control: socket.socket, children: dict[int, int]) -> None:
    """`children`: number by handle (pidfd)."""
    while True:
        poll = select.poll()
        for one in (control.fileno(), *children):
            poll.register(one, select.POLLIN)
        for ready, _ in poll.poll():
            if ready == control.fileno():
                _fork(channel, control, children)
            else:
                number, status = os.waitpid(children.pop(ready), 0)
                os.close(ready)
                channel.send({"ended": number, "status": status})


def _fork(channel: Channel, control: socket.socket, children: dict[int, int]) -> None:
    order, _, files = channel.receive_files()
    here = os.getpid()
    child = os.fork()
    if child == 0:
        for one in (control.fileno(), *children):
            os.close(one)
        _become_child(order, files[0], here)
    os.close(files[0])
    handle = os.pidfd_open(child)
    children[handle] = child
    channel.send({"child": child}, files=[handle])


def _become_child(order: dict[str, Any], file: int, parent: int) -> None:
    """Confine this process and serve the socket; never returns."""
    code = 1
    try:
        from pileus.cell.jobs import serve

        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        os.environ["TMPDIR"] = os.environ["CPL_TMPDIR"] = tempfile.tempdir = order["scratch"]
        limits = confine.Limits(**order["limits"])
        confine.confine(limits, confine.code_folders(), [Path(order["scratch"])], parent)
        serve(Channel(socket.socket(fileno=file)), limits)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
