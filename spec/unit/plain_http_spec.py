"""Requests to an AWS on this machine: what botocore's client makes of answers that came over our own connections."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from pileus.edges.aws import Aws
from pileus.edges.plain_http import PlainHttp, is_here
from pileus.errors import StoreError

ITEM = b'{"Item": {"id": {"S": "x"}}}'


def whole(body: bytes, *headers: bytes) -> bytes:
    head = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class Server:
    """Answers each request by what `answer` returns for its number; None closes the connection."""

    def __init__(self, answer: Callable[[int], bytes | None]) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            while head := lines.readline():
                while (line := lines.readline()) != b"\r\n":
                    head += line
                size = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
                self.requests.append(head + b"\r\n" + lines.read(size))
                answer = self._answer(len(self.requests))
                if answer is None:
                    return
                connection.sendall(answer)
                if b"Connection: close" in answer:
                    return

    def close(self) -> None:
        self._socket.close()


@contextmanager
def served(answer: Callable[[int], bytes | None], patience: float = 5) -> Iterator[tuple[Server, Aws]]:
    server = Server(answer)
    try:
        yield server, Aws(f"http://127.0.0.1:{server.port}", patience=patience)
    finally:
        server.close()


def get(aws: Aws) -> object:
    return aws.dynamodb.get_item(TableName="t", Key={"id": {"S": "x"}}).get("Item")


def test_requests_one_after_the_other_share_a_connection() -> None:
    with served(lambda _: whole(ITEM)) as (server, aws):
        assert [get(aws) for _ in range(5)] == [{"id": {"S": "x"}}] * 5
    assert server.connections == 1
    assert all(b"X-Amz-Target: DynamoDB_20120810.GetItem" in request for request in server.requests)


def test_an_answer_in_chunks_or_until_the_end_is_read_whole() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n"
    ways = [
        chunked % (ITEM[:3], len(ITEM) - 3, ITEM[3:]),
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + ITEM,
        whole(ITEM, b"Connection: close"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + whole(ITEM),
    ]
    with served(lambda number: ways[number - 1]) as (_, aws):
        assert [get(aws) for _ in ways] == [{"id": {"S": "x"}}] * 4


def test_a_connection_that_the_server_has_closed_is_replaced_before_it_is_used() -> None:
    """Closed without a word, as a server does with one that was idle for long."""
    gone = threading.Event()

    def answer(number: int) -> bytes | None:
        return whole(ITEM, b"X-Last: Connection: close") if number == 1 else whole(ITEM)

    with served(answer) as (server, aws):
        get(aws)
        gone.wait(0.2)  # the end has arrived
        get(aws)
    assert (len(server.requests), server.connections) == (2, 2)


def test_a_request_whose_answer_does_not_come_or_is_cut_off_is_sent_again() -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nX-Why: Connection: close\r\n\r\n{"
    answers = [None, cut, whole(ITEM)]
    with served(lambda number: answers[number - 1]) as (server, aws):
        assert get(aws) == {"id": {"S": "x"}}
    assert len(server.requests) == 3


def test_a_server_that_is_silent_or_gone_is_told_by_errors_that_botocore_tries_again() -> None:
    gate = threading.Event()
    with served(lambda _: b"" if gate.wait(20) else None) as (server, _):
        address = f"http://127.0.0.1:{server.port}"
        sends = PlainHttp(address, patience=0.1)
        with pytest.raises(ReadTimeoutError):
            sends(AWSRequest("POST", address, data=b"{}").prepare())
        gate.set()
    free = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{free.getsockname()[1]}"
    free.close()
    with pytest.raises(EndpointConnectionError):
        PlainHttp(address, patience=0.1)(AWSRequest("POST", address, data=b"{}").prepare())


def test_a_refusal_is_told_as_by_botocore() -> None:
    body = b'{"__type": "com.amazonaws#ResourceNotFoundException", "message": "no table"}'
    refused = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with served(lambda _: refused) as (_, aws), pytest.raises(StoreError, match="no table"):
        get(aws)


def test_threads_do_not_share_a_connection_at_once() -> None:
    with served(lambda _: whole(ITEM)) as (server, aws), ThreadPoolExecutor(8) as pool:
        get(aws)
        assert list(pool.map(lambda _: get(aws), range(200))) == [{"id": {"S": "x"}}] * 200
    assert server.connections <= 9


def test_only_plain_http_on_this_machine_goes_this_way() -> None:
    assert is_here("http://localhost:4566")
    assert not is_here("http://169.254.170.2/")
    assert not is_here("https://s3.amazonaws.com")
