"""Workers in real containers, started by the embedded ECS service on a scratch volume of 1 GB that they share.

One stack with four workers serves the whole file. Its provider is nginx, which can be told to be slow.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pileus.embedded.containers import containers, find_image, name_of, scratch_of
from pileus.errors import UsageError
from pileus.outputs.read import read_stats
from pileus.worker.metrics import HOPS
from spec.servers import Site, web
from spec.servers.fixtures import require
from spec.support.engine import docker, engine, image
from spec.support.stack import Project, project_of

__all__ = ["engine", "image"]

WORKERS = 4
BIG = 380 * 10**6
"""Bytes of a group that needs 0.4 GB of scratch once the first has been done."""
MUMBAI = [[72.79, 18.86], [72.97, 18.86], [72.97, 19.26], [72.79, 19.26], [72.79, 18.86]]


@pytest.fixture(scope="module")
def shared() -> Path:
    path = Path(os.environ.get("PILEUS_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    if not path.is_dir():
        pytest.skip(f"the shared test data is not at {path}")
    return path


@pytest.fixture(scope="module")
def folder(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of the real site under its real path, and six big files of nothing."""
    folder = tmp_path_factory.mktemp("site")
    make = shared / "tools/make_provider.py"
    subprocess.run(
        [sys.executable, str(make), "--out", str(folder), "--months", "201501", "201502"],
        check=True,
        capture_output=True,
    )
    (months,) = (path.parent for path in folder.rglob("201501"))
    (folder / "real").symlink_to(months)
    for month in range(1, 7):
        (folder / f"big/20150{month}").mkdir(parents=True)
        with (folder / f"big/20150{month}/big_20150{month}.bin").open("wb") as big:
            big.truncate(BIG)
    return folder


