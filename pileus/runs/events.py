"""What has happened to a run, and what its execution did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.cirrus.rows import moment
from pileus.edges.workflows import Workflows
from pileus.runs.executions import arn_of_entry
from pileus.runs.read import find_entry
from pileus.subject import Asked
from pileus.wiring import Edges


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One thing that has happened."""

    time: str
    """ISO 8601 UTC, with microseconds."""
    run: int
    """Number of the run that it happened to."""
    what: str
    """The state that the run came to; or the type of an event of Step Functions, as `TaskStateEntered`."""
    text: str
    """One line: who or why; of Step Functions the state's name, or the error. Empty: nothing is to be said."""

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def events(edges: Edges, workflows: Workflows, key: str) -> list[RunEvent]:
    """Return what has happened, oldest first: the last steps of its runs, among them those of earlier runs, and the
    events of the execution of its latest run. A partition has no execution of its own.

    Raises NotFound where there is no run.
    """
    entry = find_entry(edges, key)
    found = [(step.time, RunEvent(moment(step.time), step.run, step.state, step.text)) for step in entry.past]
    if isinstance(entry.subject, Asked):
        for event in workflows.history(arn_of_entry(edges, entry)):
            told = RunEvent(moment(event["time"]), entry.number, event["type"], _said(event["details"]))
            found.append((event["time"], told))
    return [event for _, event in sorted(found, key=lambda pair: pair[0])]


def _said(details: Mapping[str, Any]) -> str:
    """Return what is said of an event of Step Functions."""
    if "error" in details:
        cause = details.get("cause")
        return f"{details['error']}: {cause}" if cause else str(details["error"])
    return str(details.get("name") or details.get("resource") or "")
