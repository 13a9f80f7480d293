"""A process of an OGC API as an operation: what its description says of inputs, and which output is read."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from xarray import Dataset, open_dataset

from pileus.errors import DamagedObject, DocumentError
from pileus.stratus.capability import Capability
from pileus.stratus.request import Input, Operation

INLINE = 16 << 20
"""Most bytes of a file that is sent within a request."""
NETCDF = ("application/netcdf", "application/x-netcdf", "application/x-netcdf4", "application/netcdf4")
TIFF = ("image/tiff", "image/geotiff", "application/geotiff")
JSON = ("application/json", "application/geo+json")
_LITERAL = ("number", "integer", "string", "boolean")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Process:
    """What is used of a description."""

    id: str
    op: str
    """Its name as an operation."""
    title: str
    description: str
    parameters: Mapping[str, Mapping[str, Any]]
    """Schemas of inputs that are values, by name."""
    required: tuple[str, ...]
    """Names of `parameters` that must be given."""
    data: Mapping[str, tuple[bool, Mapping[str, Any]]]
    """Inputs that are data, in order: whether each must be given, and its schema."""
    outputs: Mapping[str, Mapping[str, Any]]
    asynchronous: bool

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Process":
        """Return the process of a description. Raises DamagedObject for what is none."""
        try:
            inputs = {str(name): one for name, one in dict(told.get("inputs") or {}).items()}
            values = {name: dict(one.get("schema") or {}) for name, one in inputs.items()}
            must = {name for name, one in inputs.items() if one.get("minOccurs", 1) != 0}
            data = {name: (name in must, schema) for name, schema in values.items() if _is_data(schema)}
            # A number may come from another operation: what takes no data is given numbers in the order of inputs.
            return cls(
                str(told["id"]),
                op_of(str(told["id"])),
                str(told.get("title", ""))[:200],
                str(told.get("description", ""))[:2000],
                {name: schema for name, schema in values.items() if name not in data},
                tuple(name for name in inputs if name in must and name not in data),
                data,
                {str(name): dict(one.get("schema") or {}) for name, one in dict(told.get("outputs") or {}).items()},
                "async-execute" in (told.get("jobControlOptions") or ()),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedObject(f"the description of a process is not understood: {type(error).__name__}") from error

    def capability(self, epa: str) -> Capability:
        """Return it as an operation of an endpoint."""
        takes = {"type": "object", "properties": dict(self.parameters), "additionalProperties": False}
        few = sum(must for must, _ in self.data.values())
        return Capability(
            f"{epa}:{self.op}",
            self.title,
            self.description,
            takes | ({"required": list(self.required)} if self.required else {}),
            (few, len(self.data)),
        )

    def body(self, operation: Operation, inputs: Mapping[str, Input], files: Mapping[str, Path]) -> dict[str, Any]:
        """Return what is sent: values by name, data in order. `files`: those inputs that are here, by id.

        Raises DocumentError for a file that the process does not take, or that is too large to be sent.
        """
        sent: dict[str, Any] = dict(operation.parameters)
        if len(operation.inputs) > len(self.data):
            raise DocumentError(f"input: {operation.name} takes up to {len(self.data)}, not {len(operation.inputs)}")
        for (name, (_, schema)), id in zip(self.data.items(), operation.inputs, strict=False):
            sent[name] = _value(id, schema, files[id]) if id in files else {"href": inputs[id].uri}
        return {"inputs": sent, "response": "raw"} | self._wanted()

    def _wanted(self) -> dict[str, Any]:
        """Return which output is wanted, and how: the first that can be NetCDF, else the first."""
        if not self.outputs:
            return {}
        name = next((name for name, one in self.outputs.items() if _media_types(one) & {*NETCDF}), "")
        chosen = name or next(iter(self.outputs))
        offered = _media_types(self.outputs[chosen])
        found = next((one for one in (*NETCDF, *TIFF, *JSON) if one in offered), "")
        how = {"format": {"mediaType": found}} if found and len(offered) > 1 else {}
        return {"outputs": {chosen: {"transmissionMode": "value", **how}}}


def op_of(id: str) -> str:
    """Return the name of a process as an operation.

    >>> op_of("org.n52.mean")
    'org_n52_mean'
    """
    return _NOT_NAME.sub("_", id)[:64]


def _is_data(schema: Mapping[str, Any]) -> bool:
    """Return whether an input is data: it has a media type that is none of text, or a format of binary values."""
    if schema.get("type") in _LITERAL and "contentMediaType" not in schema:
        return False
    return bool({one for one in _media_types(schema) if not one.startswith("text/")} - {*JSON})


def _media_types(schema: Mapping[str, Any]) -> set[str]:
    """Return the media types that a schema names, of its choices too; without parameters."""
    found = {str(schema.get("contentMediaType", "")).partition(";")[0].strip().lower()} - {""}
    for key in ("oneOf", "anyOf", "allOf"):
        for one in schema.get(key) or ():
            if isinstance(one, Mapping):
                found |= _media_types(one)
    return found


def _value(id: str, schema: Mapping[str, Any], path: Path) -> dict[str, Any]:
    size, takes = path.stat().st_size, _media_types(schema)
    media_type = next((one for one in NETCDF if one in takes), "")
    if not media_type:
        raise DocumentError(f"input {id}: the process takes {', '.join(sorted(takes))}, and what there is is NetCDF")
    if size > INLINE:
        raise DocumentError(f"input {id}: {size:,} bytes, and {INLINE:,} are the most that are sent in a request")
    return {"value": base64.b64encode(path.read_bytes()).decode(), "encoding": "base64", "mediaType": media_type}


def dataset_of(value: Any, what: str) -> Dataset:
    """Return numbers of JSON as a data set: a number, a list of them, or an object of these.

    >>> float(dataset_of({"mean": 2.5}, "x")["mean"])
    2.5

    Raises DamagedObject for what has no number.
    """
    if isinstance(value, Mapping) and set(value) == {"id", "value"}:  # as pygeoapi answers with one output
        value = {str(value["id"]): value["value"]}
    named = value if isinstance(value, Mapping) else {"value": value}
    found: dict[str, Any] = {}
    for name, one in named.items():
        plain = one["value"] if isinstance(one, Mapping) and "value" in one else one
        try:
            array = numpy.asarray(plain)
        except ValueError:  # lists of different lengths
            continue
        if array.dtype.kind in "iuf" and array.size and "/" not in str(name):
            found[str(name)] = (tuple(f"{name}_{axis}" for axis in range(array.ndim)), array)
    if not found:
        raise DamagedObject(f"{what}: expected numbers, NetCDF or GeoTIFF for a result")
    return Dataset(found)


def number_in(path: Path) -> float | None:
    """Return the one number of a NetCDF4 file; None where it has none, or more."""
    with open_dataset(path, engine="h5netcdf") as data:
        (only,) = data.data_vars.values() if len(data.data_vars) == 1 else (None,)
        return float(only) if only is not None and only.size == 1 and only.dtype.kind in "iuf" else None
