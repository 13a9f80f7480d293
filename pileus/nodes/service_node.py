"""A node that is a service elsewhere: what is given is uploaded, the request started, waited for and fetched."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pileus.errors import (
    Busy,
    Conflict,
    DamagedObject,
    HandedBack,
    NotFound,
    PileusError,
    StoreError,
    Unavailable,
    Unreachable,
)
from pileus.models import State
from pileus.nodes.node import NodeLost
from pileus.raster.signatures import HDF5
from pileus.stratus.capability import Capability
from pileus.stratus.request import StratusRequest
from pileus.stratus.service import NETCDF, Progress, Service

NO_PICKLES = "an original Stratus server answers with pickles, and these are never read"
LONGEST_PAUSE = 2.0
"""Seconds between two looks at a request that takes long."""


class ServiceNode:
    """See `Node`. A request that is asked again finds the first: its id there is of its rid and of all that it says."""

    def __init__(self, name: str, service: Service, close: Callable[[], None] = lambda: None) -> None:
        self.name, self._service, self._close = name, service, close

    def capabilities(self, via: Sequence[str] = (), /) -> tuple[Capability, ...]:
        """See Node."""
        with lost():
            return self._service.capabilities(via)

    def run(
        self, request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event
    ) -> Mapping[str, Path]:
        """See Node. What it kept there is deleted once it is here; a request that is stopped is stopped there."""
        with lost():
            inputs = dict(request.inputs)
            for id, path in given.items():
                with path.open("rb") as content:
                    inputs[id] = replace(inputs[id], uri=self._service.upload(content))
                _check(stopping)
            asked = replace(request, inputs=inputs)
            asked = replace(asked, rid=id_there(asked))
            try:
                self._wait(self._begun(asked), stopping)
                files = {output: self._fetch(asked.rid, output, folder, stopping) for output in request.outputs}
            except NotFound as exc:
                raise NodeLost(f"it has forgotten the request: {exc.message}") from exc
        with suppress(PileusError):  # what is left there costs space, and nothing else
            self._service.delete(asked.rid)
        return files

    def close(self) -> None:
        """See Node."""
        self._close()

    def _begun(self, asked: StratusRequest) -> Progress:
        """Start a request, or find it. One that failed there, or was stopped, before it was asked again begins anew."""
        found = self._service.start(asked)
        if found.state in (State.cancelled, State.failed):
            try:
                self._service.delete(asked.rid)
            except Conflict as exc:
                raise NodeLost(f"it has not yet stopped the request before: {exc.message}") from exc
            found = self._service.start(asked)
        return found

    def _wait(self, found: Progress, stopping: threading.Event) -> None:
        """Return when a request has succeeded. Raises for what it failed."""
        pause = 0.02
        while not found.state.ended:
            if stopping.wait(pause):
                with suppress(PileusError):  # it may have ended meanwhile
                    self._service.stop(found.rid)
                raise HandedBack("told to stop")
            pause = min(LONGEST_PAUSE, pause * 1.5)
            found = self._service.find(found.rid)
        if found.state is State.cancelled:
            raise Conflict("was stopped there", where=found.rid)

    def _fetch(self, rid: str, output: str, folder: Path, stopping: threading.Event) -> Path:
        """Return the file of a result. Raises for what the request failed."""
        path = folder / f"{output}.nc"
        part = folder / f".{output}.part"
        with part.open("wb") as file:
            for piece in self._service.result(rid, output, NETCDF):
                _check(stopping)
                file.write(piece)
        with part.open("rb") as file:
            if not file.read(len(HDF5)).startswith(HDF5):
                raise DamagedObject(f"gave no NetCDF4 file: {NO_PICKLES}", where=output)
        part.replace(path)
        return path


def id_there(asked: StratusRequest) -> str:
    """Return the id that a request has elsewhere: what two who do not know each other ask there by one rid stays apart,
    unless it is the same.

    >>> from pileus.stratus.request import Operation
    >>> id_there(StratusRequest((Operation("xop", "mean", (), "r1"),), rid="mine"))
    'mine-3ff97a26dabde5eb'
    """
    said = json.dumps(replace(asked, rid="").to_json(), sort_keys=True)
    return f"{asked.rid[:23]}-{hashlib.sha256(said.encode()).hexdigest()[:16]}".lstrip("-")


def _check(stopping: threading.Event) -> None:
    if stopping.is_set():
        raise HandedBack("told to stop")


@contextmanager
def lost() -> Iterator[None]:
    """Raise NodeLost for errors that say that a service cannot be reached, or has too much to do; DamagedObject for an
    answer that is none of a Pileus.
    """
    try:
        yield
    except (Unreachable, Busy, Unavailable) as exc:
        raise NodeLost(str(exc)) from exc
    except StoreError as exc:
        if type(exc) is StoreError:  # its kinds say more
            raise NodeLost(str(exc)) from exc
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise DamagedObject(f"gave what is no answer of a Pileus: {NO_PICKLES}") from exc
