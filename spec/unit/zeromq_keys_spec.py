"""Keys of ZeroMQ nodes: who is known gets an answer, whoever is not gets none."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from zmq.auth import load_certificate

from pileus.errors import UsageError
from pileus.nodes.node import NodeLost
from pileus.nodes.service_node import ServiceNode
from pileus.nodes.settings import read_settings
from pileus.nodes.zeromq_keys import KeyFolder
from pileus.nodes.zeromq_node import zeromq_node
from pileus.nodes.zeromq_server import Listen
from pileus.nodes.zeromq_service import Address, ZeromqService
from spec.support.answering import Answering, answering
from spec.support.nodes import HandNode, WaitingNode
from spec.support.zeromq import listening

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys")
    folder.new("server")
    folder.new("laptop")
    return folder


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Answering]:
    with answering(HandNode("x", ["x"]), tmp_path) as made:
        yield made


def client(at: Listen, own: tuple[bytes, bytes] | None, server: bytes) -> ServiceNode:
    service = ZeromqService(Address(at.host, at.request_port, 1, own, server))
    return ServiceNode("far", service, service.close)


def test_a_known_client_is_answered_and_a_stranger_is_not(service: Answering, keys: KeyFolder, tmp_path: Path) -> None:
    """Strangers: with a key of their own, with the wrong key of the server, and without any."""
    elsewhere = KeyFolder(tmp_path / "elsewhere")
    elsewhere.new("stranger")
    server, stranger = keys.public("server"), elsewhere.pair("stranger")
    with listening(service, keys=keys) as at:
        known = client(at, keys.pair("laptop"), server)
        strangers = [
            client(at, stranger, server),
            client(at, keys.pair("laptop"), elsewhere.public("stranger")),
            client(at, None, b""),
        ]
        for one in strangers:
            with pytest.raises(NodeLost, match="no answer within 1 s"):
                one.capabilities()
        assert len(known.capabilities()) == 3
        for one in (known, *strangers):
            one.close()


def test_whoever_is_removed_is_a_stranger_to_a_node_that_runs(service: Answering, keys: KeyFolder) -> None:
    own, server = keys.pair("laptop"), keys.public("server")
    with listening(service, keys=keys) as at:
        node = client(at, own, server)
        assert len(node.capabilities()) == 3
        keys.remove("laptop")
        with pytest.raises(NodeLost, match="or does not know our key"):
            node.capabilities()
        node.close()


def test_nothing_is_published_for_a_stranger(keys: KeyFolder, tmp_path: Path) -> None:
    with (
        answering(WaitingNode("x", ["x"]), tmp_path) as service,
        listening(service, keys=keys) as at,
        zmq.Context() as context,
        context.socket(zmq.SUB) as stranger,
        context.socket(zmq.SUB) as known,
        context.socket(zmq.REQ) as asks,
    ):
        for one in (known, asks):
            one.curve_publickey, one.curve_secretkey = keys.pair("laptop")
            one.curve_serverkey = keys.public("server")
        for one in (known, stranger):
            one.subscribe(b"")
            one.connect(f"tcp://{at.host}:{at.response_port}")
        asks.connect(f"tcp://{at.host}:{at.request_port}")
        number = 0
        while not known.poll(100):
            number += 1
            asks.send(b'r%d!exe!{"operation": [{"name": "x:sum"}]}' % number)
            assert asks.poll(10_000)
            asks.recv()
        assert not stranger.poll(300)


def test_the_settings_name_the_keys(service: Answering, keys: KeyFolder) -> None:
    with listening(service, keys=keys) as at:
        section = {"type": "zeromq", "host": at.host, "request_port": at.request_port, "keys": str(keys.folder)}
        settings = read_settings({"far": {**section, "key": "laptop", "server_key": "server"}})
        node = zeromq_node(settings.nodes[0])
        assert len(node.capabilities()) == 3
        node.close()
        with pytest.raises(UsageError, match="no secret key of desktop"):
            zeromq_node(read_settings({"far": {**section, "key": "desktop"}}).nodes[0])


def test_a_secret_is_for_its_owner_alone_and_others_tools_read_it(keys: KeyFolder) -> None:
    secret = keys.folder / "laptop.key_secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert load_certificate(secret) == keys.pair("laptop")
    assert load_certificate(keys.folder / "laptop.key") == (keys.public("laptop"), None)
    secret.chmod(0o644)
    with pytest.raises(UsageError, match="can be read by others"):
        keys.pair("laptop")


def test_keys_are_made_listed_and_removed(keys: KeyFolder) -> None:
    (keys.folder / "broken.key").write_bytes(b"\xff\0")
    assert [(one.name, one.secret_here) for one in keys.list()] == [("laptop", True), ("server", True)]
    with pytest.raises(UsageError, match="laptop has a key already"):
        keys.new("laptop")
    keys.remove("laptop")
    assert sorted(one.name for one in keys.folder.iterdir()) == ["broken.key", "server.key", "server.key_secret"]
    for wrong in ("laptop", "../server"):
        with pytest.raises(UsageError, match="unknown key"):
            keys.remove(wrong)
    with pytest.raises(UsageError, match="expected a name"):
        keys.new("../server")
