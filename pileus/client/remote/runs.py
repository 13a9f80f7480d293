"""Runs through the HTTP API; see `protocol.Runs`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pileus.client.remote.http import Http
from pileus.client.run_answers import ProcessAnswer
from pileus.edges.logs import Line
from pileus.models import State
from pileus.runs import Run, RunEvent
from pileus.runs.payloads import Processed

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True)
class RemoteRuns:
    """Runs of the stack behind a server."""

    http: Http

    def processes(self) -> list[ProcessAnswer]:
        """Return the processes that there are, each with the JSON Schema of its inputs."""
        return [ProcessAnswer.model_validate(one) for one in self.http.json("/v1/processes")]

    def start(self, process: str, inputs: Mapping[str, Any], id: str | None = None) -> Run:
        """Start a run. With an id that has a run with the same inputs, return that one."""
        asked = {"process": process, "inputs": dict(inputs), "id": id}
        return Run.from_json(self.http.change("POST", "/v1/runs", asked))

    def process(self, payload: Mapping[str, Any], *, replace: bool = False) -> Processed:
        """Start the workflow of a payload over it, where its state allows that."""
        asked = {"payload": dict(payload), "replace": replace}
        return Processed.from_json(self.http.change("POST", "/v1/payloads", asked))

    def show(self, key: str) -> Run:
        """Return a run as it is now. Raises NotFound, and UsageError for what is no key."""
        return Run.from_json(self.http.json(_at(key)))

    def all(self, of: str, *, state: State | None = None) -> Iterator[Run]:
        """Yield the runs of a process, of `workflow:NAME` or `payload:COLLECTIONS_WORKFLOW`, newest first, or of
        partitions by their scope, such as `viirs/001/2015`.
        """
        yield from map(Run.from_json, self.http.pages("/v1/runs", of=of, state=state))

    def stop(self, key: str) -> Run:
        """Stop a run at once. Raises Conflict when it has ended."""
        return Run.from_json(self.http.change("DELETE", _at(key)))

    def rerun(self, key: str) -> Run:
        """Run a request again with the same inputs, once it has ended. Raises Conflict while it goes on."""
        return Run.from_json(self.http.change("POST", f"{_at(key)}/rerun"))

    def input(self, key: str) -> Any:
        """Return the input document of a run. Raises NotFound where there is none."""
        return self.http.json(f"{_at(key)}/input")

    def events(self, key: str) -> list[RunEvent]:
        """Return what has happened to it, and what its execution did, oldest first. Raises NotFound."""
        return [RunEvent(**event) for event in self.http.json(f"{_at(key)}/events")]

    def logs(self, key: str) -> list[Line]:
        """Return what workers wrote about it, oldest first. Raises NotFound."""
        found: list[Line] = self.http.json(f"{_at(key)}/logs")
        return found

    def result(self, key: str) -> Any:
        """Return the result document: of a partition the manifest, of a workflow what it put out.

        Raises Conflict where there is none.
        """
        return self.http.json(f"{_at(key)}/result")

    def rows(self, key: str) -> "pa.Table":
        """Return the rows that a run has made. Raises Conflict where there are none."""
        import pyarrow as pa

        return pa.ipc.open_stream(self.http.read(f"{_at(key)}/rows", accept=ARROW)).read_all()


def _at(key: str) -> str:
    """Return the path of a run: its key is one segment, percent-encoded once more."""
    return f"/v1/runs/{quote(quote(key, safe=''), safe='')}"
