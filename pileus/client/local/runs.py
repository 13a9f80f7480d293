"""Runs of a stack: start, look, stop, take the result."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pileus import runs
from pileus.client.run_answers import ProcessAnswer
from pileus.client.services import Services
from pileus.edges.logs import Line
from pileus.lifecycle.backfill import backfill_of
from pileus.models import State
from pileus.processes import registered
from pileus.processes.registry import RegisteredProcess
from pileus.project.schemas import input_schema
from pileus.runs import Run, RunEvent
from pileus.runs.payloads import Processed, process
from pileus.subject import Execution

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LocalRuns:
    """Runs of the stack that these services reach; see `protocol.Runs`."""

    services: Services
    by: str = ""
    """Who asks: a run that is stopped says so."""

    def processes(self) -> list[ProcessAnswer]:
        """Return the processes that there are, each with the JSON Schema of its inputs."""
        return [_told(process) for process in registered().values()]

    def start(self, process: str, inputs: Mapping[str, Any], id: str | None = None) -> Run:
        """Start a run of a process, or of `workflow:NAME`. An id that has a run of the same inputs gives that."""
        edges, workflows = self.services.edges, self.services.workflows
        kind, colon, workflow = process.partition(":")
        if colon and kind == Execution.kind:
            return runs.start_workflow(edges, workflows, workflow, inputs, id)
        return runs.start(edges, workflows, process, inputs, id)

    def process(self, payload: Mapping[str, Any], *, replace: bool = False) -> Processed:
        """Start the workflow of a payload over it, where its state allows that."""
        return process(self.services.edges, self.services.workflows, payload, replace=replace)

    def show(self, key: str) -> Run:
        """Return a run as it is now. One whose start or end nobody recorded is settled first."""
        return runs.settle(self.services.edges, self.services.workflows, key)

    def all(self, of: str, *, state: State | None = None) -> Iterator[Run]:
        """Yield the runs of a process, of `workflow:NAME` or `payload:COLLECTIONS_WORKFLOW`, newest first, or of
        partitions by their scope, such as `viirs/001/2015`.
        """
        after: str | None = None
        while True:
            page = self.page(of, state=state, limit=100, after=after)
            yield from page.runs
            if (after := page.after) is None:
                return

    def page(self, of: str, *, state: State | None, limit: int, after: str | None) -> runs.Page:
        """Return some of them. `after`: as the page before told it."""
        return runs.list(self.services.edges, of, state=state, limit=limit, after=after)

    def stop(self, key: str) -> Run:
        """Stop a run at once. Raises Conflict when it has ended."""
        return runs.stop(self.services.edges, self.services.workflows, key, f"stopped by {self.by}")

    def rerun(self, key: str) -> Run:
        """Run a request again with the same inputs, once it has ended. Raises Conflict while it goes on."""
        return runs.rerun(self.services.edges, self.services.workflows, key)

    def input(self, key: str) -> Any:
        """Return the input document of a run. Raises NotFound where there is none."""
        return runs.input_of(self.services.edges, key)

    def events(self, key: str) -> list[RunEvent]:
        """Return what has happened to it, and what its execution did, oldest first. Raises NotFound."""
        return runs.events(self.services.edges, self.services.workflows, key)

    def logs(self, key: str) -> list[Line]:
        """Return what workers wrote about it, oldest first. Raises NotFound."""
        found = runs.find(self.services.edges, key)
        return list(self.services.logs.lines(backfill_of(found.run), found.key))

    def result(self, key: str) -> Any:
        """Return the result document: of a partition the manifest, of a workflow what it put out.

        Raises Conflict where there is none.
        """
        return runs.result(self.services.edges, key)

    def rows(self, key: str) -> "pa.Table":
        """Return the rows that a run has made. Raises Conflict where there are none."""
        return runs.rows(self.services.edges, key)


def _told(process: RegisteredProcess) -> ProcessAnswer:
    outputs = {
        name: {"title": one.title, "description": one.description, "media_type": one.media_type}
        for name, one in process.outputs.items()
    }
    facts = {name: getattr(process, name) for name in ("id", "title", "description", "version")}
    return ProcessAnswer(**facts, inputs=input_schema(process), outputs=outputs)
