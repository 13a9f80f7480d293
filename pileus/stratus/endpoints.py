"""The endpoints of one node: which operations it does, and whether it can do those of a request."""

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

from pileus.endpoint import Endpoint, endpoints_in
from pileus.errors import DocumentError, UsageError
from pileus.near import unknown
from pileus.stratus.capability import Capability, number_of_inputs, wrong_number
from pileus.stratus.classes import endpoints_of_class, is_class_of_stratus
from pileus.stratus.graph import Graph, matches
from pileus.stratus.request import Operation

BUILTIN = "pileus.stratus.builtin"
"""The module of our own."""
NEEDED = ("xarray", "h5netcdf", "h5py")
MISSING = "operations need the extra stratus: `pip install 'pileus[stratus]'`"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What one node can do, in the order in which it was listed: of two that match, the first does it."""

    listed: tuple[Endpoint, ...]

    @classmethod
    def of(cls, sources: Iterable[object]) -> "Endpoints":
        """Return the endpoints of modules (all that can be named in them) and of functions.

        Raises UsageError for what has none, and for two that are of the same pattern and operation.
        """
        found: dict[str, Endpoint] = {}
        for source in sources:
            for one in _found(source):
                if found.setdefault(one.name, one).do is not one.do:
                    raise UsageError(f"two functions do {one.name}: expected one")
        for one in found.values():
            _ = one.parameters.schema()  # an annotation that cannot be checked is found at the start
        return cls(tuple(found.values()))

    @classmethod
    def named(cls, names: Sequence[str] = (BUILTIN,)) -> "Endpoints":
        """Return the endpoints of MODULE or MODULE:OBJECT, each imported. Raises UsageError with the reason where that
        is not possible, and where the extra `stratus` is not installed.
        """
        if any(find_spec(name) is None for name in NEEDED):
            raise UsageError(MISSING)
        return cls.of([_imported(name) for name in names])

    def capabilities(self) -> tuple[Capability, ...]:
        """Return one of each."""
        return tuple(
            Capability(one.name, one.title, one.description, one.parameters.schema(), one.inputs) for one in self.listed
        )

    def function(self, operation: Operation) -> Endpoint:
        """Return what does an operation. Raises DocumentError that names what there is."""
        for one in self.listed:
            if matches(one.name, operation):
                return one
        raise DocumentError(unknown("operation", operation.name, [one.name for one in self.listed]))

    def parameters(self, operation: Operation, at: str) -> dict[str, Any]:
        """Return the checked parameters of an operation. Raises DocumentError; paths start with `at`."""
        return self.function(operation).parameters.checked(operation.parameters, at)

    def check(self, graph: Graph) -> None:
        """Raise DocumentError with all that is wrong: operations that nothing does, a wrong number of inputs, unknown,
        missing and wrong parameters.
        """
        wrong: list[str] = []
        for number, operation in enumerate(graph.request.operations):
            at = f"operation[{number}]"
            try:
                found = self.function(operation)
            except DocumentError as error:
                wrong.append(f"{at}.name: {error.message}")
                continue
            if why := wrong_number(found.inputs, len(operation.inputs)):
                wrong.append(f"{at}.input: {operation.name} {why}")
            try:
                found.parameters.checked(operation.parameters, at)
            except DocumentError as error:
                wrong.append(error.message)
        if wrong:
            more = f"; and {len(wrong) - 20} more" if len(wrong) > 20 else ""
            raise DocumentError("; ".join(wrong[:20]) + more)


def _found(source: object) -> tuple[Endpoint, ...]:
    if isinstance(source, Endpoint):
        return (source,)
    if isinstance(source, ModuleType):
        found = tuple(one for value in vars(source).values() for one in endpoints_in(value))
        if not found:
            raise UsageError("has no function with @endpoint", where=source.__name__)
        return found
    if is_class_of_stratus(source):
        return endpoints_of_class(source)  # type: ignore[arg-type]
    if not (found := endpoints_in(source)):
        raise UsageError(f"expected a module or a function with @endpoint, not {getattr(source, '__name__', source)!r}")
    return found


def _imported(name: str) -> object:
    module, _, attribute = name.partition(":")
    try:
        found = _own(importlib.import_module(module), module)
    except Exception as error:
        raise UsageError(f"cannot be imported: {type(error).__name__}: {error}", where=module) from error
    if not attribute:
        return found
    if not hasattr(found, attribute):
        raise UsageError(f"has no {attribute}", where=module)
    return getattr(found, attribute)


def _own(found: ModuleType, name: str) -> ModuleType:
    """Return a module, or the one that is first on the path now, where another project of this process has imported
    one of the same name from elsewhere.
    """
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(name) if "." not in name else None
    if spec is None or spec.origin is None or spec.origin == found.__file__:
        return found
    private = f"{name}@{spec.origin}"
    if private not in sys.modules and (own := spec_from_file_location(private, spec.origin)) and own.loader:
        sys.modules[private] = module_from_spec(own)
        try:
            own.loader.exec_module(sys.modules[private])
        except BaseException:
            del sys.modules[private]
            raise
    return sys.modules.get(private, found)


def process_inputs(capability: Capability) -> dict[str, Any]:
    """Return the inputs of an operation, as OGC API - Processes describes them: each parameter, and `input`, the data
    sets that are read.
    """
    fewest, most = capability.inputs
    properties = capability.parameters.get("properties", {})
    required = capability.parameters.get("required", ())
    inputs: dict[str, Any] = {
        name: {
            "title": name,
            "description": schema.get("description", ""),
            "minOccurs": int(name in required),
            "maxOccurs": 1,
            "schema": schema,
        }
        for name, schema in properties.items()
    }
    if most != 0:
        inputs["input"] = {
            "title": "Data sets",
            "description": "Addresses of NetCDF or GeoTIFF files.",
            "minOccurs": fewest,
            "maxOccurs": "unbounded" if most is None else most,
            "schema": {"type": "string", "format": "uri"},
        }
    return inputs


def documentation(capability: Capability) -> str:
    """Return a section in Markdown: what it does, its inputs and a table of its parameters."""
    lines = [
        f"## `{capability.pattern}`",
        "",
        capability.description or capability.title,
        "",
        f"Takes {number_of_inputs(capability.inputs)}.",
        "",
    ]
    properties = capability.parameters.get("properties", {})
    if properties:
        lines += ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    required = capability.parameters.get("required", ())
    for name, schema in properties.items():
        default = "(needed)" if name in required else f"`{schema['default']!r}`" if "default" in schema else ""
        lines.append(f"| `{name}` | {_kind(schema)} | {default} | {schema.get('description', '')} |")
    return "\n".join(lines).rstrip() + "\n"


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{one!r}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']!r}`"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "any"))
