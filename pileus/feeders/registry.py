"""The feeders that there are: those of Pileus, and those of a project.

A feeder is a function of parameters that yields payloads. A parameter `client` gets the client of the stack, one called
`store` gets the objects in S3; all others are a user's.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from pileus.documents.yaml_text import parse_yaml
from pileus.errors import DocumentError, UsageError
from pileus.near import unknown
from pileus.product import CIRRUS_DEFINITION, run_file

Payload = Mapping[str, Any]
GIVEN = ("client", "store")
"""Parameters that are not a user's."""
OWN = {
    "stac-search": "pileus.feeders.stac_search:stac_search",
    "inventory": "pileus.feeders.inventory:inventory",
    "rerun": "pileus.feeders.rerun:rerun",
}
"""`module:function` of the feeders of Pileus."""
REPLACES = frozenset({"rerun"})
"""Feeders whose payloads are processed again whatever came of them."""
FILE, FUNCTION = "feeder", "payloads"
"""Module and function of a folder feeders/NAME without a definition that names others; the function of a file too."""


@dataclass(frozen=True, slots=True)
class Feeder:
    """One feeder."""

    name: str
    function: Callable[..., Iterator[Payload]]

    @property
    def summary(self) -> str:
        """Return the first line of its text; empty where it has none."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Return the parameters that a user gives, by name."""
        found = inspect.signature(self.function).parameters
        return {name: one for name, one in found.items() if name not in GIVEN}

    @property
    def needs(self) -> tuple[str, ...]:
        """Return which of `client` and `store` it takes."""
        return tuple(name for name in GIVEN if name in inspect.signature(self.function).parameters)

    @property
    def replaces(self) -> bool:
        """Return whether its payloads are processed again whatever came of them."""
        return self.name in REPLACES

    def checked(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return a user's texts as values of the parameters' types: JSON, and of a list also its parts by commas.

        Raises UsageError for a parameter that there is not, that is missing, or whose value is of another type.
        """
        known = self.parameters
        if missing := [name for name, one in known.items() if one.default is one.empty and name not in given]:
            raise UsageError(f"feeder {self.name} needs {', '.join(missing)}: give it as --param {missing[0]}=VALUE")
        for name in given:
            if name not in known:
                raise UsageError(f"feeder {self.name}: {unknown('parameter', name, known)}")
        return {name: _value(name, text, self._type_of(known[name])) for name, text in given.items()}

    def _type_of(self, parameter: inspect.Parameter) -> Any:
        """Return the type of a parameter; text where none is written."""
        if parameter.annotation is parameter.empty:
            return str
        if not isinstance(parameter.annotation, str):
            return parameter.annotation
        try:
            return get_type_hints(self.function)[parameter.name]
        except NameError as exc:
            raise DocumentError(f"feeder {self.name}: {parameter.name}: its type is not known: {exc}") from exc


def feeder_of(name: str, folder: Path | None) -> Feeder:
    """Return a feeder by its name. `folder`: feeders/ of the project; None: there is no project.

    Raises UsageError for a name that there is not, DocumentError for a file that cannot be imported.
    """
    if name in OWN:
        module, _, function = OWN[name].partition(":")
        return Feeder(name, getattr(import_module(module), function))
    own = _own_files(folder)
    if name not in own:
        raise UsageError(unknown("feeder", name, [*OWN, *own]))
    return Feeder(name, _imported(name, own[name]))


def feeders(folder: Path | None) -> list[Feeder]:
    """Return all feeders, those of Pileus first. Raises as `feeder_of` does."""
    return [feeder_of(name, folder) for name in (*OWN, *(one for one in _own_files(folder) if one not in OWN))]


def _own_files(folder: Path | None) -> dict[str, Path]:
    """Return feeders/NAME.py and feeders/NAME/ of a project, by name."""
    if folder is None or not folder.is_dir():
        return {}
    found = {path.stem: path for path in sorted(folder.glob("*.py")) if not path.stem.endswith("_spec")}
    return found | {path.name: path for path in sorted(folder.iterdir()) if path.joinpath(f"{FILE}.py").is_file()}


def _imported(name: str, path: Path) -> Callable[..., Iterator[Payload]]:
    """Return the function of a project's feeder."""
    entry = _entry(path) if path.is_dir() else f"{path.stem}:{FUNCTION}"
    module, _, function = entry.partition(":")
    file = path / f"{module}.py" if path.is_dir() else path
    where = f"feeders/{name}{'' if path.is_dir() else '.py'}"
    if not file.is_file():
        raise DocumentError(f"there is no {file.name}", where=where)
    try:
        made = run_file(file, f"pileus_feeders.{name}")
    except (ImportError, SyntaxError) as exc:
        raise DocumentError(f"cannot be imported: {exc}", where=where) from exc
    found = getattr(made, function, None)
    if not callable(found):
        raise DocumentError(f"{file.name} has no function {function}", where=where)
    return found  # type: ignore[no-any-return]


def _entry(folder: Path) -> str:
    """Return `module:function` of a feeder in a folder, as its definition says."""
    path = folder / CIRRUS_DEFINITION
    if not path.is_file():
        return f"{FILE}:{FUNCTION}"
    where = f"feeders/{folder.name}/{path.name}"
    told = parse_yaml(path.read_text(encoding="utf-8"), where)
    entry = told.get("entry", f"{FILE}:{FUNCTION}") if isinstance(told, dict) else None
    if not isinstance(entry, str) or not all(part.isidentifier() for part in entry.split(":", 1)) or ":" not in entry:
        raise DocumentError("entry: expected module:function", where=where)
    return entry


def _value(name: str, text: str, kind: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        return adapter.validate_python(text)
    except ValidationError as exc:
        first = exc.errors()[0]["msg"]
    for given in (text, json.dumps(text.split(","))):
        try:
            return adapter.validate_json(given)
        except ValidationError:
            continue
    raise UsageError(f"--param {name}={text[:60]!r}: {first}")
