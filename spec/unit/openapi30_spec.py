"""JSON Schema and OpenAPI 3.1 written as OpenAPI 3.0."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from pileus.api.ogc.told import inputs_of
from pileus.api.openapi30 import document30, schema30

A = {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}}
B = {"type": "string", "const": "x"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"type": "integer", "exclusiveMinimum": 3}, {"type": "integer", "minimum": 3, "exclusiveMinimum": True}),
        ({"const": 1}, {"enum": [1]}),
        ({"type": "string", "examples": ["a", "b"]}, {"type": "string", "example": "a"}),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, {"type": "string", "nullable": True}),
        (
            {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "number"}], "nullable": True},
        ),
        (
            {"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}], "minItems": 2},
            {"type": "array", "items": {"type": "number"}, "minItems": 2},
        ),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "string", "contentMediaType": "text/csv"}, {"type": "string"}),
        ({"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/A"}),
        (
            {"$ref": "#/components/schemas/A", "description": "d"},
            {"allOf": [{"$ref": "#/components/schemas/A"}], "description": "d"},
        ),
        ({"additionalProperties": {"const": 1}}, {"additionalProperties": {"enum": [1]}}),
        (True, True),
    ],
)
def test_a_schema_says_the_same_in_3_0(given: Any, told: Any) -> None:
    assert schema30(given) == told


def test_definitions_are_put_in_place() -> None:
    assert schema30({"$ref": "#/$defs/A"}, {"A": A, "B": B}) == {
        "type": "object",
        "properties": {"b": {"type": "string", "enum": ["x"]}},
    }


def test_what_is_given_stays_as_it_is() -> None:
    given = {"anyOf": [{"type": "string", "examples": ["a"]}, {"type": "null"}]}
    schema30(given)
    assert given == {"anyOf": [{"type": "string", "examples": ["a"]}, {"type": "null"}]}


def test_a_document_keeps_its_paths_and_what_they_refer_to() -> None:
    answer = {"description": "d", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1", "summary": "only 3.1 has it"},
        "paths": {"/a": {"get": {"responses": {"200": answer}}}, "/b": {"get": {"responses": {"200": answer}}}},
        "components": {
            "schemas": {
                "A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}},
                "B": B,
                "C": B,
            }
        },
    }
    made = document30(document, lambda path: path == "/a")
    OpenAPIV30SpecValidator(made).validate()
    assert list(made["paths"]) == ["/a"]
    assert list(made["components"]["schemas"]) == ["A", "B"]


def test_the_schemas_of_a_processs_inputs_are_whole() -> None:
    """No reference leads out of a description, and no keyword is one that only JSON Schema knows."""
    text = str(inputs_of("zonal-statistics"))
    for word in ("$ref", "$defs", "prefixItems", "'null'", "examples", "'const'"):
        assert word not in text, word
