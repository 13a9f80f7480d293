"""Projects of the examples, run from template to rows without a stack: list, group, process, as workers do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pileus.documents import Provider, resolve_points
from pileus.expand import expand
from pileus.models import Partition
from pileus.outputs.read import read_stats
from pileus.project.example import example_of, write_example
from pileus.project.folder import Project
from pileus.project.populate import populate, validate
from pileus.tasks.discover_granules import list_groups
from pileus.tasks.process_group import process_group
from pileus.tasks.worker_state import WorkerState
from pileus.wiring import wire_folder
from spec.support.tiny import event_of

TODAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Ran:
    """What a collection came to."""

    rows: list[dict[str, Any]]
    """Ordered by period and zone."""
    notes: list[str]
    """Of all manifests, each once."""
    units: Mapping[str, str]
    missing: dict[str, tuple[str, ...]]
    """What groups lack, by period; those are not processed."""

    def by_period(self, column: str) -> dict[str, list[Any]]:
        """Values of the zones coast, plain, sea and west, by period."""
        found: dict[str, list[Any]] = {}
        for row in self.rows:
            found.setdefault(row["period"], []).append(row[column])
        assert [row["zone"] for row in self.rows] == ["coast", "plain", "sea", "west"] * len(found)
        return found


def example(folder: Path, name: str) -> Path:
    """Write an example's project."""
    write_example(folder, example_of(name))
    return folder


def served(folder: Path, id: str, url: str, **changes: Any) -> Provider:
    """A provider of the project's documents, at a server of this machine."""
    document = Project(folder).registry()[0].providers[id].model_dump(exclude_defaults=True)
    return Provider.model_validate(document | {"protocol": "http", "host": url, "attempts": 1} | changes)


def run(
    folder: Path, collection: str, provider: Provider | None = None, environ: Mapping[str, str] | None = None
) -> Ran:
    """Populate the project, and process every point of one of its collections. `provider`: in place of its own."""
    edges = wire_folder(folder / "buckets", dict(environ or {}))
    registry, _ = populate(edges.store, "internal", *validate(Project(folder), TODAY))
    template = registry.collection(collection, None)
    provider = provider or registry.provider_of(template, None)
    worker, manifests, missing = WorkerState(folder / "scratch"), [], {}
    try:
        for point in expand(template, resolve_points(template.options, TODAY, "spec")):
            for group in list_groups(edges, point.by_id, provider, own_folder=point.own_folder).groups:
                if group.missing:
                    missing[point.period.iso] = group.missing
                    continue
                partition = Partition(template.name, template.version, point.period.iso, group.key)
                told = provider.model_dump(mode="json", exclude_defaults=True)
                event = event_of(partition, point.collection.to_json(), told, group.to_json())
                done = process_group(edges, event, worker)
                manifests.append(json.loads(edges.store.get(done["manifest"])))
    finally:
        worker.close()
    table = read_stats(edges.store, "protected", collection)
    rows = table.sort_by([("period", "ascending"), ("zone", "ascending")]).to_pylist()
    notes = dict.fromkeys(note for manifest in manifests for note in manifest["notes"])
    return Ran(rows, list(notes), _units(table), missing)


def _units(table: Any) -> dict[str, str]:
    return {field.name: field.metadata[b"unit"].decode() for field in table.schema if b"unit" in (field.metadata or {})}
