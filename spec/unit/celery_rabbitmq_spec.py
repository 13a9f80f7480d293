"""Celery over a real RabbitMQ, with a real Redis for what comes of requests."""

import os
import pickle
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kombu import Connection

from pileus.nodes.celery_node import CeleryNode, celery_node
from pileus.nodes.celery_queue import Queue
from pileus.nodes.node import NodeLost
from pileus.nodes.settings import read_settings
from pileus.stratus.request import StratusRequest
from spec.support.broker import Harm, rabbitmq_server, redis_server, wait_for, worker
from spec.support.nodes import read, values

pytestmark = [pytest.mark.unit, pytest.mark.timeout(200)]


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with (
        rabbitmq_server(tmp_path_factory.mktemp("rabbitmq")) as broker,
        redis_server(tmp_path_factory.mktemp("redis")) as backend,
    ):
        yield broker, backend


@pytest.fixture
def queue(brokers: tuple[str, str], tmp_path: Path) -> Queue:
    (tmp_path / "shared").mkdir()
    return Queue(*brokers, shared=tmp_path / "shared", patience=4)


@pytest.fixture
def node(queue: Queue) -> Iterator[CeleryNode]:
    made = CeleryNode("far", queue)
    yield made
    made.close()


def twice(rid: str, **parameters: object) -> StratusRequest:
    operation = {"name": "x:twice", "input": "a", "result": "b", **parameters}
    return StratusRequest.from_json(
        {"rid": rid, "input": [{"name": "v:a", "uri": "given:a"}], "operation": [operation], "outputs": ["b"]}
    )


def alive(node: CeleryNode) -> None:
    def told() -> bool:
        try:
            return bool(node.capabilities())
        except NodeLost:
            return False

    wait_for(told)


def do(node: CeleryNode, request: StratusRequest, given: Path, folder: Path) -> list[float]:
    folder.mkdir(exist_ok=True)
    return read(node.run(request, {"a": given}, folder, threading.Event())["b"])


def test_a_request_is_done_by_a_worker_with_its_files(node: CeleryNode, queue: Queue, tmp_path: Path) -> None:
    small, large = values(tmp_path / "small.nc", 1, 10), values(tmp_path / "large.nc", *map(float, range(50_000)))
    with worker(queue, tmp_path):
        alive(node)
        assert do(node, twice("small"), small, tmp_path / "here") == [2, 20]
        assert do(node, twice("large"), large, tmp_path / "here")[-1] == 99_998


def test_the_request_of_a_worker_that_is_killed_is_done_by_another(
    node: CeleryNode, queue: Queue, tmp_path: Path
) -> None:
    with worker(queue, tmp_path), worker(queue, tmp_path):
        alive(node)
        found: list[list[float]] = []
        given = values(tmp_path / "a.nc", 1, 10)
        asking = threading.Thread(
            target=lambda: found.append(do(node, twice("killed", hold=True), given, tmp_path / "here"))
        )
        asking.start()
        held = tmp_path / "held"
        wait_for(lambda: held.exists() and held.read_text())
        os.kill(int(held.read_text()), signal.SIGKILL)
        asking.join(60)
    assert found == [[2, 20]]


def test_a_pickle_is_not_read_and_the_worker_goes_on(node: CeleryNode, queue: Queue, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with worker(queue, tmp_path):
        alive(node)
        with Connection(queue.broker) as connection:
            connection.Producer().publish(
                pickle.dumps(Harm(str(ran))),
                routing_key=queue.name,
                content_type="application/x-python-serialize",
                content_encoding="binary",
                headers={"task": "pileus.run", "id": "1", "lang": "py"},
            )
        assert do(node, twice("after"), values(tmp_path / "a.nc", 4), tmp_path / "here") == [8]
    assert not ran.exists()


def test_a_broker_that_is_not_there_is_a_lost_node_without_its_password(node: CeleryNode, queue: Queue) -> None:
    gone = CeleryNode("far", replace(queue, broker="amqp://anna:secret@127.0.0.1:1//", name="gone"))
    with pytest.raises(NodeLost) as caught:
        gone._send("0" * 32, {}, 0)
    assert "cannot be reached" in str(caught.value)
    assert "secret" not in str(caught.value)
    gone.close()


def test_the_settings_name_both(brokers: tuple[str, str]) -> None:
    broker, backend = brokers
    section = {"type": "celery", "broker": broker, "backend": backend}
    made = celery_node(read_settings({"far": section}).nodes[0])
    assert (made._queue.broker, made._queue.backend) == (broker, backend)
    assert "guest" not in made._queue.where
    made.close()
