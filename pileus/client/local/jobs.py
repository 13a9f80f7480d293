"""Runs of processes as jobs: by one id, in one list over all processes, with how their results are wanted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, cast

from pileus import runs
from pileus.client.local.graphs import LocalGraphs
from pileus.client.paging import read_cursor, write_cursor
from pileus.client.services import Services
from pileus.edges.store import load
from pileus.errors import NotFound, Unknown, UsageError
from pileus.models import State
from pileus.processes import RegisteredProcess, registered
from pileus.runs import Run
from pileus.runs.record import folder
from pileus.subject import Request

if TYPE_CHECKING:
    import pyarrow as pa

READ = 100
"""Runs that are read at once."""
MOST_READ = 5000
"""Runs that are read for one page: then it may end before it is full, and the next goes on."""


@dataclass(frozen=True, slots=True)
class OutputForm:
    """How one output is wanted."""

    media_type: str = "application/json"
    by_reference: bool = False
    """Whether its address is wanted in place of its value."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the results of a job are wanted."""

    outputs: Mapping[str, OutputForm]
    """Those that are wanted, by name."""
    response: Literal["raw", "document"] = "raw"
    """`raw`: the output itself; `document`: one JSON object with all of them."""

    def to_json(self) -> bytes:
        """Return what `from_json` reads."""
        outputs = {
            name: {"mediaType": one.media_type, "byReference": one.by_reference} for name, one in self.outputs.items()
        }
        return json.dumps({"response": self.response, "outputs": outputs}).encode()

    @classmethod
    def from_json(cls, body: bytes) -> "Wanted":
        """Inverse of `to_json`."""
        value = json.loads(body)
        outputs = {
            name: OutputForm(str(one["mediaType"]), bool(one["byReference"])) for name, one in value["outputs"].items()
        }
        return cls(outputs, "document" if value["response"] == "document" else "raw")

    @classmethod
    def all_of(cls, process: RegisteredProcess) -> "Wanted":
        """Return what is wanted where nothing was said."""
        return cls(dict.fromkeys(process.outputs, OutputForm()))


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Jobs that meet all of these. None: any will do."""

    processes: frozenset[str] | None = None
    states: frozenset[State] | None = None
    first: datetime | None = None
    """Asked for at this moment or later."""
    last: datetime | None = None
    """Asked for at this moment or earlier."""
    shortest: float | None = None
    """Seconds since a worker took it first, until its end or until now."""
    longest: float | None = None

    def fits(self, run: Run, now: float) -> bool:
        """Return whether a run meets them. `now`: Unix time."""
        if self.states is not None and run.state not in self.states:
            return False
        created = datetime.fromisoformat(run.created or run.updated)
        if (self.first and created < self.first) or (self.last and created > self.last):
            return False
        if self.shortest is None and self.longest is None:
            return True
        if run.started is None:
            return False
        end = datetime.fromisoformat(run.ended).timestamp() if run.ended else now
        took = end - datetime.fromisoformat(run.started).timestamp()
        return (self.shortest or 0) <= took <= (took if self.longest is None else self.longest)


def job_id(run: Run) -> str:
    """Return the id of a run's job: `PROCESS.ID`. No process has a dot in its id."""
    return f"{run.subject.scope.partition(':')[2]}.{run.subject.item}"


@dataclass(frozen=True)
class LocalJobs:
    """Jobs of the stack that these services reach."""

    services: Services

    def start(self, process: RegisteredProcess, inputs: Mapping[str, Any], wanted: Wanted) -> Run:
        """Start a job. Raises DocumentError for inputs that are wrong, UsageError for such that are too large."""
        edges = self.services.edges
        run = runs.start(edges, self.services.workflows, process.id, inputs)
        edges.store.put(self._wanted_url(run), wanted.to_json(), "application/json")
        return run

    def find(self, id: str) -> Run:
        """Return a job as it is now. One whose start or end nobody recorded is settled first. Raises Unknown."""
        try:
            return runs.settle(self.services.edges, self.services.workflows, self._key(id))
        except NotFound as error:
            raise Unknown(f"there is no job {id[:80]!r}") from error

    def again(self, run: Run) -> Run:
        """Return a job as the index has it now, for whoever waits and looks often."""
        return runs.find(self.services.edges, run.key)

    def dismiss(self, id: str, reason: str) -> Run:
        """Stop a job. Raises Unknown, and Conflict where it has succeeded or failed."""
        try:
            return runs.stop(self.services.edges, self.services.workflows, self._key(id), reason)
        except NotFound as error:
            raise Unknown(f"there is no job {id[:80]!r}") from error

    def wanted(self, run: Run) -> Wanted:
        """Return how the results of a job are wanted; all of them as JSON where nobody said so."""
        try:
            return load(self.services.edges.store, self._wanted_url(run), Wanted.from_json)
        except NotFound:
            return Wanted.all_of(registered()[str(run.process)])

    def rows(self, run: Run) -> "pa.Table":
        """Return the rows that a job has made. Raises Conflict where it has not succeeded."""
        return runs.rows(self.services.edges, run.key)

    def part(self, run: Run, name: str) -> Any:
        """Return what the result document of a job has under a name. Raises Conflict where it has not succeeded."""
        return runs.result(self.services.edges, run.key)[name]

    def data_set(self, run: Run, form: str) -> Iterator[bytes]:
        """Return the only result of a job of operations, piece by piece. `form`: one of `stratus.service.FORMS`.

        Raises UsageError where it has several, or has not this form.
        """
        return LocalGraphs(self.services).result(run.subject.item, "", form)

    def list(self, which: JobFilter, *, limit: int, cursor: str | None = None) -> tuple[Sequence[Run], str | None]:
        """Return a page of jobs and the cursor of the next one. Those of one process are together, newest first.

        A page may be short, or empty, and still not be the last. Raises UsageError for a cursor that is none.
        """
        found: list[Run] = []
        read, now = 0, self.services.edges.now()
        for process, after in self._from(which, cursor):
            place = after
            while True:
                page = runs.list(self.services.edges, process, limit=READ, after=place)
                for run in page.runs:
                    if which.fits(run, now):
                        if len(found) == limit:
                            return found, write_cursor(job_id(found[-1]))
                        found.append(run)
                read, place = read + READ, page.after
                if place is None:
                    break
                if read >= MOST_READ:
                    return found, write_cursor(f"{process}.{place}")
        return found, None

    def _from(self, which: JobFilter, cursor: str | None) -> Sequence[tuple[str, str | None]]:
        """Return the processes whose jobs are still to be read, and after which of the jobs of each."""
        processes = [id for id in registered() if which.processes is None or id in which.processes]
        if cursor is None:
            return [(id, None) for id in processes]
        process, _, after = read_cursor(cursor).partition(".")
        if process not in processes:
            raise UsageError("the cursor is of another list: begin without one")
        left = processes[processes.index(process) :]
        return [(id, after if id == process else None) for id in left]

    def _key(self, id: str) -> str:
        process, dot, request = id.partition(".")
        try:
            if dot:
                return Request(process, request).key
        except UsageError as error:
            raise Unknown(f"there is no job {id[:80]!r}") from error
        raise Unknown(f"there is no job {id[:80]!r}")

    def _wanted_url(self, run: Run) -> str:
        return self.services.edges.internal(f"{folder(cast(Request, run.subject))}/wanted.json")
