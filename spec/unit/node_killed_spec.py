"""A node over a folder whose process is killed: what was accepted is done in the end, and what was made is kept."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pileus.models import State
from pileus.stratus.request import StratusRequest
from spec.support.nodes import HandNode, values
from spec.unit.node_folder_spec import ended, result, serving

pytestmark = pytest.mark.timeout(120)
SERVER = """
import sys, threading
from pathlib import Path
from pileus.nodes.folder import FolderService
from pileus.nodes.route import Route
from spec.support.nodes import HandNode, WaitingNode
from spec.unit.node_folder_spec import chain

folder = Path(sys.argv[1])
nodes = [HandNode("one", ["a"]), WaitingNode("two", ["b"])]
service = FolderService(folder / "node", Route(nodes), files=[folder])
service.start(chain(f"file://{folder}/v0.nc"))
nodes[1].begun.wait(30)
print("begun", flush=True)
threading.Event().wait(60)
"""


KILLED = """
import sys
from pathlib import Path
from pileus.nodes.folder import FolderService
from pileus.nodes.route import Route
from spec.support.nodes import HandNode
from spec.unit.node_folder_spec import ended
from spec.unit.node_killed_spec import long_chain

folder = Path(sys.argv[1])
service = FolderService(folder / "node", Route([HandNode("one", ["a"]), HandNode("two", ["b"])]), files=[folder])
print("begun", flush=True)
service.start(long_chain(f"file://{folder}/v0.nc"))
print(ended(service, "long").state, flush=True)
service.close()
"""


def long_chain(uri: str) -> StratusRequest:
    """Twelve parts, one after another."""
    operations = [
        {"name": f"{'ab'[n % 2]}:twice", "input": f"r{n}" if n else "v0", "result": f"r{n + 1}"} for n in range(12)
    ]
    return StratusRequest.from_json({"rid": "long", "input": [{"name": "v0", "uri": uri}], "operation": operations})


def test_whenever_the_process_is_killed_the_request_is_done_in_the_end(tmp_path: Path) -> None:
    values(tmp_path / "v0.nc", 1, 2)
    for wait in (0.0, 0.01, 0.03, 0.06, 0.1, None):
        with subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "begun\n"
            if wait is None:
                assert process.stdout.readline() == "succeeded\n"
                assert process.wait(20) == 0
            else:
                threading.Event().wait(wait)
                process.send_signal(signal.SIGKILL)
    with serving(tmp_path) as service:
        assert result(service, "long", tmp_path) == [4096, 8192]
        assert sorted(path.name for path in (tmp_path / "node/removed").iterdir()) == []


def test_what_a_killed_process_had_begun_goes_on(tmp_path: Path) -> None:
    values(tmp_path / "v0.nc", 1, 2)
    with subprocess.Popen([sys.executable, "-c", SERVER, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
    nodes = [HandNode("one", ["a"]), HandNode("two", ["b"])]
    with serving(tmp_path, *nodes, files=[tmp_path]) as service:
        assert ended(service, "r7").state is State.succeeded
        assert result(service, "r7", tmp_path) == [4, 8]
        assert [node.asked for node in nodes] == [[], ["r7-1"]]  # what the first had made was there
