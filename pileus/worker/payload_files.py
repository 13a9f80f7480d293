"""Our two containers beside that of an image on ECS: `bring` writes its payload to the shared volume, `take` uploads
its answer. They have no credentials: the ticket at an address that they are told has signed addresses of both objects.

    python -m pileus.worker.payload_files bring
    python -m pileus.worker.payload_files take
"""

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from pileus.edges.ecs_tasks import BRING, THEIRS
from pileus.pace import Pace, Threads
from pileus.worker.child_process import TaskFailed
from pileus.worker.container_payloads import INSIDE, written

TICKET = "PILEUS_TICKET"
"""Environment variable with the ticket's address."""
METADATA = "ECS_CONTAINER_METADATA_URI_V4"
"""Environment variable of every container of ECS: where the agent tells of its task."""
RENEW = 60
"""Seconds between two tickets."""
LEASE = 300
"""Seconds without a new ticket after which nobody waits for the answer."""
EXPIRED, NO_ANSWER, TOO_LONG, ABANDONED, REFUSED = 3, 4, 5, 6, 7
"""Exit statuses: an address was not good any more; nothing can be an answer; it is too long; nobody has renewed the
ticket; S3 or the agent does not answer.
"""
PAUSES = (0.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each try of a request."""
PIECE = 1 << 20


class Failed(Exception):
    """Why it ends; `status`: the exit status that says so."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def bring(environ: Mapping[str, str], folders: tuple[Path, Path] = (Path(INSIDE), Path("/tmp"))) -> None:
    """Write the payload to the volume, and make the folders that the image's user may write to. `folders`: that of the
    payload, and the one for temporary files.
    """
    inside, temporary = folders
    ticket = _read(environ[TICKET]).json()
    answer = _read(ticket["input"], stream=True)
    with (inside / "input.json").open("wb") as file:
        for piece in answer.iter_content(PIECE):
            file.write(piece)
    (inside / "input.json").chmod(0o444)
    for folder in (inside / "work", inside / "tmp"):
        folder.mkdir()
        folder.chmod(0o777)
    inside.chmod(0o777)
    temporary.chmod(0o1777)


def take(
    environ: Mapping[str, str],
    inside: Path = Path(INSIDE),
    *,
    poll: float = 1.0,
    pace: Pace | None = None,
) -> None:
    """Wait until the image's container has ended, and upload its answer. The ticket is renewed meanwhile."""
    pace, never = pace or Threads(), threading.Event()
    ticket = _read(environ[TICKET]).json()
    renewed = looked = pace.clock()
    while _status(environ[METADATA]) != "STOPPED":
        pace.wait(never, poll)
        if pace.clock() - looked < RENEW / 2:
            continue
        found, looked = _read(ticket["ticket"]).json(), pace.clock()
        if found["number"] != ticket["number"]:
            ticket, renewed = found, looked
        elif looked - renewed > LEASE:
            raise Failed(ABANDONED, "nobody waits for it any more")
    try:
        answer = written(inside / "output.json", THEIRS)
    except TaskFailed as failed:
        raise Failed(TOO_LONG if failed.kind == "AnswerTooLong" else NO_ANSWER, failed.message) from failed
    _asked("PUT", _read(ticket["ticket"]).json()["output"], data=answer)


def _status(metadata: str) -> str:
    """Return what the agent knows of the image's container; empty where it has not made it yet."""
    told: dict[str, Any] = _asked("GET", f"{metadata}/task").json()
    return next((str(one.get("KnownStatus")) for one in told["Containers"] if one["Name"] == THEIRS), "")


def _read(address: str, *, stream: bool = False) -> requests.Response:
    return _asked("GET", address, stream=stream)


def _asked(method: str, address: str, *, data: bytes | None = None, stream: bool = False) -> requests.Response:
    """Return a good answer. Raises Failed."""
    why = ""
    for pause in PAUSES:
        time.sleep(pause)
        try:
            answer = requests.request(method, address, data=data, stream=stream, timeout=60)
        except requests.RequestException as exc:
            why = type(exc).__name__  # its text has the address, which is signed
            continue
        if answer.ok:
            return answer
        why = f"HTTP {answer.status_code}"
        if answer.status_code in (400, 403):  # S3 says 400 of the token of credentials that have expired
            raise Failed(EXPIRED, f"the address is not good any more: {why}")
    raise Failed(REFUSED, f"no answer after {len(PAUSES)} tries: {why}")


def main(does: str) -> int:
    """Return the exit status."""
    try:
        if does == BRING:
            bring(os.environ)
        else:
            take(os.environ)
    except Failed as failed:
        sys.stderr.write(json.dumps({"level": "ERROR", "message": str(failed)}) + "\n")
        return failed.status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
