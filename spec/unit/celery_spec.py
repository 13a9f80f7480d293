"""Celery over a real Redis: requests go to workers and come back, whoever is killed."""

import base64
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import xarray
from redis import Redis

from pileus.errors import DamagedObject, DocumentError, HandedBack, OperationFailed
from pileus.nodes.celery_node import CeleryNode, celery_node
from pileus.nodes.celery_queue import INLINE, Queue, brought, task_id
from pileus.nodes.node import NodeLost
from pileus.nodes.settings import read_settings
from pileus.stratus.request import StratusRequest
from spec.support.broker import MISSING, ROOT, Harm, redis_server, wait_for, worker
from spec.support.nodes import read, values

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture
def queue(broker: str, tmp_path: Path) -> Queue:
    """A queue that is empty, with a shared folder and little patience."""
    with Redis.from_url(broker) as redis:
        redis.flushall()
    (tmp_path / "shared").mkdir()
    return Queue(broker, broker, shared=tmp_path / "shared", patience=4)


@pytest.fixture
def node(queue: Queue) -> Iterator[CeleryNode]:
    made = CeleryNode("far", queue)
    yield made
    made.close()


def twice(rid: str = "r7", **parameters: object) -> StratusRequest:
    return StratusRequest.from_json(
        {
            "rid": rid,
            "input": [{"name": "v:a", "uri": "given:a"}],
            "operation": [{"name": "x:twice", "input": "a", "result": "b", **parameters}],
            "outputs": ["b"],
        }
    )


def do(node: CeleryNode, request: StratusRequest, given: Path, folder: Path) -> list[float]:
    folder.mkdir(exist_ok=True)
    made = node.run(request, {"a": given}, folder, threading.Event())
    assert made == {"b": folder / "b.nc"}
    return read(made["b"])


def alive(node: CeleryNode) -> None:
    """Wait until a worker has told that it lives."""

    def told() -> bool:
        try:
            return bool(node.capabilities())
        except NodeLost:
            return False

    wait_for(told)


def test_a_request_is_done_by_a_worker(node: CeleryNode, queue: Queue, tmp_path: Path) -> None:
    """A small file through the broker, a large one through the shared folder, where only the input is left."""
    small, large = values(tmp_path / "small.nc", 1, 10), values(tmp_path / "large.nc", *map(float, range(50_000)))
    assert small.stat().st_size < INLINE < large.stat().st_size
    with worker(queue, tmp_path):
        alive(node)
        assert [one.pattern for one in node.capabilities()] == ["x:sum", "x:twice", "x:less"]
        assert do(node, twice(), small, tmp_path / "here") == [2, 20]
        assert do(node, twice("r8"), large, tmp_path / "here")[::10_000] == [0, 20_000, 40_000, 60_000, 80_000]
    assert sorted(one.name for one in (tmp_path / "here").iterdir()) == ["b.nc"]
    assert queue.shared
    assert [one.parent.name for one in queue.shared.rglob("*.nc")] == ["given"]


def test_the_request_of_a_worker_that_is_killed_is_done_by_another(
    node: CeleryNode, queue: Queue, tmp_path: Path
) -> None:
    with worker(queue, tmp_path) as first, worker(queue, tmp_path):
        alive(node)
        found: list[list[float]] = []
        asking = threading.Thread(
            target=lambda: found.append(do(node, twice(hold=True), values(tmp_path / "a.nc", 1, 10), tmp_path / "here"))
        )
        asking.start()
        held = tmp_path / "held"
        wait_for(lambda: held.exists() and held.read_text())
        os.kill(int(held.read_text()), signal.SIGKILL)
        asking.join(60)
        assert found == [[2, 20]]
        del first


