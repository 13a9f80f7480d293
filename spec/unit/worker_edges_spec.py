"""What surrounds a worker in a container: metrics, scale-in protection, the health check, compiled kernels."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pileus.cli.up import count_workers
from pileus.edges.scale_in import EcsProtection, NoProtection, protected, protection_from
from pileus.embedded.containers import find_image
from pileus.errors import UsageError
from pileus.worker.health_check import SILENT, beating, pulse_file
from pileus.worker.kernels import bring
from pileus.worker.metrics import of_group


def test_metrics_are_lines_that_cloudwatch_reads() -> None:
    lines = of_group(
        "Pileus", "s", succeeded=True, downloaded=7, hops={"download": 1.5, "zonal": 2}, free_share=0.25, now=10
    )
    whole, *hops = map(json.loads, lines)
    (described,) = whole["_aws"]["CloudWatchMetrics"]
    assert described["Namespace"] == "Pileus"
    assert described["Dimensions"] == [["Stack"]]
    assert {one["Name"] for one in described["Metrics"]} <= whole.keys()
    assert (whole["PartitionsSucceeded"], whole["PartitionsFailed"], whole["BytesDownloaded"]) == (1, 0, 7)
    assert [(hop["Hop"], hop["Seconds"]) for hop in hops] == [("download", 1.5), ("zonal", 2)]


class Agent(BaseHTTPRequestHandler):
    """The ECS agent."""

    asked: list[tuple[str, Any]]
    status = 200

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, body))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def agent() -> Iterator[tuple[str, type[Agent]]]:
    handler = type("OneAgent", (Agent,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/api/abc", handler
        server.shutdown()


def test_a_group_is_protected_while_it_runs(agent: tuple[str, type[Agent]]) -> None:
    address, seen = agent
    with protected(EcsProtection(address, minutes=90)):
        assert seen.asked == [
            ("/api/abc/task-protection/v1/state", {"ProtectionEnabled": True, "ExpiresInMinutes": 90})
        ]
    assert seen.asked[-1][1] == {"ProtectionEnabled": False}


def test_protection_ends_when_the_group_fails(agent: tuple[str, type[Agent]]) -> None:
    address, seen = agent
    with pytest.raises(ValueError, match="broken"), protected(EcsProtection(address, minutes=90)):
        raise ValueError("broken")
    assert seen.asked[-1][1] == {"ProtectionEnabled": False}


def test_without_protection_work_goes_on(agent: tuple[str, type[Agent]], caplog: pytest.LogCaptureFixture) -> None:
    address, seen = agent
    seen.status = 500
    EcsProtection(address, minutes=90).set(True)
    EcsProtection("http://127.0.0.1:9", minutes=90).set(True)
    assert [record.message for record in caplog.records] == ["no scale-in protection"] * 2


def test_protection_is_the_agents_where_there_is_one() -> None:
    assert isinstance(protection_from({}), NoProtection)
    assert isinstance(protection_from({"ECS_AGENT_URI": "http://127.0.0.1"}), EcsProtection)


def test_a_worker_that_is_silent_for_long_is_dead(tmp_path: Path) -> None:
    pulse = pulse_file(tmp_path, "host")
    assert not beating(pulse, now=1000)
    pulse.touch()
    os.utime(pulse, (1000, 1000))
    assert beating(pulse, now=1000 + SILENT - 1)
    assert not beating(pulse, now=1000 + SILENT)


def test_the_health_check_looks_at_this_hosts_worker(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pileus.worker.health_check"]
    environ = os.environ | {"PILEUS_SCRATCH": str(tmp_path)}
    assert subprocess.run(command, env=environ).returncode == 1
    pulse_file(tmp_path, os.uname().nodename).touch()
    assert subprocess.run(command, env=environ).returncode == 0


def test_kernels_are_brought_once(tmp_path: Path) -> None:
    source, target = tmp_path / "image", tmp_path / "scratch/.kernels"
    source.mkdir()
    (source / "kernel.nbc").write_bytes(b"machine code")
    environ = {"PILEUS_KERNELS": str(source), "NUMBA_CACHE_DIR": str(target)}
    assert bring(environ)
    assert (target / "kernel.nbc").read_bytes() == b"machine code"
    assert not bring(environ)
    assert [path.name for path in target.parent.iterdir()] == [".kernels"]


def test_outside_an_image_no_kernels_are_brought(tmp_path: Path) -> None:
    assert not bring({})
    assert not bring({"NUMBA_CACHE_DIR": str(tmp_path / "c")})
    assert not bring({"PILEUS_KERNELS": str(tmp_path / "none"), "NUMBA_CACHE_DIR": str(tmp_path / "c")})


def test_containers_need_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="need Docker"):
        find_image("0.1.0")


@pytest.mark.parametrize("text", ["many", "docker:", "docker:x", "-1", "65", "podman:2", ""])
def test_workers_are_counted_or_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--workers"):
        count_workers(text)
