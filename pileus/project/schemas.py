"""JSON Schemas of the documents, so that editors complete and check them."""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from pileus.documents import (
    Collection,
    Document,
    Provider,
    Rule,
    band,
    collection,
    file,
    grouping,
    options,
    provider,
    rule,
    task,
    valid,
)
from pileus.documents.task import TaskDefinition
from pileus.processes import RegisteredProcess

PARTS = (band, valid, collection, file, grouping, options, provider, rule, task)
MODELS: dict[str, type[Document]] = {
    "collection": Collection,
    "provider": Provider,
    "rule": Rule,
    "task": TaskDefinition,
}
_EXAMPLE = re.compile(r" Example: `(.*)`\.$")


def schema(name: str) -> dict[str, Any]:
    """Return the schema of one kind of document. The docstring under each field is its description."""
    made = MODELS[name].model_json_schema()
    for part in PARTS:
        add_descriptions(made, MODELS[name].__name__, part)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def input_schema(process: RegisteredProcess) -> dict[str, Any]:
    """Return the JSON Schema of the inputs of a process, with a description of each, as `schema` does for documents."""
    made = process.inputs.model_json_schema()
    for part in (*PARTS, import_module(process.inputs.__module__)):
        add_descriptions(made, process.inputs.__name__, part)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def add_descriptions(made: dict[str, Any], name: str, module: ModuleType) -> None:
    """Add `description` and `examples` to the fields of a schema of the model `name`, from the source of `module`.

    Read here and not by pydantic, which would do so at every start.
    """
    parts = {**made.get("$defs", {}), name: made}
    classes = [part for part in ast.parse(inspect.getsource(module)).body if isinstance(part, ast.ClassDef)]
    models = {model.name: model for model in classes}
    for model in [model for name, model in models.items() if name in parts]:
        above = [models[base.id].body for base in model.bases if isinstance(base, ast.Name) and base.id in models]
        for field, below in pairwise(part for body in (*above, model.body) for part in body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and (text := _text(below)):
                parts[model.name]["properties"][_alias(field) or field.target.id] |= _described(text)


def _alias(field: ast.AnnAssign) -> str | None:
    """Return the name that documents use, where it is no name in Python."""
    keywords = field.value.keywords if isinstance(field.value, ast.Call) else []
    return next((word.value.value for word in keywords if word.arg == "alias"), None)  # type: ignore[attr-defined]


def _described(text: str) -> dict[str, Any]:
    """Return the description that a docstring gives, and the value in its last sentence: Example: `VALUE`."""
    plain = " ".join(text.split())
    if example := _EXAMPLE.search(plain):
        return {"description": plain[: example.start()], "examples": [json.loads(example[1])]}
    return {"description": plain}


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