def test_a_request_that_was_begun_is_waited_for_by_who_asks_again(
    node: CeleryNode, queue: Queue, tmp_path: Path
) -> None:
    """Who waits is told to stop before any worker is there; the next who asks sends no second task."""
    given, stopping = values(tmp_path / "a.nc", 3), threading.Event()
    with worker(queue, tmp_path) as first:
        alive(node)
        os.kill(first.pid, signal.SIGSTOP)
        threading.Timer(0.2, stopping.set).start()
        with pytest.raises(HandedBack):
            node.run(twice(), {"a": given}, tmp_path, stopping)
        os.kill(first.pid, signal.SIGCONT)
        assert do(node, twice(), given, tmp_path / "here") == [6]
    assert (tmp_path / "asked").read_text() == "r7\n"


def test_a_worker_that_is_told_to_stop_gives_its_request_back(node: CeleryNode, queue: Queue, tmp_path: Path) -> None:
    given, stopping, found = values(tmp_path / "a.nc", 1), threading.Event(), list[list[float]]()
    with worker(queue, tmp_path) as first:
        alive(node)
        asking = threading.Thread(target=lambda: found.append(do(node, twice(hold=True), given, tmp_path / "here")))
        asking.start()
        wait_for(lambda: (tmp_path / "held").exists())
        with worker(queue, tmp_path):
            first.terminate()
            assert first.wait(30) == 0
            asking.join(60)
    assert found == [[2]]
    stopping.set()


def test_a_request_takes_no_longer_than_it_may(queue: Queue, tmp_path: Path) -> None:
    queue = replace(queue, seconds=1, patience=5)
    node = CeleryNode("far", queue)
    with worker(queue, tmp_path):
        alive(node)
        with pytest.raises(OperationFailed, match="took more than 1 seconds"):
            do(node, twice("long", hold=True), values(tmp_path / "a.nc", 1), tmp_path)
    node.close()


def test_nobody_waits_for_workers_that_are_not_there(node: CeleryNode, queue: Queue, tmp_path: Path) -> None:
    with pytest.raises(NodeLost, match="no worker takes from queue pileus at redis://127"):
        node.capabilities()
    with pytest.raises(NodeLost, match="no worker takes"):
        do(node, twice(), values(tmp_path / "a.nc", 1), tmp_path)


def test_a_broker_that_is_not_there_is_a_lost_node_without_its_password(tmp_path: Path) -> None:
    node = CeleryNode("far", Queue("redis://:secret@127.0.0.1:1/0", "redis://:secret@127.0.0.1:1/0"))
    with pytest.raises(NodeLost, match="cannot be reached") as caught:
        do(node, twice(), values(tmp_path / "a.nc", 1), tmp_path)
    assert "secret" not in str(caught.value)
    node.close()


def test_a_large_file_does_not_go_through_the_broker(queue: Queue, tmp_path: Path) -> None:
    node = CeleryNode("far", replace(queue, shared=None))
    large = values(tmp_path / "a.nc", *map(float, range(50_000)))
    with pytest.raises(DocumentError, match="name a folder that the workers share in `shared`"):
        do(node, twice(), large, tmp_path)
    node.close()


def test_a_pickle_is_not_read_and_the_worker_goes_on(node: CeleryNode, queue: Queue, tmp_path: Path) -> None:
    """A message with a content type that Celery would run is refused: nothing of it is run."""
    ran = tmp_path / "ran"
    body = base64.b64encode(pickle.dumps(Harm(str(ran)))).decode()
    properties = {"body_encoding": "base64", "delivery_tag": "1", "delivery_info": {"exchange": "", "routing_key": ""}}
    message = {
        "body": body,
        "content-type": "application/x-python-serialize",
        "content-encoding": "binary",
        "headers": {"task": "pileus.run", "id": "1", "lang": "py"},
        "properties": properties,
    }
    with Redis.from_url(queue.broker) as redis:
        redis.lpush(queue.name, json.dumps(message))
    with worker(queue, tmp_path):
        alive(node)
        assert do(node, twice(), values(tmp_path / "a.nc", 4), tmp_path / "here") == [8]
    assert not ran.exists()


