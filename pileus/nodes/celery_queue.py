"""A queue of Celery, from both its sides: JSON alone, nothing that its messages could make run, files apart.

What goes through the broker is small: the request, and files of up to 64 KiB. Larger files lie in a folder that both
sides share. Whoever can write to the broker can have operations done: it is as private as the workers are.
"""

import json
import time
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from re import compile as pattern
from shutil import copyfile
from tempfile import mkstemp
from typing import Any
from urllib.parse import urlsplit

from celery import Celery

from pileus.errors import DamagedObject, DocumentError
from pileus.nodes.passed import id_of
from pileus.nodes.settings import Section

RUN = "pileus.run"
QUEUE = "pileus"
SECONDS = 3600
"""Longest time of a request."""
PATIENCE = 15
"""Seconds without a sign of life of a worker after which it is taken for dead."""
INLINE = 64 << 10
"""Bytes of a file that goes through the broker."""
MOST_INLINE = 1 << 20
"""Bytes of all files of one message that go through the broker."""
SENT, AT_WORK = "SENT", "AT_WORK"
"""States of a task: it is in the queue; a worker does it, and says so every few seconds."""
GIVEN, MADE = "given", "made"
_GIVEN = pattern(r"given/[0-9a-f]{64}\.nc")
_MADE = pattern(r"made/[0-9a-f]{32}/[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\.nc")
Carried = dict[str, str]
"""A file in a message: `inline`, in base64, or `file`, its name in the shared folder."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue, and what both sides have to know of it."""

    broker: str
    backend: str
    name: str = QUEUE
    shared: Path | None = None
    seconds: int = SECONDS
    patience: int = PATIENCE

    @classmethod
    def of(cls, section: Section) -> "Queue":
        """Return the queue of a section. Raises DocumentError where it names no broker."""
        broker = section.text("broker", section.text("celery_broker_url"))
        if not broker:
            raise DocumentError(f"[{section.name}] broker: required, and missing: such as redis://127.0.0.1:6379/0")
        backend = section.text("backend", broker if broker.startswith("redis") else "")
        if not backend:
            raise DocumentError(
                f"[{section.name}] backend: required with this broker: such as redis://127.0.0.1:6379/0"
            )
        name, shared = section.text("queue_name", QUEUE), section.path("shared")
        seconds, patience = section.number("seconds", SECONDS), section.number("patience", PATIENCE)
        return cls(broker, backend, name, shared, seconds, patience)

    @property
    def where(self) -> str:
        """Return it for a person, without a password."""
        split = urlsplit(self.broker)
        return f"queue {self.name} at {split.scheme}://{split.hostname or ''}:{split.port or ''}".rstrip(":")

    @property
    def id(self) -> str:
        """Return the id of its workers, all of whom are one node: `pileus.nodes.passed.id_of`."""
        split = urlsplit(self.broker)
        place = f"{split.hostname}:{split.port}{split.path} {self.name}"
        return id_of(self.name, sha256(place.encode()).hexdigest()[:8])

    @property
    def standing(self) -> str:
        """Return the id under which its workers tell that they live, and what they can do."""
        return f"pileus-workers-{self.name}"

    def app(self) -> Celery:
        """Return Celery's own side of it. A message is put back when its worker dies before it has answered."""
        app = Celery("pileus", broker=self.broker, backend=self.backend, set_as_current=False)
        limit = 10  # seconds without an answer of the broker
        app.conf.update(
            task_serializer="json",
            result_serializer="json",
            event_serializer="json",
            accept_content=["json"],
            result_accept_content=["json"],
            task_default_queue=self.name,
            task_acks_late=True,
            task_reject_on_worker_lost=True,
            worker_prefetch_multiplier=1,
            worker_enable_remote_control=False,
            worker_hijack_root_logger=False,
            result_expires=2 * 86400,
            broker_connection_retry_on_startup=True,
            broker_connection_timeout=limit,
            redis_socket_timeout=limit,
            redis_socket_connect_timeout=limit,
            redis_retry_on_timeout=False,
            result_backend_max_retries=2,
            task_publish_retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2},
        )
        if urlsplit(self.broker).scheme in ("redis", "rediss"):
            # As late as a request may last: a message that comes back earlier is of one that goes on.
            app.conf.broker_transport_options = {
                "visibility_timeout": self.seconds + 60,
                "unacked_restore_interval": 5,
                "unacked_restore_throttle": 1,
                "socket_timeout": limit * 2,
                "socket_connect_timeout": limit,
            }
        return app


def task_id(request: Mapping[str, Any], given: Mapping[str, str]) -> str:
    """Return the id of a task: the same for the same request over the same files. `given`: SHA-256 by input."""
    return sha256(json.dumps([given, request], sort_keys=True).encode()).hexdigest()[:32]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def carry(files: Mapping[str, Path], names: Mapping[str, str], shared: Path | None) -> dict[str, Carried]:
    """Return files as a message carries them; large ones are copied into the shared folder, under `names` of it.

    Raises DocumentError for a large one where there is no shared folder.
    """
    carried, left = dict[str, Carried](), MOST_INLINE
    for id, path in files.items():
        size = path.stat().st_size
        if size <= min(INLINE, left):
            left -= size
            carried[id] = {"inline": b64encode(path.read_bytes()).decode()}
        elif shared is None:
            raise DocumentError(
                f"{id}: a file of {size:,} bytes does not go through a broker ({INLINE:,} do, of all together "
                f"{MOST_INLINE:,}): name a folder that the workers share in `shared`"
            )
        else:
            carried[id] = {"file": names[id]}
            _copy(path, shared / names[id])
    return carried


def _copy(path: Path, to: Path) -> None:
    """Copy a file; it has its name when it is whole."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if to.parent.name == GIVEN and to.exists():
        to.touch()
        return
    number, part = mkstemp(dir=to.parent, suffix=".part")
    with open(number, "wb"):  # noqa: PTH123 - a descriptor
        copyfile(path, part)
    Path(part).replace(to)


def brought(carried: Any, shared: Path | None, folder: Path, *, made: bool) -> dict[str, Path]:
    """Return the files that a message carries: in the shared folder, or written into `folder`.

    `made`: whether they are results, else inputs. Raises DocumentError for what is no file of a message; DamagedObject
    for one that is not there.
    """
    if not isinstance(carried, dict) or not all(isinstance(one, dict) for one in carried.values()):
        raise DocumentError("files of a message: expected an object of objects")
    return {str(id): _brought(str(id), one, shared, folder, made=made) for id, one in carried.items()}


def _brought(id: str, one: Mapping[str, Any], shared: Path | None, folder: Path, *, made: bool) -> Path:
    inline, name = one.get("inline"), one.get("file")
    if isinstance(inline, str):
        try:
            content = b64decode(inline, validate=True)
        except (Error, ValueError) as error:
            raise DocumentError(f"{id}: is not in base64") from error
        path = folder / f"{sha256(id.encode()).hexdigest()[:32]}.nc"
        path.write_bytes(content)
        return path
    if not isinstance(name, str) or not (_MADE if made else _GIVEN).fullmatch(name):
        raise DocumentError(f"{id}: expected a file of the shared folder")
    if shared is None:
        raise DocumentError(f"{id}: lies in a shared folder, and `shared` names none here")
    path = shared / name
    if path.resolve() != shared.resolve() / name or not path.is_file():
        raise DamagedObject(f"{id}: {name} is not in the folder {shared}: do both sides share it?")
    return path


def now() -> float:
    """Return seconds, for signs of life. The clocks of all machines agree within a few seconds."""
    return time.time()
