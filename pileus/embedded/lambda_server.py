"""The fork server of the embedded Lambdas: `python -m pileus.embedded.lambda_server SOCKET`.

It imports once what Lambdas need. Each byte that comes brings four files: a socket, and the input, output and messages
of a new process. The process reads from its socket what it is to run, answers its number, and holds the socket until it
ends.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
import time


def main() -> None:
    """Serve until the other side closes its end."""
    _prepare()
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel takes away what has ended
    while True:
        asked, files, _, _ = socket.recv_fds(control, 1, 4)
        if not asked:
            return
        if os.fork() == 0:
            control.close()
            _run(*files)
            return
        for file in files:
            os.close(file)


def _prepare() -> None:
    """Import what Pileus's Lambdas and a project's need, and read what botocore knows of the services."""
    import botocore.handlers  # noqa: F401

    import pileus.tasks.discover_granules
    import pileus.tasks.generate_collections
    import pileus.tasks.move_granules
    import pileus.tasks.own_task
    import pileus.tasks.queue_granules
    import pileus.tasks.report_status
    import pileus.tasks.start_from_message
    import pileus.tasks.sync_granule  # noqa: F401
    from pileus.edges.aws import Aws

    for service in ("s3", "dynamodb", "sns", "sqs", "stepfunctions"):
        Aws("http://127.0.0.1:9").unguarded(service)
    gc.collect()
    gc.freeze()


def _run(life: int, *standard: int) -> None:
    """Be the Python that runs a script: with its folder, environment, input and output."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    with socket.socket(fileno=life) as held:
        with held.makefile("rb") as lines:
            order = json.loads(lines.readline())
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environ"])
        time.tzset()
        _open_standard()
        held.sendall(b"%d\n" % os.getpid())
        sys.argv = [order["script"]]
        runpy.run_path(order["script"], run_name="__main__")


def _open_standard() -> None:
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (
        open(number, "w", 1, encoding="utf-8", closefd=False)  # noqa: SIM115
        for number in (1, 2)
    )


if __name__ == "__main__":
    main()
