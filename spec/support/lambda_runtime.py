"""Lambda's runtime API on the loopback interface, and the real client of it: a function's own process, fed with events.

The runtime API is four calls: next event, answer, failure, failure at the start.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

START, LATEST = "/2018-06-01/runtime/init/error", "/2018-06-01/runtime/invocation/"
SECONDS = 60.0
"""After which an invocation has failed."""
Command = Callable[[Mapping[str, str]], Sequence[str]]
"""Returns a command from the environment that the function should have."""


@dataclass
class Function:
    """A function that runs."""

    name: str
    log: Path
    events: "queue.Queue[tuple[str, Any] | None]" = field(default_factory=queue.Queue)
    answers: "queue.Queue[tuple[str, str, Any]]" = field(default_factory=queue.Queue)
    """Id, `response` or `error`, and what came."""
    count: int = 0

    def __call__(self, event: Any) -> Any:
        """Invoke it once, and wait for its answer. Fails when it fails."""
        self.count += 1
        id = f"00000000-0000-0000-0000-{self.count:012}"
        self.events.put((id, event))
        try:
            of, kind, answer = self.answers.get(timeout=SECONDS)
        except queue.Empty:
            raise AssertionError(f"no answer in {SECONDS} s\n{self.log.read_text()[-3000:]}") from None
        assert (of, kind) == (id, "response"), f"{kind}: {answer}\n{self.log.read_text()[-3000:]}"
        return answer


def here(handler: str) -> Command:
    """Return the image's command, with the Python of the specs."""
    return lambda environ: [sys.executable, "-m", "awslambdaric", handler]


@contextmanager
def running(name: str, command: Command, environ: Mapping[str, str], log: Path) -> Iterator[Function]:
    """Run a function. It is stopped at the end."""
    function = Function(name, log)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(function))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    own = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "2048",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "spec",
    }
    with log.open("wb") as written:
        given = dict(environ) | own
        process = subprocess.Popen(
            command(given), env=os.environ | given, cwd="/", stdout=written, stderr=subprocess.STDOUT
        )
        try:
            yield function
        finally:
            process.terminate()
            function.events.put(None)
            process.wait(20)
            server.shutdown()
            thread.join(10)
            server.server_close()


def _handler(function: Function) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = function.events.get() if self.path == f"{LATEST}next" else None
            if found is None:  # the function is gone, or asks for what there is not
                self.close_connection = True
                return
            id, event = found
            body = json.dumps(event).encode()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", id)
            self.send_header("Lambda-Runtime-Deadline-Ms", "9999999999999")
            arn = f"arn:aws:lambda:us-east-1:000000000000:function:{function.name}"
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", arn)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            came = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
            id, _, kind = self.path.removeprefix(LATEST).partition("/")
            id, kind = (f"{'0' * 8}-0000-0000-0000-{function.count:012}", "error") if self.path == START else (id, kind)
            function.answers.put((id, kind, came))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
