"""Values that a JSON Schema describes, of the few words that ours have."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

ANY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON."""


def from_schema(schema: Mapping[str, Any], whole: Mapping[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Return a strategy for what a schema describes. `whole`: what its references lead into."""
    whole = whole or schema
    if "$ref" in schema:
        return from_schema(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole)
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        rest = {name: one for name, one in schema.items() if name != "anyOf"}
        return st.one_of([from_schema(_both(rest, one), whole) for one in schema["anyOf"]])
    kind = schema.get("type")
    if kind == "object":
        return _objects(schema, whole)
    if kind == "array":
        most = min(3, schema.get("maxItems", 3))
        return st.lists(from_schema(schema.get("items", {}), whole), min_size=schema.get("minItems", 0), max_size=most)
    if kind == "string":
        return _strings(schema)
    numbers = st.floats(-1e6, 1e6) | st.integers(-10, 10)
    return {"number": numbers, "integer": st.integers(-10, 10), "boolean": st.booleans()}.get(str(kind), ANY)


def _both(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    required = [*one.get("required", ()), *other.get("required", ())]
    return {**one, **other} | ({"required": required} if required else {})


def _objects(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    properties = {name: from_schema(one, whole) for name, one in schema.get("properties", {}).items()}
    needed = {name: properties.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(needed, optional=properties)


def _strings(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"].removeprefix("^").removesuffix("$"), fullmatch=True)
    return st.text(min_size=schema.get("minLength", 0), max_size=20)
