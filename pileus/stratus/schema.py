"""JSON Schema of a request: for documents, clients and fuzzing. `StratusRequest.from_json` checks by itself.

What the schema refuses, that refuses too. It refuses more: names that are used twice or that there are not, circles,
and parameters, which each operation has of its own.
"""

from collections.abc import Iterable
from typing import Any

from pileus.stratus.capability import Capability
from pileus.stratus.request import AXES, LONGEST, MOST_OPERATIONS, NAME, SPELLINGS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAME = {"type": "string", "pattern": f"^{NAME.pattern}$"}
_MAYBE = {"anyOf": [_NAME, {"const": ""}]}
_NAMES = {
    "description": "Names, in a list or with commas between them",
    "anyOf": [
        {"type": "array", "items": _NAME},
        {"type": "string", "pattern": rf"^(\s*({NAME.pattern})?\s*)(,\s*({NAME.pattern})?\s*)*$"},
    ],
}
_ID = rf"^([\s\S]*:)?{NAME.pattern}$"
_HAS_OTHERS = {"not": {"propertyNames": {"not": {"pattern": "^.+:operations$"}}}}
"""Some key names the operations of an endpoint."""
_OP = rf"^({NAME.pattern}[:.])?{NAME.pattern}$"


def request_schema(capabilities: Iterable[Capability] = ()) -> dict[str, Any]:
    """Return the schema of a request, of both spellings. With `capabilities`, `$defs.parameters` has the schema of the
    parameters of each, by its pattern.
    """
    listed = {"operation": _operation(), "input": _input(), "domain": _domain()}
    properties: dict[str, Any] = {
        "rid": {**_MAYBE, "description": "Id of the request; the receiver makes one where there is none"},
        "cid": {**_MAYBE, "description": "Name of whoever asks"},
        "epa": {"type": "string", "description": "Endpoint of operations that name none"},
        "via": {**_NAMES, "description": "Ids of the nodes that it has passed, which nodes write"},
        "outputs": {**_NAMES, "description": "Results that are wanted; else the one that no operation reads"},
    }
    for name in listed:
        properties[name] = _each(name)
    for other, name in SPELLINGS.items():
        properties[other] = {**_each(name), "description": f"Another spelling of {name}"}
    return {
        "$schema": DIALECT,
        "title": "Request of Stratus",
        "description": f"Of at most {LONGEST:,} bytes.",
        "type": "object",
        "properties": properties,
        "patternProperties": {
            "^.+:(input|inputs|variables)$": _each("input"),
            "^.+:domains?$": _each("domain"),
            "^.+:operations$": _each("operation"),
            f"^{NAME.pattern}:.+$": {"description": "What the endpoint before the colon gets alone"},
        },
        "additionalProperties": False,
        "anyOf": [{"required": ["operation"]}, {"required": ["operations"]}, _HAS_OTHERS],
        "$defs": {**listed, "parameters": {one.pattern: dict(one.parameters) for one in capabilities}},
    }


def _each(name: str) -> dict[str, Any]:
    one = {"$ref": f"#/$defs/{name}"}
    fewest = {"minItems": 1} if name == "operation" else {}
    return {"anyOf": [{"type": "array", "items": one, "maxItems": MOST_OPERATIONS, **fewest}, one]}


def _operation() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "All its other keys are parameters.",
        "properties": {
            "name": {"type": "string", "pattern": _OP, "description": "ENDPOINT:OPERATION, or with a dot"},
            "epa": {"type": "string"},
            "input": _NAMES,
            "inputs": _NAMES,
            "result": {**_MAYBE, "description": "Name of what it makes, once in a request; else r1, r2 and so on"},
            "domain": {**_MAYBE, "description": "Name of the domain to which what it makes is cut"},
        },
    }


def _input() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "pattern": rf"^([\s\S]*:)?{NAME.pattern}$",
                "description": "VARIABLE:ID, or an id",
            },
            "uri": {"type": "string", "minLength": 1, "maxLength": 2000},
            "domain": {**_MAYBE, "description": "Name of the domain that is read"},
        },
        "required": ["name", "uri"],
        "additionalProperties": False,
    }


def _domain() -> dict[str, Any]:
    axes = {name: _time() if axis == "time" else _space() for name, axis in AXES.items()}
    return {
        "type": "object",
        "properties": {"name": _NAME, **axes},
        "required": ["name"],
        "additionalProperties": False,
    }


def _bounds(kind: str, systems: list[str], *, required: bool) -> dict[str, Any]:
    system = {"enum": systems}
    named = {"anyOf": [{"required": ["system"]}, {"required": ["crs"]}]} if required else {}
    return {
        "type": "object",
        "description": "Both bounds are included; without an end, the start alone",
        "properties": {"start": {"type": kind}, "end": {"type": kind}, "system": system, "crs": system},
        "required": ["start"],
        "additionalProperties": False,
        **named,
    }


def _space() -> dict[str, Any]:
    return {"anyOf": [_bounds("number", ["values"], required=False), _bounds("integer", ["indices"], required=True)]}


def _time() -> dict[str, Any]:
    return {
        "anyOf": [
            _bounds("string", ["timestamps"], required=False),
            _bounds("number", ["values"], required=True),
            _bounds("integer", ["indices"], required=True),
        ]
    }
