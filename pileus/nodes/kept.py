"""The folder of a node that runs by itself, on disk.

lock                         held by the one process that serves the folder
requests/RID/request.json    the request as it was accepted, and its number
requests/RID/state.json      where it stands
requests/RID/work/           what the node makes of it; of an ended one its results alone
values/SHA256.nc             uploaded files
removed/                     what is being deleted

Each file gets its name when it is whole, and a request its folder with all that it needs to begin. So there is no
moment at which the process may not be killed: what lies here is what was accepted, done and deleted.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from pileus import errors
from pileus.errors import Conflict, DamagedObject, PileusError, UsageError
from pileus.models import State
from pileus.stratus.graph import graph_of
from pileus.stratus.request import StratusRequest


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a request stands."""

    state: State = State.queued
    done: int = 0
    """Operations that have ended."""
    results: Mapping[str, str] = field(default_factory=dict)
    """By name, the path of each within `work`, once it has succeeded."""
    error: str = ""
    """Name of the error for which it failed."""
    why: str = ""
    where: str = ""

    def failure(self) -> PileusError:
        """Return the error for which it failed."""
        return errors.BY_NAME.get(self.error, errors.StoreError)(self.why, where=self.where or None)

    def failed(self, error: PileusError) -> "Standing":
        """Return where it stands after an error."""
        kind = next(one.__name__ for one in type(error).__mro__ if one.__name__ in errors.BY_NAME)
        return replace(self, state=State.failed, error=kind, why=error.message, where=error.where or "")


@dataclass(frozen=True, slots=True)
class Kept:
    """One request, as it lies in the folder."""

    number: int
    """Those that were accepted before it; the order of lists."""
    request: StratusRequest
    standing: Standing
    outputs: tuple[str, ...]
    """Names of its results."""


class KeptRequests:
    """The requests of a folder. Raises UsageError where another process serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._requests, self._removed = folder / "requests", folder / "removed"
        for one in (self._requests, self._removed, folder / "values"):
            one.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder / "lock")
        for left in self._removed.iterdir():
            shutil.rmtree(left)

    def close(self) -> None:
        """Let another process serve the folder."""
        self._lock.close()

    def all(self) -> list[Kept]:
        """Return all requests, the oldest first. Raises DamagedObject for a file that Pileus did not write."""
        return sorted((self._read(one) for one in self._requests.iterdir()), key=lambda one: one.number)

    def begin(self, number: int, request: StratusRequest) -> Kept:
        """Write down an accepted request. Raises Conflict where its rid is taken."""
        new = self._removed / uuid4().hex
        (new / "work").mkdir(parents=True)
        kept = Kept(number, request, Standing(), graph_of(request).outputs)
        write_whole(new / "request.json", {"number": number, "request": request.to_json()})
        write_whole(new / "state.json", asdict(kept.standing))
        try:
            new.rename(self._requests / request.rid)
        except OSError as exc:
            shutil.rmtree(new)
            raise Conflict("there is a request of this id", where=request.rid) from exc
        return kept

    def stand(self, rid: str, standing: Standing) -> None:
        """Write down where a request stands."""
        write_whole(self._requests / rid / "state.json", asdict(standing))

    def work(self, rid: str) -> Path:
        """Return the folder in which a request is done."""
        return self._requests / rid / "work"

    def tidy(self, rid: str, standing: Standing) -> None:
        """Delete what an ended request has left in its folder beside its results."""
        work = self.work(rid)
        keep = {work / path for path in standing.results.values()}
        listed: list[Path] = []
        with suppress(OSError):  # somebody deletes the request meanwhile
            listed.extend(work.rglob("*"))
        for found in sorted(listed, reverse=True):
            with suppress(OSError):  # a node that has not ended yet may still write there: the next start deletes that
                _remove(found, keep)

    def delete(self, rid: str) -> None:
        """Delete a request with all that it has made."""
        away = self._removed / uuid4().hex
        (self._requests / rid).rename(away)
        shutil.rmtree(away, ignore_errors=True)  # what is left is deleted by the next start

    def _read(self, folder: Path) -> Kept:
        try:
            told = json.loads((folder / "request.json").read_bytes())
            stands = json.loads((folder / "state.json").read_bytes())
            standing = Standing(**stands | {"state": State(stands["state"])})
            request = StratusRequest.from_json(told["request"])
            return Kept(int(told["number"]), request, standing, graph_of(request).outputs)
        except (OSError, ValueError, LookupError, TypeError, PileusError) as exc:
            raise DamagedObject("holds no request that Pileus wrote", where=str(folder)) from exc


def write_whole(path: Path, value: Any) -> None:
    """Write JSON to a file, which at every moment has what was there or what comes, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    with temporary.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _locked(path: Path) -> IO[str]:
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        file.close()
        raise UsageError("another process serves this folder", where=str(path.parent)) from exc
    return file


def _remove(path: Path, keep: Collection[Path]) -> None:
    if any(one.is_relative_to(path) for one in keep):
        return
    if path.is_dir() and not path.is_symlink():
        path.rmdir()  # what was in it sorts after it, and is gone
    else:
        path.unlink()


def pieces(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    """Return a file piece by piece. It is open before the first is asked for, so that it may be deleted meanwhile.

    Raises FileNotFoundError.
    """
    file = path.open("rb")

    def read() -> Iterator[bytes]:
        with file:
            while block := file.read(size):
                yield block

    return read()