@pytest.fixture(scope="module")
def provider(engine: None, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require("nginx")
    with web.nginx(folder, tmp_path_factory.mktemp("fast"), connections=10) as site:
        yield site


@pytest.fixture(scope="module")
def slow(engine: None, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same site at 30 kB a second and connection: a tile takes several seconds."""
    require("nginx")
    with web.nginx(folder, tmp_path_factory.mktemp("slow"), rate="30k", connections=10) as site:
        yield site


@contextmanager
def volume(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own at `folder`."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file as a volume")
    disk = folder.parent / "volume.img"
    folder.mkdir()
    subprocess.run(["truncate", "--size", size, str(disk)], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(disk)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(disk), str(folder)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no loop device here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def stack(image: str, provider: Site, slow: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    base = tmp_path_factory.mktemp("containers")
    with project_of(base / "project") as made, volume(scratch_of(made.home), "1G"):
        made.document("data/zones/mumbai.geojson", mumbai())
        for name, site in (("site", provider), ("slow", slow)):
            made.document(
                f"data/providers/{name}.json",
                {"id": name, "protocol": "http", "host": "127.0.0.1", "port": site.port, "globalConnectionLimit": 10},
            )
        path = "/real/{{pointInTime}}/vcmcfg/"
        zones = "data/zones/mumbai.geojson"
        made.collection("real", "201501", "201502", zones=zones, provider_path=path)
        for name in ("killed", "stopped"):
            made.collection(name, "201501", "201501", zones=zones, provider_path=path, provider="slow")
        made.collection(
            "big",
            "201501",
            "201506",
            zones="",
            files=[{"regex": r"big_(?P<start>\d{6})\.bin"}],
            meta={"group": {"by": ["start"]}},
        )
        made.pileus(
            "up", "--detach", "--workers", f"docker:{WORKERS}", env={"PILEUS_SETTINGS": '{"visibility_seconds": 6}'}
        )
        made.pileus("populate")
        try:
            yield made
        finally:
            made.pileus("down")


def mumbai() -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": [MUMBAI]}
    feature = {"type": "Feature", "properties": {"id": "mumbai", "name": "Mumbai"}, "geometry": geometry}
    return {"type": "FeatureCollection", "features": [feature]}


def ours(stack: Project) -> list[str]:
    """Ids of the worker containers that run."""
    return containers(name_of(stack.home))


def tasks(stack: Project) -> list[Path]:
    """Folders of the groups that have scratch now."""
    return [path for path in scratch_of(stack.home).glob("worker-*/*") if path.is_dir()]


def halfway(stack: Project) -> Path | None:
    """The folder of a group that has been under way for a second; its tiles take several to arrive."""
    return next((task for task in tasks(stack) if time.time() - task.stat().st_ctime > 1), None)


def worker_of(stack: Project, task: Path) -> str:
    """The container that has a group's folder: the one whose process holds the lock file beside it."""
    lock = (task.parent.parent / f"{task.parent.name}.worker").stat().st_ino
    for container in ours(stack):
        pids = docker("top", container, "-eo", "pid").split()[1:]
        for pid in pids:
            for handle in Path(f"/proc/{pid}/fd").iterdir():
                if handle.exists() and handle.stat().st_ino == lock:
                    return container
    raise AssertionError(f"nobody holds {lock}")


def ended(stack: Project, id: str) -> dict[str, int]:
    """States of the partitions of a backfill, once it is over."""

    def state() -> Any:
        found = stack.json("status", id, code=None)
        return found["counts"] if found["state"] in ("succeeded", "failed") else None

    counts: dict[str, int] = stack.wait_for(state, 240)
    return {name: count for name, count in counts.items() if count}


def test_two_months_of_the_real_site_go_through_containers(stack: Project) -> None:
    stack.pileus("backfill", "real", "--name", "real", "--wait")
    table = read_stats(stack.edges.store, stack.edges.stack.protected, "real")
    assert sorted(set(table["period"].to_pylist())) == ["2015-01", "2015-02"]
    assert all(mean > 5 for mean in table["mean"].to_pylist())  # nW/cm2/sr: a city of twelve million
    assert tasks(stack) == []
    urls = [url for url, _ in stack.edges.store.list(stack.edges.protected("manifests/real/"))]
    assert len(urls) == 2
    assert {hop for url in urls for hop in json.loads(stack.edges.store.get(url))["seconds"]} <= set(HOPS)


def test_they_run_without_rights_and_write_nowhere_but_scratch(stack: Project) -> None:
    stack.wait_for(lambda: len(ours(stack)) == WORKERS)  # they start one after another
    inspected = json.loads(docker("inspect", *ours(stack)))
    assert [one["Config"]["User"] for one in inspected] == ["10001:10001"] * WORKERS
    assert docker("diff", ours(stack)[0]) == ""


def test_a_killed_worker_costs_time_and_nothing_else(stack: Project) -> None:
    stack.pileus("backfill", "killed", "--name", "killed")
    task = stack.wait_for(lambda: halfway(stack), 120)
    docker("kill", "--signal", "KILL", worker_of(stack, task))
    assert ended(stack, "killed") == {"succeeded": 1}
    (partition,) = stack.json("status", "killed")["partitions"]
    assert partition["attempt"] == 2
    table = read_stats(stack.edges.store, stack.edges.stack.protected, "killed")
    assert table.num_rows == 1
    assert not task.exists()
    assert tasks(stack) == []
    stack.wait_for(lambda: len(ours(stack)) == WORKERS, 120)  # ECS started another


def test_a_stopped_worker_hands_its_group_back_within_ten_seconds(stack: Project) -> None:
    stack.pileus("backfill", "stopped", "--name", "stopped")
    task = stack.wait_for(lambda: halfway(stack), 120)
    container = worker_of(stack, task)
    waiting = subprocess.Popen(["docker", "wait", container], stdout=subprocess.PIPE, text=True)
    docker("stop", "--time", "10", container)
    code = waiting.communicate(timeout=30)[0].strip()
    assert code == "0"  # it ended by itself: after ten seconds Docker kills, which is 137
    assert not task.exists()
    assert ended(stack, "stopped") == {"succeeded": 1}


def test_groups_wait_for_room_on_the_volume(stack: Project) -> None:
    """Six groups of 0.4 GB, four workers, 1 GB."""
    most = 0
    full = False
    over = threading.Event()

    def look() -> None:
        nonlocal most, full
        while not over.wait(0.05):
            most = max(most, len(tasks(stack)))
            disk = os.statvfs(scratch_of(stack.home))
            full = full or disk.f_bavail == 0

    looking = threading.Thread(target=look)
    looking.start()
    try:
        stack.pileus("backfill", "big", "--name", "big", "--wait")
    finally:
        over.set()
        looking.join()
    assert ended(stack, "big") == {"succeeded": 6}
    assert 1 <= most <= 2
    assert not full


def passed_to(stack: Project, more: dict[str, str]) -> list[str]:
    """Docker's options for a container that works with the stack."""
    environ = stack.running.stack | stack.running.credentials.to_env() | more
    environ |= {"AWS_ENDPOINT_URL": stack.running.endpoint, "AWS_DEFAULT_REGION": "us-east-1"}
    return [f"--env={name}={value}" for name, value in environ.items()]


def test_a_worker_needs_no_writable_root_and_no_capability(stack: Project, image: str) -> None:
    """As the task definition of the workers stack runs it, which the embedded ECS does not imitate."""
    passed = passed_to(stack, {"PILEUS_METRICS": "Pileus"})
    strict = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"]
    command = ["python", "-m", "pileus", "worker", "--until-idle"]
    said = docker("run", "--rm", *strict, *passed, image, *command)
    assert "error" not in said.lower()


def test_an_image_that_is_not_there_is_named(engine: None) -> None:
    with pytest.raises(UsageError, match="pileus images"):
        find_image("0.0.0")


def test_the_image_holds_no_secret_and_nothing_to_build_with(image: str) -> None:
    config = json.loads(docker("inspect", image))[0]["Config"]
    assert not [value for value in config["Env"] if "SECRET" in value or "TOKEN" in value or "PASSWORD" in value]
    assert config["Labels"]["org.opencontainers.image.revision"]
    assert config["Healthcheck"]["Test"][:1] == ["CMD"]
    look = "ls /usr/local/share/ca-certificates; command -v pip gcc; id -u; touch /opt/x 2>/dev/null || echo no"
    assert docker("run", "--rm", "--network=none", image, "sh", "-c", look).split() == ["10001", "no"]


def test_the_image_has_what_traces_and_metrics_need(image: str) -> None:
    """A worker whose environment names a collector finds the package, and serves its metrics."""
    code = "from pileus.worker import prometheus, traces; import os; print(traces.traces_of(os.environ) is not None)"
    collector = "--env=OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9"
    asked = ("run", "--rm", "--network=none", collector, image, "python", "-c", f"import prometheus_client; {code}")
    assert docker(*asked).split()[-1] == "True"


def test_the_same_image_is_a_lambda_container(stack: Project, image: str) -> None:
    """Lambda's side of the runtime API is played here: one event, then nothing."""
    event = {
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"executionArn": "arn:none", "status": "ABORTED"},
    }
    with runtime_api(event) as (port, answers):
        passed = passed_to(stack, {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"})
        command = ["python", "-m", "awslambdaric", "lambdas.report_status.handler.handler"]
        container = docker("run", "--detach", "--read-only", "--network=host", *passed, image, *command)
        try:
            stack.wait_for(lambda: answers, 60)
        finally:
            docker("rm", "--force", "--volumes", container)
    assert json.loads(answers[0]) == {"execution": "arn:none", "state": "of no backfill"}


@contextmanager
def runtime_api(event: dict[str, Any]) -> Iterator[tuple[int, list[str]]]:
    answers: list[str] = []
    asked = threading.Event()
    closing = threading.Event()

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked.is_set():
                closing.wait(30)
                return
            asked.set()
            body = json.dumps(event).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", "one")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(round(time.time() * 1000) + 60000))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:x")
            self.send_header("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000")
            self.send_header("Lambda-Runtime-Client-Context", "{}")
            self.send_header("Lambda-Runtime-Cognito-Identity", "{}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            answers.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1], answers
        finally:
            closing.set()
            server.shutdown()
