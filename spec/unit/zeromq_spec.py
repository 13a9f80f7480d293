"""ZeroMQ: requests, files and results go over; who stops, is silent or is gone holds nobody."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from pileus.errors import Conflict, DocumentError, HandedBack, NotFound, UsageError
from pileus.nodes.node import NodeLost
from pileus.nodes.route import Patience, Route
from pileus.nodes.service_node import ServiceNode
from pileus.nodes.zeromq_files import Coming, Sending
from pileus.nodes.zeromq_messages import PIECE, Ask, answer_of, ask_frames, ask_of
from pileus.nodes.zeromq_server import THREADS, Listen
from pileus.nodes.zeromq_service import Address, ZeromqService
from pileus.stratus.request import StratusRequest
from spec.support.answering import Answering, answering
from spec.support.nodes import HandNode, WaitingNode, read, values
from spec.support.zeromq import listening

pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]
TWICE_AND_SUM = {
    "rid": "r7",
    "outputs": ["c"],
    "input": [{"name": "v:a", "uri": "given:a"}],
    "operation": [
        {"name": "x:twice", "input": "a", "result": "b"},
        {"name": "x:sum", "input": "a,b", "result": "c"},
    ],
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Answering]:
    (tmp_path / "there").mkdir()
    with answering(HandNode("x", ["x"]), tmp_path / "there") as made:
        yield made


def node_at(at: Listen) -> ServiceNode:
    service = ZeromqService(Address(at.host, at.request_port))
    return ServiceNode("far", service, service.close)


def do(node: ServiceNode, document: dict[str, object], given: dict[str, Path], folder: Path) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    return dict(node.run(StratusRequest.from_json(document), given, folder, threading.Event()))


def test_a_request_goes_over_with_its_file_and_its_result_comes_back(service: Answering, tmp_path: Path) -> None:
    with listening(service) as at:
        node = node_at(at)
        made = do(node, TWICE_AND_SUM, {"a": values(tmp_path / "a.nc", 1, 10)}, tmp_path / "here")
        assert [one.pattern for one in node.capabilities()] == ["x:sum", "x:twice", "x:less"]
        node.close()
    assert {name: path.relative_to(tmp_path / "here") for name, path in made.items()} == {"c": Path("c.nc")}
    assert read(made["c"]) == [3, 30]
    assert sorted(one.name for one in (tmp_path / "here").iterdir()) == ["c.nc"]


def test_a_file_of_several_pieces_goes_over_whole(service: Answering, tmp_path: Path) -> None:
    numbers = [float(one) for one in range(400_000)]
    given = values(tmp_path / "a.nc", *numbers)
    assert given.stat().st_size > 3 * PIECE
    with listening(service) as at:
        node = node_at(at)
        made = do(node, TWICE_AND_SUM, {"a": given}, tmp_path / "here")
        node.close()
    assert read(made["c"])[::100_000] == [0, 300_000, 600_000, 900_000]


def test_what_a_service_says_is_the_same_here_and_there(service: Answering, tmp_path: Path) -> None:
    uri = service.upload(values(tmp_path / "a.nc", 5).open("rb"))
    request = StratusRequest.from_json({**TWICE_AND_SUM, "cid": "me", "input": [{"name": "v:a", "uri": uri}]})
    with listening(service) as at:
        far = ZeromqService(Address(at.host, at.request_port))
        assert far.start(request).rid == "r7"
        for thread in service.threads:
            thread.join()
        assert far.start(request) == far.find("r7") == service.find("r7") == far.list()[0] == far.list("me", 1)[0]
        with pytest.raises(Conflict, match="r7"):
            far.start(StratusRequest.from_json({**TWICE_AND_SUM, "cid": "you"}))
        assert far.stop("r7").state.ended
        far.delete("r7")
        with pytest.raises(NotFound):
            far.find("r7")
        assert far.list() == ()
        far.close()


def test_what_the_operation_raises_there_is_told_here(service: Answering, tmp_path: Path) -> None:
    service.node._error = DocumentError("axis: there is none")  # type: ignore[attr-defined]
    with listening(service) as at:
        node = node_at(at)
        with pytest.raises(DocumentError, match="axis: there is none"):
            do(node, TWICE_AND_SUM, {"a": values(tmp_path / "a.nc", 1)}, tmp_path / "here")
        with pytest.raises(DocumentError, match="circle"):
            do(node, {"operation": [{"name": "x:sum", "input": "a", "result": "a"}]}, {}, tmp_path / "here")
        node.close()


def test_a_request_over_a_node_here_and_one_there_that_dies_once(tmp_path: Path) -> None:
    """Twice there, a sum here, twice there: of 1 and 10 comes (2 + 1) * 2 and (20 + 10) * 2."""
    request = StratusRequest.from_json(
        {
            "rid": "both",
            "input": [{"name": "v:a", "uri": "given:a"}],
            "operation": [
                {"name": "far:twice", "input": "a", "result": "b"},
                {"name": "near:sum", "input": "a,b", "result": "c"},
                {"name": "far:twice", "input": "c", "result": "d"},
            ],
        }
    )
    far, near = HandNode("far", ["far"], dies=1), HandNode("near", ["near"])
    with answering(far, tmp_path) as service, listening(service) as at:
        route = Route([near, node_at(at)], patience=Patience(tries=3, pause=0.01))
        made = route.run(request, {"a": values(tmp_path / "a.nc", 1, 10)}, tmp_path / "here", threading.Event())
        route.close()
        assert read(made["d"]) == [6, 60]
        assert ([one.rpartition("-")[0] for one in far.asked], near.asked) == (
            ["both-0", "both-0", "both-2"],
            ["both-1"],
        )
        assert service.list() == ()


def test_a_node_that_nobody_serves_is_lost(tmp_path: Path) -> None:
    node = ServiceNode("far", ZeromqService(Address("127.0.0.1", 1, patience=0.3)))
    with pytest.raises(NodeLost, match=r"no answer within 0\.3 s"):
        node.capabilities()
    node.close()


def test_who_is_told_to_stop_hands_back_while_the_node_works(tmp_path: Path) -> None:
    waiting, stopping = WaitingNode("x", ["x"]), threading.Event()
    with answering(waiting, tmp_path) as service, listening(service) as at:
        node = node_at(at)
        threading.Thread(target=lambda: (waiting.begun.wait(20), stopping.set()), daemon=True).start()
        request = StratusRequest.from_json({"rid": "w", "operation": [{"name": "x:sum"}]})
        with pytest.raises(HandedBack):
            node.run(request, {}, tmp_path, stopping)
        node.close()


def asked(socket: "zmq.Socket[bytes]", text: str, *more: bytes) -> dict[str, object]:
    """What is answered to a message; its error too."""
    socket.send_multipart([text.encode(), *more])
    assert socket.poll(10_000)
    return dict(json.loads(socket.recv_multipart()[0].partition(b"!")[2]))


def test_the_words_of_stratus_are_understood(service: Answering, tmp_path: Path) -> None:
    """As a client that was not written here says them, over a socket of its own."""
    uri = service.upload(values(tmp_path / "a.nc", 5).open("rb"))
    spec = {"input": [{"name": "v:a", "uri": uri}], "operation": [{"name": "x.twice", "input": ["a"], "result": "b"}]}
    with (
        listening(service) as at,
        zmq.Context() as context,
        context.socket(zmq.REQ) as socket,
        context.socket(zmq.SUB) as published,
    ):
        published.subscribe(b"r1")
        published.connect(f"tcp://{at.host}:{at.response_port}")
        socket.connect(f"tcp://{at.host}:{at.request_port}")
        assert asked(socket, "r0!epas") == {"epas": ["x"]}
        assert asked(socket, "r1!status!{}")["kind"] == "NotFound"
        assert asked(socket, f"r1!exe!{json.dumps(spec)}")["rid"] == "r1"
        heard = heard_until_the_result(published)
        assert asked(socket, "r1!status")["status"] == "completed"
        assert [one["rid"] for one in asked(socket, "!list!")["requests"]] == ["r1"]  # type: ignore[attr-defined]
        assert asked(socket, "r1!delete") == {}
        assert asked(socket, "r1!result!{}")["kind"] == "NotFound"
        assert asked(socket, "r1!shutdown")["kind"] == "DocumentError"
    (tmp_path / "heard.nc").write_bytes(heard)
    assert read(tmp_path / "heard.nc") == [10]


def heard_until_the_result(published: "zmq.Socket[bytes]") -> bytes:
    """The bytes of the result that was published, after that the request was completed."""
    states, result = [], b""
    while published.poll(10_000):
        topic, header, *piece = published.recv_multipart()
        told = json.loads(header)
        if topic == b"r1!status":
            states.append(told["status"])
            continue
        assert (topic, states[-1]) == (b"r1!result", "completed")
        result += piece[0]
        if told["last"]:
            return result
    raise AssertionError(states)


def test_clients_that_are_silent_or_do_not_read_hold_nobody(service: Answering) -> None:
    """More of them than there are threads: half send the half of a message, half send many and read no answer."""
    with listening(service) as at, zmq.Context() as context:
        silent = []
        for number in range(THREADS * 4):
            one = context.socket(zmq.DEALER)
            one.setsockopt(zmq.LINGER, 0)
            one.connect(f"tcp://{at.host}:{at.request_port}")
            if number % 2:
                one.send(b"", zmq.SNDMORE)
            else:
                for _ in range(50):
                    one.send_multipart([b"", b"!capabilities"])
            silent.append(one)
        node = node_at(at)
        assert len(node.capabilities()) == 3
        node.close()
        for one in silent:
            one.close()


def test_only_this_machine_is_served_without_keys() -> None:
    with pytest.raises(UsageError, match="without keys a ZeroMQ node listens on this machine alone"):
        Listen("0.0.0.0")


def test_questions_and_frames_are_inverses() -> None:
    ask = Ask("r1", "upload", {"size": 3, "text": "a!b"}, b"abc")
    assert ask_of(ask_frames(ask)) == ask
    with pytest.raises(NotFound, match="gone"):
        answer_of([b'r1!{"error": "gone", "kind": "NotFound"}'])


def test_a_piece_can_be_asked_for_again_and_none_is_left_out() -> None:
    sending = Sending()
    id = sending.begin(iter([b"x" * PIECE + b"y", b"z"]))
    assert [sending.piece(id, 0), sending.piece(id, 0)] == [(b"x" * PIECE, False)] * 2
    with pytest.raises(Conflict):
        sending.piece(id, 2)
    assert [sending.piece(id, 1), sending.piece(id, 2), sending.piece(id, 2)] == [(b"y", False), *[(b"z", True)] * 2]
    with pytest.raises(Conflict):
        sending.piece(id, 3)
    with pytest.raises(NotFound):
        sending.piece("0", 0)
    assert sending.piece(sending.begin(iter([])), 0) == (b"", True)


def test_a_file_that_comes_in_pieces_is_whole_or_is_not_there(tmp_path: Path) -> None:
    coming, id = Coming(tmp_path), "ab" * 16
    assert coming.take(id, 5, 0, b"abc") == (3, None)
    with pytest.raises(Conflict, match="byte 3 of 5 follows"):
        coming.take(id, 5, 0, b"abc")
    for wrong in ((id, 5, 3, b""), (id, 5, 3, b"abc"), ("../x", 5, 0, b"a"), (id, 0, 0, b"a")):
        with pytest.raises(DocumentError):
            coming.take(*wrong)
    length, whole = coming.take(id, 5, 3, b"de")
    assert (length, whole and whole.read_bytes()) == (5, b"abcde")
