"""JSON Schemas of the documents, so that editors complete and check them."""

import ast
import inspect
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pileus.documents import Collection, Document, Provider, Rule, collection, provider, rule

PARTS = (collection, provider, rule)
MODELS: dict[str, type[Document]] = {"collection": Collection, "provider": Provider, "rule": Rule}


def schema(name: str) -> dict[str, Any]:
    """Return the schema of one kind of document. The docstring under each field is its description."""
    made = MODELS[name].model_json_schema()
    described = _descriptions()
    for model, part in {**made.get("$defs", {}), MODELS[name].__name__: made}.items():
        for field, text in described.get(model, {}).items():
            part["properties"][field]["description"] = text
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _descriptions() -> dict[str, dict[str, str]]:
    """Return the docstring under each field, by model.

    Read here and not by pydantic, which would do so at every start.
    """
    found: dict[str, dict[str, str]] = {}
    models = (model for part in PARTS for model in ast.parse(inspect.getsource(part)).body)
    for model in models:
        if isinstance(model, ast.ClassDef):
            for field, below in pairwise(model.body):
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and (text := _text(below)):
                    found.setdefault(model.name, {})[field.target.id] = text
    return found


def _text(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return inspect.cleandoc(node.value.value)
    return None


def write_schemas(folder: Path) -> Iterator[Path]:
    """Write NAME.schema.json for each kind of document; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        path = folder / f"{name}.schema.json"
        path.write_text(json.dumps(schema(name), indent=2) + "\n")
        yield path
