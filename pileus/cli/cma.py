"""pileus cma: the Cumulus Message Adapter's command line, in place of its zip."""

import json
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NoReturn

import typer

from pileus.cli.app import app

FUNCTION = "loadAndUpdateRemoteEvent, loadNestedEvent, createNextEvent, or stream"
END, EXIT = "<EOC>", "<EXIT>"
Call = Callable[[str, Mapping[str, Any]], Any]


@app.command("cma", epilog="Example: pileus cma stream")
def cma(function: Annotated[str, typer.Argument(help=f"{FUNCTION}.")]) -> None:
    """Do what the Cumulus Message Adapter does: one JSON object on standard input, the answer on standard output.

    For Cumulus's own clients: the object and the answer are those of the adapter's CONTRACT.md. `stream` takes many:
    each is the function's name, JSON, and a line with <EOC>; a line with <EXIT> ends it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    call = _call()
    try:
        if function == "stream":
            _stream(call)
            return
        if answer := call(function, json.loads(input())):
            sys.stdout.write(json.dumps(answer))
            sys.stdout.flush()
            return
    except LookupError as error:
        sys.stderr.write(f"Lookup error: {error}")
    except Exception as error:  # noqa: BLE001  (the contract: whatever it is, its class and text, and exit code 1)
        sys.stderr.write(f"Unexpected Error {type(error)}. {error}")
    sys.stderr.flush()
    raise typer.Exit(1)


class _Objects:
    """Objects through a client of S3, with the client's own errors: Cumulus's clients may read their text."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, url: str) -> bytes:
        from pileus.edges.store import split

        bucket, key = split(url)
        body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def put(self, url: str, body: bytes, content_type: str) -> None:
        from pileus.edges.store import split

        bucket, key = split(url)
        self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)


def _call() -> Call:
    """Return what calls a function of the adapter with one object of the contract."""
    from pileus.edges.aws import Aws
    from pileus.edges.cma import Cma

    objects = _Objects(Aws().unguarded("s3"))

    def call(function: str, given: Mapping[str, Any]) -> Any:
        adapter = Cma(objects, given.get("schemas"), say=_say)
        event = given["event"]
        if function == "loadAndUpdateRemoteEvent":
            return adapter.load_and_update_remote_event(event, given.get("context") or {})
        if function == "loadNestedEvent":
            return adapter.load_nested_event(event)
        if function == "createNextEvent":
            return adapter.create_next_event(given["handler_response"], event, given.get("message_config"))
        raise ValueError(f"Unknown function name {function}")

    return call


def _stream(call: Call) -> None:
    """Answer one object after the other, until <EXIT> or the end of the input."""
    function, text = "", ""
    for line in sys.stdin:
        said = line.rstrip("\n")
        if said == EXIT:
            return
        if said == END:
            answer = call(function, json.loads(text))
            sys.stdout.write(f"{json.dumps(answer)}\n{END}\n")
            sys.stdout.flush()
            function, text = "", ""
        elif function:
            text += said
        else:
            function = said.strip()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _leave(*_: object) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    raise SystemExit(1)
