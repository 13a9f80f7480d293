"""1,000 bad messages to a ZeroMQ node: each gets an error for an answer, and the node goes on."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from pileus.nodes.zeromq_messages import KINDS, LARGEST, PIECE
from pileus.nodes.zeromq_server import Listen
from spec.support.answering import Answering, answering
from spec.support.nodes import HandNode
from spec.support.zeromq import listening

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]
MESSAGES = 1000
GOOD = b'r1!exe!{"operation": [{"name": "x:sum", "input": "a"}], "input": [{"name": "v:a", "uri": "value:00"}]}'
WORDS: list[object] = [None, True, -1, 1e300, "", "\ud800", "x" * 10_000, [], {}, [[]], {"a": {"b": [1]}}]
KEYS = ["rid", "operation", "input", "domain", "id", "number", "size", "offset", "name", "form", "limit", "cid", "x:y"]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Answering]:
    with answering(HandNode("x", ["x"]), tmp_path) as made:
        yield made


def bad(dice: random.Random) -> list[bytes]:
    """A message that is wrong somewhere: its bytes, its frames, its type, its JSON or what that says."""
    kind = dice.choice(KINDS)
    value = {dice.choice(KEYS): dice.choice(WORDS) for _ in range(dice.randint(1, 5))} | {"operation": 3, "limit": "3"}
    spoiled = bytearray(GOOD)
    for _ in range(dice.randint(1, 8)):
        spoiled[dice.randrange(7, len(GOOD))] = dice.randrange(256)
    return dice.choice(
        [
            [dice.randbytes(dice.randint(0, 200))],
            [b"r1!" + kind.encode() + b"!" + dice.randbytes(30)],
            [f"r1!{kind[::-1]}!{{}}".encode()],
            [f"{'r' * 65}!{kind}!{{}}".encode()],
            [f"r1!{kind}!".encode() + b"[" * dice.randint(1, 100_000)],
            [f"r1!exe!{json.dumps(value)}".encode()],
            [f"r1!{dice.choice(['list', 'piece', 'upload', 'exe'])}!{json.dumps(value)}".encode(), b"x"],
            [bytes(spoiled[: dice.randrange(4, len(GOOD) - 1)])],
            [GOOD, b"x" * dice.randint(0, 10), b""],
            [GOOD, b"x" * (PIECE + 1)],
            [b"r1!exe!" + GOOD[7:-1] + b', "operation": 1}'],
        ]
    )


def test_each_of_1000_bad_messages_gets_an_error_and_nothing_is_started(service: Answering) -> None:
    dice = random.Random(7)
    with listening(service) as at, zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(f"tcp://{at.host}:{at.request_port}")
        for number in range(MESSAGES):
            message = bad(dice)
            socket.send_multipart(message)
            assert socket.poll(20_000), (number, message)
            (answer,) = socket.recv_multipart()
            assert b'!{"error": "' in answer, (number, message, answer)
            assert len(answer) < 4000
        assert not service.kept
        assert_answers(at)


def test_frames_that_no_client_sends_do_not_end_it(service: Answering) -> None:
    """Without the empty frame, with many of them, and too long: of this one the connection is closed."""
    with listening(service) as at, zmq.Context() as context:
        for message in ([b""], [b"", b"", b""], [b"x"], [b"!epas"], [b"", b"x" * (LARGEST + 1)], [b""] * 1000):
            with context.socket(zmq.DEALER) as socket:
                socket.setsockopt(zmq.LINGER, 0)
                socket.connect(f"tcp://{at.host}:{at.request_port}")
                socket.send_multipart(message)
                socket.poll(300)
            assert_answers(at)


def assert_answers(at: Listen) -> None:
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(f"tcp://{at.host}:{at.request_port}")
        socket.send(b"!epas")
        assert socket.poll(20_000)
        assert socket.recv() == b'!{"epas": ["x"]}'
