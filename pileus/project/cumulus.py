"""Folders of Cumulus's documents: into a project and out of it.

Such a folder has `collections/`, `providers/`, `rules/` and `workflows/`, whatever of them there is, with JSON files in
them and in folders below. A file holds one document or a list of them; a workflow's file is named after the workflow.
A project has the same documents, one a file, in the places of PLACES.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pileus.cumulus.documents import exported, imported, lacking
from pileus.documents import Collection, Document, Provider, Rule, violations
from pileus.documents.base import LONGEST, NAME
from pileus.errors import UsageError
from pileus.models import safe
from pileus.product import WORKFLOW
from pileus.strict_json import parse_json

PLACES = {"collection": "collections", "provider": "data/providers", "rule": "rules", "workflow": "workflows"}
"""Folder of each kind of document in a project."""
FOLDERS = {"collection": "collections", "provider": "providers", "rule": "rules", "workflow": "workflows"}
"""Folder of each kind of document of Cumulus."""
MODELS: Mapping[str, type[Document]] = {"collection": Collection, "provider": Provider, "rule": Rule}


@dataclass
class Moved:
    """What an import or an export comes to."""

    done: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind, key and `added`, `replaced` or `unchanged` of each document."""
    wrong: list[str] = field(default_factory=list)
    """All that is wrong: file, path of the field, and what was expected. Nothing is written where there is any."""
    notes: list[str] = field(default_factory=list)
    """What a person should know, though nothing is wrong."""


@dataclass(frozen=True)
class _Found:
    kind: str
    key: str
    value: Any
    source: str
    file: str
    """Name of the file that it may have; empty where its own has others beside it."""


def import_documents(folder: Path, project: Path, *, lenient: bool, replace: bool) -> Moved:
    """Write the documents of a folder of Cumulus into a project, all or none. Raises UsageError for no such folder.

    `lenient`: unknown fields are kept. `replace`: other documents of the same names are written over.
    """
    moved = Moved()
    found = [
        _Found(one.kind, one.key, _marked(one, moved, lenient=lenient), one.source, one.file)
        for one in _documents(folder, FOLDERS, moved)
    ]
    for one in found:
        if model := MODELS.get(one.kind):
            moved.wrong += [f"{one.source}: {told}" for told in violations(model, _plain(one.value))]
        elif not isinstance(one.value.get("States"), dict) or not isinstance(one.value.get("StartAt"), str):
            moved.wrong.append(f"{one.source}: expected StartAt and States, as a workflow has")
    _write(found, project, PLACES, moved, replace=replace)
    return moved


def export_documents(project: Path, folder: Path, *, replace: bool) -> Moved:
    """Write the documents of a project into a folder of Cumulus, all or none. Raises UsageError for no project."""
    moved = Moved()
    found = []
    for one in _documents(project, PLACES, moved):
        value = exported(one.value)
        if one.kind in MODELS and (names := lacking(one.kind, value)):
            moved.notes.append(f"{one.source}: Cumulus requires {', '.join(names)} too")
        found.append(_Found(one.kind, one.key, value, one.source, one.file))
    _write(found, folder, FOLDERS, moved, replace=replace)
    return moved


def _marked(one: _Found, moved: Moved, *, lenient: bool) -> Any:
    if one.kind not in MODELS:
        return one.value
    try:
        return imported(MODELS[one.kind], one.value, lenient=lenient)
    except ValueError as exc:
        moved.wrong.append(f"{one.source}: {exc}")
        return one.value


def _documents(root: Path, places: Mapping[str, str], moved: Moved) -> Iterator[_Found]:
    """Yield the documents of each kind; those that cannot be read, or have no name, are told in `moved.wrong`."""
    if not any((root / place).is_dir() for place in places.values()):
        raise UsageError(f"expected a folder with {', '.join(places.values())}, or some of them", where=str(root))
    for kind, place in places.items():
        # A project has its documents directly in these folders.
        pattern = "*.json" if places is PLACES else "**/*.json"
        for path in sorted((root / place).glob(pattern)):
            source = str(path.relative_to(root))
            read = _read(path)
            if isinstance(read, str):
                moved.wrong.append(f"{source}: {read}")
                continue
            (value,) = read
            several = isinstance(value, list) and kind != "workflow"
            for number, item in enumerate(value if several else [value]):
                here = f"{source}[{number}]" if several else source
                key = _key(kind, item, path)
                if key is None:
                    moved.wrong.append(f"{here}: {_nameless(kind)}")
                else:
                    yield _Found(kind, key, item, here, "" if several else path.name)


