"""The Cumulus Message Adapter: the package `cumulus-message-adapter` in this process, over our own objects.

The package finds S3 by boto3's defaults. Here it is given the store of the stack: the named region, the embedded AWS
where that is meant, and never another account because an environment variable is missing. The package also writes a
line to standard error for each step of each message; those go to `say`.
"""

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from pileus.errors import UsageError

log = logging.getLogger("pileus.cma")
KINDS = ("input", "config", "output")
"""What a task may have a JSON Schema for: schemas/input.json and so on in its folder."""
PATHS = 1000
"""Most JSONPaths that are kept."""
ROOT = "LAMBDA_TASK_ROOT"
"""Environment variable: the folder in which Cumulus's libraries look for a task's schemas."""
MISSING = (
    "the Cumulus Message Adapter is not installed: `pip install 'pileus[cumulus]'`, and before Python 3.12 also "
    "`pip install --no-deps --ignore-requires-python cumulus-message-adapter==2.0.6`"
)


class Objects(Protocol):
    """Where parts of messages lie: a Store, or a client of one's own."""

    def get(self, url: str) -> bytes:
        """Return the bytes of `s3://bucket/key`."""

    def put(self, url: str, body: bytes, content_type: str) -> None:
        """Write the bytes of `s3://bucket/key`."""


class Cma:
    """The adapter over some objects; a `pileus.cumulus.task.Adapter`.

    `schemas`: files of JSON Schemas by kind. Without them the package looks for schemas/KIND.json in the folder that
    LAMBDA_TASK_ROOT names. `say`: takes each line that the package would write to standard error.

    Every method raises UsageError when the package is not installed, what the objects raise, and what the package
    raises: ValueError for a path that leads nowhere, jsonschema's ValidationError, LookupError.
    """

    def __init__(
        self, objects: Objects, schemas: Mapping[str, str] | None = None, *, say: Callable[[str], None] = log.debug
    ) -> None:
        self._objects, self._say = objects, say
        self._adapter = _package()(dict(schemas) if schemas else None)

    def load_and_update_remote_event(self, event: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
        with self._bound():
            found: dict[str, Any] = self._adapter.load_and_update_remote_event(event, context)
        meta = found.get("meta")
        if isinstance(meta, dict) and isinstance(tasks := meta.get("workflow_tasks"), dict):
            meta["workflow_tasks"] = {str(number): task for number, task in tasks.items()}  # JSON has only names
        return found

    def load_nested_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        own = deepcopy(dict(event))  # the package resolves lists of the config in place, and the task has parts of it
        with self._bound():
            found: dict[str, Any] = self._adapter.load_nested_event(own)
        return found

    def create_next_event(
        self, response: Any, event: Mapping[str, Any], message_config: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        with self._bound():
            found: dict[str, Any] = self._adapter.create_next_event(response, event, message_config)
        return found

    @contextmanager
    def _bound(self) -> Iterator[None]:
        """Let the package use these objects within the block; other threads have theirs."""
        token = _bound.set(self)
        try:
            yield
        finally:
            _bound.reset(token)

    def object(self, bucket: str, key: str) -> "_Object":
        """Return an object as the package knows it."""
        return _Object(self._objects, f"s3://{bucket}/{key}")

    def say(self, line: str) -> None:
        """Take one line that the package writes."""
        self._say(line)


_bound: ContextVar[Cma] = ContextVar("cma")


def of_environment(schemas: Mapping[str, str] | None = None) -> Cma:
    """Return the adapter over S3 as the environment names it."""
    from pileus.edges.aws import Aws
    from pileus.edges.store import S3Store

    return Cma(S3Store(Aws().s3), schemas)


def schemas_in(folder: Path, named: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the files of a task's JSON Schemas, by kind; for a kind without one, a file that is not there.

    `named`: files by kind, relative to the folder; for the others schemas/KIND.json. Like Cumulus, a file that is not
    there is no error: a warning is logged for one that was named.
    """
    found = {}
    for kind in KINDS:
        path = folder / ((named or {}).get(kind) or f"schemas/{kind}.json")
        if not path.is_file() and kind in (named or {}):
            log.warning("a schema is not there, and nothing is checked", extra={"schema": str(path), "kind": kind})
        found[kind] = str(path.absolute())
    return found


def _package() -> Any:
    """Return the package's class, whose module asks for S3 and writes lines through the functions below, and reads the
    paths of a workflow's configuration once: the package builds a parser for each.
    """
    try:
        from message_adapter import cumulus_message, util
        from message_adapter.message_adapter import MessageAdapter
    except ModuleNotFoundError as exc:
        raise UsageError(MISSING) from exc
    if cumulus_message.s3 is not _resource:
        cumulus_message.s3 = _resource
        cumulus_message.parse = util.parse = lru_cache(PATHS)(util.parse)
        cumulus_message.write_error = _write
    return MessageAdapter


class _Resource:
    """What the package takes for boto3's resource of S3."""

    def Object(self, bucket: str, key: str) -> "_Object":  # noqa: N802 - boto3's name
        return _bound.get().object(bucket, key)


class _Object:
    """What the package takes for an object of S3."""

    def __init__(self, objects: Objects, url: str) -> None:
        self._objects, self._url = objects, url

    def get(self) -> dict[str, io.BytesIO]:
        return {"Body": io.BytesIO(self._objects.get(self._url))}

    def put(self, *, Body: str, Expires: object) -> None:  # noqa: N803 - boto3's names
        """Write the object. `Expires` is a header for caches and removes nothing: it is left out."""
        del Expires
        self._objects.put(self._url, Body.encode(), "application/json")


_SHARED = _Resource()


def _resource() -> _Resource:
    """Return S3 for the adapter that works now. A task that uses the package by itself has the environment's."""
    if _bound.get(None) is None:
        _bound.set(of_environment())
    return _SHARED


def _write(line: str) -> None:
    if (bound := _bound.get(None)) is not None:
        bound.say(line)
    else:
        log.debug(line)
