"""A ZeroMQ node in a thread, for specs."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pileus.nodes.zeromq_server import Listen, answer
from pileus.stratus.service import Service


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in opened]
    for one in opened:
        one.close()
    return ports


@contextmanager
def listening(service: Service, **listen: object) -> Iterator[Listen]:
    """Where a node listens, until the end."""
    ports = dict(zip(("request_port", "response_port"), free_ports(2), strict=True))
    at = Listen(**ports | listen)  # type: ignore[arg-type]
    stopping, ready, failed = threading.Event(), threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            answer(service, at, stopping, ready.set)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert ready.wait(20), failed
        yield at
    finally:
        stopping.set()
        thread.join(20)
    assert not thread.is_alive()
    assert not failed
