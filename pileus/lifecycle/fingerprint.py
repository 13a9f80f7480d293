"""What a partition's result depends on, as four short hashes: source, zones, parameters, code.

A partition is up to date when the fingerprint of its manifest equals the one that would be made now; which of
the four differs says why it is not.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pileus.documents import Meta, Process, Task
from pileus.models import Granule
from pileus.worker_tasks import task_of

STEPS = 1
"""Raised by whoever changes what the hops from unpack to zonal compute: every older result is then stale."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Written `source.zones.parameters.code`; `parse` reads it back."""

    source: str
    zones: str
    parameters: str
    code: str

    def __str__(self) -> str:
        return f"{self.source}.{self.zones}.{self.parameters}.{self.code}"

    @classmethod
    def parse(cls, text: str) -> "Fingerprint | None":
        """None for anything that is not a fingerprint: such a record is stale, not an error."""
        parts = text.split(".")
        return cls(*parts) if len(parts) == 4 else None

    def difference(self, then: "Fingerprint | None") -> str | None:
        """Return why a result with fingerprint `then` is stale, or None when it is not."""
        if then is None:
            return "made by an unknown version"
        names = {"source": "source changed", "zones": "zones changed", "parameters": "parameters changed"}
        for name, reason in names.items():
            if getattr(self, name) != getattr(then, name):
                return reason
        return None if self.code == then.code else "processing code changed"


def fingerprint(granules: Iterable[Granule], meta: Meta) -> Fingerprint:
    """Return the fingerprint of granules as listed, and of a collection's `meta` as populated.

    `zones` of its process has the content's hash in it.
    """
    process, task = meta.process, meta.task
    sources = sorted([g.file.name, g.file.size, g.file.etag or g.file.modified, g.file.checksum] for g in granules)
    parameters = process.model_dump(mode="json", exclude_defaults=True, exclude={"zones"}) if process else None
    if parameters and "classic_csv" in parameters:
        # The name that the field had when the first results were written: another would make them all stale.
        parameters["ancestor_csv"] = parameters.pop("classic_csv")
    if process and parameters is not None:
        parameters |= _reading(meta, process)
    zones = process.zones if process else None
    if meta.payload:
        parameters = {"payload": list(meta.payload.process)}
    if task is None:
        return Fingerprint(_hash(sources), _hash(zones), _hash(parameters), str(STEPS))
    own = {"process": parameters, "task": task.name, "parameters": task.parameters}
    return Fingerprint(_hash(sources), _hash(zones), _hash(own), f"{STEPS}+{_version(task)}")


def _reading(meta: Meta, process: Process) -> dict[str, Any]:
    """Return what else changes the numbers: where files have the bands, what those stand for, and the grid."""
    used = {name: meta.bands[name].numbers for name in (*process.bands, *process.masks) if name in meta.bands}
    told = {"bands": {name: numbers for name, numbers in used.items() if numbers}}
    if meta.grid:
        told["grid"] = meta.grid.model_dump(mode="json", exclude_defaults=True)
    return {name: value for name, value in told.items() if value}


def _version(task: Task) -> str:
    """Return the version of a task's code, as a fingerprint can hold it."""
    return task_of(task.name).version.replace(".", "-")


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