def test_a_message_names_no_file_outside_of_the_shared_folder(tmp_path: Path) -> None:
    shared, good = tmp_path / "shared", f"given/{'0' * 64}.nc"
    (shared / "given").mkdir(parents=True)
    (tmp_path / "secret.nc").write_bytes(b"x")
    for name in ("../secret.nc", "/etc/passwd", "given/../../secret.nc", "made/x.nc", ""):
        with pytest.raises(DocumentError, match="expected a file of the shared folder"):
            brought({"a": {"file": name}}, shared, tmp_path, made=False)
    with pytest.raises(DamagedObject, match="do both sides share it"):
        brought({"a": {"file": good}}, shared, tmp_path, made=False)
    (shared / good).symlink_to(tmp_path / "secret.nc")
    with pytest.raises(DamagedObject):
        brought({"a": {"file": good}}, shared, tmp_path, made=False)
    for wrong in (3, {"a": 3}, {"a": {"inline": "%"}}, {"a": {"inline": 3}}):
        with pytest.raises(DocumentError):
            brought(wrong, shared, tmp_path, made=False)


def test_the_id_of_a_task_is_that_of_its_request_and_files() -> None:
    document = twice().to_json()
    assert task_id(document, {"a": "0"}) == task_id(dict(reversed(document.items())), {"a": "0"})
    assert len({task_id(document, {"a": "0"}), task_id(document, {"a": "1"}), task_id(twice("r9").to_json(), {})}) == 3


def test_the_settings_name_the_broker(tmp_path: Path) -> None:
    settings = read_settings({"far": {"type": "celery", "broker": "redis://127.0.0.1:1/0", "queue.name": "q"}})
    node = celery_node(settings.nodes[0])
    assert node._queue.name == "q"
    for wrong in ({}, {"broker": "amqp://127.0.0.1/"}):
        with pytest.raises(DocumentError, match="required"):
            celery_node(read_settings({"far": {"type": "celery", **wrong}}).nodes[0])


def test_a_stack_takes_the_place_of_the_cluster_by_one_word() -> None:
    section = {"type": "celery", "broker": "redis://127.0.0.1:1/0", "queue_name": "q", "shared": "s", "patience": 5}
    assert read_settings({"far": section}).nodes[0].unused == ()
    cloud = read_settings({"far": {**section, "type": "queue"}}).nodes[0]
    assert cloud.type == "queue"
    assert set(cloud.unused) == {"broker", "queue_name", "shared", "patience"}


def test_the_absence_of_redis_is_a_sentence_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spec.support.broker.install", lambda: "no apt-get here")
    with pytest.raises(pytest.skip.Exception, match=f"{MISSING}: no apt-get here"), redis_server(tmp_path):
        pass


def test_a_node_started_by_its_settings_does_the_requests_of_another(broker: str, tmp_path: Path) -> None:
    """`pileus node start` for a worker, and a node that names its queue: a mean of 1 and 3."""
    section = f"type = celery\nbroker = {broker}\nqueue_name = by-settings\nshared = shared\npatience = 10\n"
    (tmp_path / "shared").mkdir()
    (tmp_path / "worker.ini").write_text(
        f"[stratus]\n{section}\n[own]\ntype = endpoint\nmodule = pileus.stratus.builtin\nat_once = 1\n"
    )
    (tmp_path / "front.ini").write_text(f"[cluster]\n{section}")
    request = StratusRequest.from_json(
        {
            "rid": "settings",
            "input": [{"name": "v:a", "uri": "given:a"}],
            "operation": [{"name": "pileus:mean", "input": "a", "axis": "x", "result": "b"}],
            "outputs": ["b"],
        }
    )
    command = [sys.executable, "-u", "-m", "pileus", "node", "start", "worker.ini"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith(b"takes requests from queue by-settings")
            node = celery_node(read_settings(tmp_path / "front.ini").nodes[0])
            alive(node)
            made = node.run(request, {"a": values(tmp_path / "a.nc", 1, 3)}, tmp_path, threading.Event())
            node.close()
        finally:
            process.terminate()
            assert process.wait(30) == 0
    with xarray.open_dataset(made["b"], engine="h5netcdf") as data:
        assert float(data["v"]) == 2
