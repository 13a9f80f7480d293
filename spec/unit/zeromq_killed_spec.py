"""A ZeroMQ node in a process of its own is killed while it works, and started again."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.nodes.node import NodeLost
from pileus.nodes.settings import read_settings
from pileus.nodes.wire import node_of
from pileus.stratus.request import StratusRequest
from spec.support.nodes import read, values
from spec.support.zeromq import free_ports

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]
ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = '''
import time
from pathlib import Path

from pileus.endpoint import endpoint

@endpoint("far*")
def twice(data, *, seconds: float = 0):
    """Multiply by two, after a while."""
    time.sleep(seconds)
    return data * 2
'''


class Served:
    """`pileus node start` for a node over ZeroMQ, at ports that stay."""

    def __init__(self, folder: Path) -> None:
        self._folder, ports = folder, free_ports(2)
        (folder / "zmq_operations.py").write_text(OPERATIONS)
        (folder / "far.ini").write_text(
            f"[stratus]\ntype = zeromq\nrequest_port = {ports[0]}\nresponse.port = {ports[1]}\n\n"
            "[own]\ntype = endpoint\nmodule = zmq_operations\nat_once = 1\n"
        )
        self.section = {"type": "zeromq", "request_port": ports[0], "patience": 2}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it listens."""
        command = [sys.executable, "-u", "-m", "pileus", "node", "start", "far.ini"]
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, cwd=self._folder, env=environ, stdout=subprocess.PIPE)
        assert self.process.stdout
        assert self.process.stdout.readline().startswith(b"listens on tcp://127.0.0.1:")

    def end(self, number: signal.Signals) -> int:
        """Send it a signal, and return its exit code."""
        assert self.process
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    made.start()
    yield made
    if made.process and made.process.poll() is None:
        made.end(signal.SIGKILL)


def test_a_node_that_is_killed_is_lost_and_goes_on_with_the_same_request_when_it_is_back(
    served: Served, tmp_path: Path
) -> None:
    node = node_of(read_settings({"far": served.section}).nodes[0])
    request = StratusRequest.from_json(
        {
            "rid": "r7",
            "input": [{"name": "v:a", "uri": "given:a"}],
            "operation": [{"name": "far:twice", "input": "a", "result": "b", "seconds": 3}],
            "outputs": ["b"],
        }
    )
    given = {"a": values(tmp_path / "a.nc", 1, 10)}
    threading.Timer(1.5, lambda: served.end(signal.SIGKILL)).start()
    with pytest.raises(NodeLost, match="no answer within 2 s"):
        node.run(request, given, tmp_path, threading.Event())
    served.start()
    made = node.run(request, given, tmp_path, threading.Event())
    assert read(made["b"]) == [2, 20]
    node.close()
    assert served.end(signal.SIGTERM) == 0
