"""Runs of requests without AWS: executions that are only counted, and a raster of 1 to 9 at a provider."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pileus.edges.workflows import Happened, Outcome, Status

LEFT = {"type": "Polygon", "coordinates": [[[0, 0], [1.5, 0], [1.5, 3], [0, 3], [0, 0]]]}
ZONES = {"type": "FeatureCollection", "features": [{"type": "Feature", "id": "left", "geometry": LEFT}]}
ZONES["features"][0]["properties"] = {}  # type: ignore[index]
"""The left half of a raster of 3 x 3 pixels that begins at (0, 0)."""
INPUTS: dict[str, Any] = {"zones": ZONES, "rasters": ["https://example.org/a.tif"], "stats": ["count", "sum"]}


@dataclass
class Executions:
    """Workflows that start nothing."""

    started: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Input by ARN."""
    stopped: list[str] = field(default_factory=list)
    starts: int = 0
    ended: dict[str, Outcome] = field(default_factory=dict)
    """By ARN."""

    def start(self, workflow: str, name: str, value: Mapping[str, Any]) -> str:
        self.starts += 1
        arn = f"{workflow}:{name}"
        self.started.setdefault(arn, value)
        return arn

    def exists(self, workflow: str) -> bool:
        return True

    def definition(self, workflow: str) -> dict[str, Any] | None:
        return {}

    def outcome(self, execution: str) -> Outcome:
        return self.ended.get(execution) or Outcome(self.status(execution))

    def status(self, execution: str) -> Status:
        if execution not in self.started:
            return "GONE"
        return "ABORTED" if execution in self.stopped else "RUNNING"

    def history(self, execution: str) -> list[Happened]:
        """Return its start, and its end once it has one."""
        if execution not in self.started:
            return []
        found: list[Happened] = [{"time": 0, "type": "ExecutionStarted", "details": {}}]
        end = self.outcome(execution)
        if end.status != "RUNNING":
            details = {"error": end.error, "cause": end.cause} if end.error else {}
            found.append({"time": 2e9, "type": f"Execution{end.status.title()}", "details": details})
        return found

    def stop(self, execution: str, cause: str) -> None:
        self.stopped.append(execution)

    def running(self, workflow: str, prefix: str) -> Iterator[str]:
        return iter(())
