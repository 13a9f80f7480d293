"""Our containers beside that of an image on ECS: what they read and write, with nothing but addresses."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pileus.worker import payload_files
from pileus.worker.payload_files import (
    ABANDONED,
    EXPIRED,
    LEASE,
    NO_ANSWER,
    REFUSED,
    TOO_LONG,
    Failed,
    bring,
    main,
    take,
)
from spec.support.quick import Quick


class Server:
    """S3 and the agent: objects by path, and what the agent knows of the image's container, one state after the other.

    `gone`: statuses that a path answers with. `every`: after so many reads there is another ticket; 0: never.
    """

    def __init__(self) -> None:
        self.objects, self.gone, self.states = dict[str, bytes](), dict[str, int](), ["", "RUNNING", "STOPPED"]
        self.every, self.reads = 2, 0
        self.asked = list[str]()

    def ticket(self) -> bytes:
        self.reads += 1
        names = {name: f"{self.url}/{name}?{self.tickets}" for name in ("ticket", "input", "output")}
        return json.dumps(names | {"number": str(self.tickets)}).encode()

    def agent(self) -> bytes:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        made = [{"Name": "take", "KnownStatus": "RUNNING"}, {"Name": "task", "KnownStatus": state}]
        return json.dumps({"Containers": made[: 2 if state else 1]}).encode()

    url = ""

    @property
    def tickets(self) -> int:
        """How many there have been."""
        return self.reads // self.every if self.every else 0

    def environ(self) -> dict[str, str]:
        return {"PILEUS_TICKET": f"{self.url}/ticket?0", "ECS_CONTAINER_METADATA_URI_V4": f"{self.url}/v4/1"}


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.partition("?")[0]
            server.asked.append(self.path)
            made = {"/ticket": server.ticket, "/v4/1/task": server.agent}.get(name)
            body = made() if made else server.objects.get(name, b"")
            self._answer(server.gone.get(name, 200), body)

        def do_PUT(self) -> None:
            server.asked.append(self.path)
            name = self.path.partition("?")[0]
            server.objects[name] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(payload_files, "PAUSES", (0.0, 0.0))
    with serving(Server()) as made:
        yield made


def folders(tmp_path: Path) -> tuple[Path, Path]:
    found = tmp_path / "payload", tmp_path / "temporary"
    for folder in found:
        folder.mkdir(mode=0o755)
    return found


def test_a_payload_is_brought_into_folders_that_another_user_may_write_to(server: Server, tmp_path: Path) -> None:
    server.objects["/input"] = b'{"a": 1}'
    inside, temporary = folders(tmp_path)
    bring(server.environ(), (inside, temporary))
    assert (inside / "input.json").read_bytes() == b'{"a": 1}'
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [*inside.iterdir(), inside, temporary]}
    assert modes == {"input.json": 0o444, "work": 0o777, "tmp": 0o777, "payload": 0o777, "temporary": 0o1777}


def test_an_answer_is_put_when_the_image_s_container_has_ended_at_the_newest_address(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "output.json").write_bytes(b'{"b": 2}')
    server.states, pace = ["", *["RUNNING"] * 100, "STOPPED"], Quick()
    take(server.environ(), tmp_path, poll=10, pace=pace)
    assert pace.now > 2 * LEASE
    assert server.objects == {"/output": b'{"b": 2}'}
    assert server.tickets > 3
    assert [one.partition("?")[0] for one in server.asked[-3:]] == ["/v4/1/task", "/ticket", "/output"]
    assert server.asked[-1] == f"/output?{server.tickets}"


def test_a_ticket_that_nobody_renews_ends_the_task(server: Server, tmp_path: Path) -> None:
    """Its worker has died; another does the payload."""
    server.every, server.states, pace = 0, ["RUNNING"], Quick()
    with pytest.raises(Failed) as told:
        take(server.environ(), tmp_path, pace=pace)
    assert told.value.status == ABANDONED
    assert LEASE < pace.now < 2 * LEASE


@pytest.mark.parametrize("what", ["nothing", "link", "folder", "pipe"])
def test_what_can_be_no_answer_is_not_put(server: Server, tmp_path: Path, what: str) -> None:
    output = tmp_path / "output.json"
    if what == "link":
        output.symlink_to("/etc/passwd")
    elif what == "folder":
        output.mkdir(mode=0)
    elif what == "pipe":
        os.mkfifo(output)
    with pytest.raises(Failed) as told:
        take(server.environ(), tmp_path, pace=Quick())
    assert told.value.status == NO_ANSWER
    assert server.objects == {}


def test_an_answer_that_is_too_long_is_not_put(server: Server, tmp_path: Path) -> None:
    with (tmp_path / "output.json").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(Failed) as told:
        take(server.environ(), tmp_path, pace=Quick())
    assert told.value.status == TOO_LONG
    assert server.objects == {}


@pytest.mark.parametrize(("status", "ends"), [(403, EXPIRED), (400, EXPIRED), (503, REFUSED), (404, REFUSED)])
def test_an_address_that_is_not_good_is_told_by_the_exit_status_and_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, ends: int
) -> None:
    server.gone["/ticket"] = status
    for name, value in server.environ().items():
        monkeypatch.setitem(os.environ, name, value)
    assert main("bring") == ends
    shown = capsys.readouterr().err
    assert f"HTTP {status}" in shown
    assert "ticket?" not in shown


def test_a_server_that_does_not_answer_is_told_without_its_address(server: Server, tmp_path: Path) -> None:
    environ = server.environ() | {"PILEUS_TICKET": "http://127.0.0.1:1/ticket?secret"}
    with pytest.raises(Failed) as told:
        bring(environ, folders(tmp_path))
    assert told.value.status == REFUSED
    assert "secret" not in str(told.value)
