"""What the shell offers for a collection, a zone or a backfill, read from the project's files.

A completion must be quick and must never print an error. So no stack is asked, and a file that cannot be read is left
out.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pileus.product import CIRRUS_DEFINITION, DEFINITION, WORKFLOW, product_folder


def collections(incomplete: str) -> list[str]:
    """Return the names of the project's collections that begin with `incomplete`."""
    return _begin(incomplete, (str(value.get("name", "")) for value in _documents("collections")))


def rules(incomplete: str) -> list[str]:
    """Return the names of the project's rules that begin with `incomplete`."""
    return _begin(incomplete, (str(value.get("name", "")) for value in _documents("rules")))


def workflows(incomplete: str) -> list[str]:
    """Return the names of the project's workflows, and of Pileus's, that begin with `incomplete`."""
    root = _root()
    folders = [product_folder() / "infra/workflows", *([root / "workflows"] if root else [])]
    files = (path for folder in folders for path in folder.glob(f"*{WORKFLOW}"))
    return _begin(incomplete, (path.name.removesuffix(WORKFLOW) for path in files))


def processes(incomplete: str) -> list[str]:
    """Return the ids of processes, and `workflow:NAME` of the project's, that begin with `incomplete`."""
    from pileus.processes import registered
    from pileus.product import WORKFLOW

    root = _root()
    own = sorted((root / "workflows").glob(f"*{WORKFLOW}")) if root else []
    return _begin(incomplete, [*registered(), *(f"workflow:{path.name.removesuffix(WORKFLOW)}" for path in own)])


def tasks(incomplete: str) -> list[str]:
    """Return the names of the project's tasks, and of Pileus's, that begin with `incomplete`."""
    root, product = _root(), product_folder()
    folders = [product / "lambdas", product / "ecs_tasks", *([root / "tasks"] if root else [])]
    files = (DEFINITION, CIRRUS_DEFINITION)
    found = (path.parent.name for folder in folders for file in files for path in folder.glob(f"*/{file}"))
    return _begin(incomplete, found)


def backfills(incomplete: str) -> list[str]:
    """Return the ids of the embedded stack's backfills that begin with `incomplete`, from its objects on disk."""
    root = _root()
    found = root.glob(".pileus/s3/*/*-internal-*/backfills/*") if root else ()
    return _begin(incomplete, (path.name for path in found))


def zones(incomplete: str) -> list[str]:
    """Return ids of zones that begin with `incomplete`, from the GeoJSON files that the collections name."""
    return _begin(incomplete, (name for value in _documents("collections") for name in _zones(value)))


def _zones(collection: dict[str, Any]) -> Iterator[str]:
    process = collection.get("meta", {}).get("process", {})
    root, column = _root(), process.get("zone_id")
    value = _json(root / str(process.get("zones", ""))) if root else None
    for feature in value.get("features", ()) if isinstance(value, dict) else ():
        id_ = (feature.get("properties") or {}).get(column) if column else feature.get("id")
        if id_ is not None:
            yield str(id_)


def _documents(folder: str) -> Iterator[dict[str, Any]]:
    root = _root()
    for path in sorted((root / folder).glob("*.json")) if root else ():
        if isinstance(value := _json(path), dict):
            yield value


def _root() -> Path | None:
    """Return the nearest folder with collections/, this one or one above; None where there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "collections").is_dir()), None)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _begin(incomplete: str, names: Any) -> list[str]:
    return sorted({name for name in names if name and name.startswith(incomplete)})