def _read(path: Path) -> tuple[Any] | str:
    """Return the value of a file, or why there is none."""
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
        if len(text) > LONGEST:
            return f"is longer than {LONGEST:,} bytes, the most that a document has"
        return (parse_json(text),)
    except OSError as exc:
        return f"cannot be read: {exc.strerror}"
    except ValueError as exc:
        return str(exc)


def _key(kind: str, value: Any, path: Path) -> str | None:
    """Return the name by which documents refer to one; None where it has none."""
    if not isinstance(value, dict):
        return None
    if kind == "workflow":
        name = path.name.removesuffix(WORKFLOW).removesuffix(".json")
        return name if re.fullmatch(NAME, name) else None
    wanted = {"collection": ("name", "version"), "provider": ("id",), "rule": ("name",)}[kind]
    parts = [value.get(part, "001" if part == "version" else None) for part in wanted]
    named = [part for part in parts if isinstance(part, str) and part]
    return "___".join(named) if len(named) == len(parts) else None


def _nameless(kind: str) -> str:
    wanted = {"collection": "name and version", "provider": "id", "rule": "name"}.get(kind)
    return f"expected an object with {wanted}" if wanted else "expected an object, in a file named after the workflow"


def _plain(value: Any) -> Any:
    return {name: item for name, item in value.items() if name != "$schema"}  # for editors


def _write(found: list[_Found], root: Path, places: Mapping[str, str], moved: Moved, *, replace: bool) -> None:
    """Write the documents below `root`, unless something is wrong; fill `moved.done`."""
    there = {} if not root.is_dir() or not _has_any(root, places) else _there(root, places)
    targets: dict[Path, _Found] = {}
    seen: dict[tuple[str, str], str] = {}
    for one in found:
        if other := seen.get((one.kind, one.key)):
            moved.wrong.append(f"{one.source}: {one.kind} {one.key} is in {other} already")
            continue
        seen[one.kind, one.key] = one.source
        old = there.get((one.kind, one.key))
        if old and old.value == one.value:
            moved.done.append((one.kind, one.key, "unchanged"))
            continue
        if old and (not replace or not old.file):
            way = "--replace writes over it" if old.file else "a list holds it, which is not written over"
            moved.wrong.append(f"{one.source}: {one.kind} {one.key} is in {root / old.source} and differs: {way}")
            continue
        path = root / old.source if old else _free(root / places[one.kind], one, targets)
        targets[path] = one
        moved.done.append((one.kind, one.key, "replaced" if old else "added"))
    if moved.wrong:
        moved.done = []
        return
    _write_all({path: one.value for path, one in targets.items()})


def _has_any(root: Path, places: Mapping[str, str]) -> bool:
    return any((root / place).is_dir() for place in places.values())


def _there(root: Path, places: Mapping[str, str]) -> dict[tuple[str, str], _Found]:
    """Return the documents that are there already; what cannot be read is left alone."""
    return {(one.kind, one.key): one for one in _documents(root, places, Moved())}


def _free(folder: Path, one: _Found, taken: Mapping[Path, _Found]) -> Path:
    """Return the path of a new file: its own name, else its key's."""
    ending = WORKFLOW if one.kind == "workflow" else ".json"
    names = [f"{safe(one.key)}{ending}"] if one.kind == "workflow" or not one.file else [one.file]
    names += [f"{safe(one.key)}{ending}", *(f"{safe(one.key)}-{number}{ending}" for number in range(2, 1000))]
    return next(path for name in names if (path := folder / name) not in taken and not path.exists())


def _write_all(values: Mapping[Path, Any]) -> None:
    beside = {path: path.with_name(f".{path.name}.part") for path in values}
    for path, value in values.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        beside[path].write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for path, part in beside.items():
        part.replace(path)
