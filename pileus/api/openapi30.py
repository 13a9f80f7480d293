"""An OpenAPI 3.1 document, or a JSON Schema, as OpenAPI 3.0 says the same: for readers who know only that."""

from collections.abc import Callable, Mapping
from typing import Any

NOT_IN_30 = (
    "$defs", "$schema", "const", "examples", "prefixItems", "propertyNames", "patternProperties", "contentMediaType",
    "contentEncoding", "unevaluatedProperties",
)  # fmt: skip
"""Keywords of schemas that are written otherwise, or left out."""
BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
Json = dict[str, Any]


def schema30(schema: Any, definitions: Mapping[str, Any] | None = None, *, content: bool = False) -> Any:
    """Return a schema as OpenAPI 3.0 writes it.

    `definitions`: schemas that `#/$defs/NAME` refers to, which are put in place; None: references stay. They must not
    refer to themselves. `content`: keep contentMediaType and contentEncoding, which OGC API - Processes knows.

    >>> schema30({"anyOf": [{"type": "string"}, {"type": "null"}]})
    {'type': 'string', 'nullable': True}
    """
    if not isinstance(schema, dict):
        return schema

    def again(part: Any) -> Any:
        return schema30(part, definitions, content=content)

    if "$ref" in schema and definitions is not None:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return again(target | {name: value for name, value in schema.items() if name != "$ref"})
    if "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return {"allOf": [{"$ref": schema["$ref"]}], **again(beside)} if beside else dict(schema)
    made = {name: value for name, value in schema.items() if name not in NOT_IN_30 and name not in BOUNDS}
    made |= {name: schema[name] for name in ("contentMediaType", "contentEncoding") if content and name in schema}
    for name in ("items", "not", "additionalProperties"):
        if name in made:
            made[name] = again(made[name])
    if "properties" in made:
        made["properties"] = {name: again(part) for name, part in made["properties"].items()}
    for name in ("allOf", "oneOf", "anyOf"):
        if name in made:
            made[name] = [again(part) for part in made[name] if part != {"type": "null"}]
    return _nullable(schema, _rewritten(schema, made, again))


def _rewritten(schema: Mapping[str, Any], made: Json, again: Callable[[Any], Any]) -> Json:
    """Write the keywords that 3.0 writes otherwise."""
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if schema.get("examples"):
        made["example"] = schema["examples"][0]
    for exclusive, bound in BOUNDS.items():
        if exclusive in schema:
            made |= {bound: schema[exclusive], exclusive: True}
    if "prefixItems" in schema:
        kinds = [part for n, part in enumerate(schema["prefixItems"]) if part not in schema["prefixItems"][:n]]
        made["items"] = again(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
    elif made.get("type") == "array" and "items" not in made:
        made["items"] = {}
    return made


def _nullable(schema: Mapping[str, Any], made: Json) -> Json:
    """Say that a value may be null as 3.0 does; of one alternative that is left, no alternatives are made."""
    if made.get("default", 0) is None:
        del made["default"]
    for name in ("anyOf", "oneOf"):
        if {"type": "null"} in schema.get(name, ()):
            made["nullable"] = True
            if len(made[name]) == 1 and "$ref" not in made[name][0]:
                made = {**made.pop(name)[0], **made}
    return made


def document30(document: Mapping[str, Any], keep: Callable[[str], bool]) -> Json:
    """Return the paths of a 3.1 document that `keep` says, with what they refer to, as a 3.0 document."""
    paths = {path: _part(item) for path, item in document["paths"].items() if keep(path)}
    components = document.get("components", {})
    schemas: Json = {}
    wanted = _references(paths)
    while left := wanted - set(schemas):
        for name in left:
            schemas[name] = schema30(components["schemas"][name])
        wanted = wanted | _references([schemas[name] for name in left])
    told = {"openapi": "3.0.3", "info": {name: document["info"][name] for name in ("title", "version")}}
    parts = {name: value for name, value in components.items() if name != "schemas"}
    return {**told, "paths": paths, "components": {**parts, "schemas": dict(sorted(schemas.items()))}}


def _part(value: Any, name: str = "") -> Any:
    """Return a part of a document whose schemas are those of 3.0."""
    if isinstance(value, dict):
        if name == "schema":
            return schema30(value)
        return {key: _part(part, key) for key, part in value.items()}
    return [_part(part) for part in value] if isinstance(value, list) else value


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"].rpartition("/")[2]} if isinstance(value.get("$ref"), str) else set[str]()
        return own.union(*map(_references, value.values()))
    return set[str]().union(*map(_references, value)) if isinstance(value, list) else set()
