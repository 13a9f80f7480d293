"""The reference pages, written from the code: commands from the command line, fields from the documents' models."""

import inspect
import json
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from typing import Any, Literal, NamedTuple, get_args, get_origin

from typer.main import get_command

from infra import settings as settings_module
from pileus.api import sign_in
from pileus.cli.commands import ENTRIES
from pileus.cli.main import app
from pileus.deploy import api_settings
from pileus.documents import provider
from pileus.project.schemas import MODELS, add_descriptions, schema
from pileus.stratus.endpoints import Endpoints, documentation


class Field(NamedTuple):
    """One field of a document."""

    path: str
    """As a person finds it: `meta.process.band`, `files[].regex`, `meta.bands.NAME.unit`."""
    schema: dict[str, Any]
    required: bool


def anchor(*words: str) -> str:
    """Return the anchor of a command or a field in its page.

    >>> anchor("command", "dead-letters list"), anchor("collection", "files[].regex")
    ('command-dead-letters-list', 'collection-files-regex')
    """
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


# Commands


def every_command() -> Iterator[tuple[str, str, Any]]:
    """Return heading, words and click command of each command, those of groups included, in the order of the help."""
    root = get_command(app)
    for entry in ENTRIES:
        found = root.get_command(None, entry.name)
        for words, command in _leaves(entry.name, found):
            yield entry.panel, words, command


def _leaves(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    for name, sub in getattr(command, "commands", {}).items():
        yield from _leaves(f"{words} {name}", sub)
    if not hasattr(command, "commands"):
        yield words, command


def commands() -> str:
    """Return the sections of the page of commands."""
    return "\n".join(
        f"## {panel}\n\n" + "\n".join(_command(words, command) for _, words, command in group)
        for panel, group in groupby(every_command(), key=lambda found: found[0])
    )


def _command(words: str, command: Any) -> str:
    pieces = " ".join(command.collect_usage_pieces(command.make_context(words, [], resilient_parsing=True)))
    pieces = re.sub(r"\{(\w+)\}|\[[a-z]\w*\]", lambda found: (found[1] or found[0]).upper(), pieces)
    rows = [_parameter(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    table = "\n".join(["| argument or option | meaning | default |", "|---|---|---|", *rows]) if rows else ""
    example = (command.epilog or "").removeprefix("Example: ")
    return (
        f"({anchor('command', words)})=\n### `pileus {words}`\n\n{inspect.cleandoc(command.help or '')}\n\n"
        f"```text\npileus {words} {pieces}\n```\n\n{table}\n\nExample:\n\n```text\n{example}\n```\n"
    )


def _parameter(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    kind = parameter.type_descriptor.annotation
    choices = f" One of {', '.join(f'`{value}`' for value in get_args(kind))}." if get_origin(kind) is Literal else ""
    default = parameter.default
    shown = "required" if parameter.required else "" if default in (None, False, (), []) else f"`{default}`"
    return f"| {names} | {_cell(parameter.help or '')}{choices} | {shown} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


# Documents


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of document, the settings of a deployment included."""
    if kind in MODELS:
        return schema(kind)
    made = settings_module.Settings.model_json_schema()
    for part in (settings_module, api_settings, sign_in, provider):
        add_descriptions(made, "Settings", part)
    return made


def fields(kind: str) -> list[Field]:
    """Return every field of a kind of document, each after the one that holds it.

    A part that stands in several places, as the reference to a secret, is listed once, under its own name.
    """
    made = schema_of(kind)
    text = json.dumps(made)
    shared = {name for name in made.get("$defs", {}) if text.count(f'"#/$defs/{name}"') > 1}
    found = list(_fields(made, "", made, shared))
    for name in sorted(shared):
        part = made["$defs"][name]
        found += [Field(f"{name}.{path}", field, needed) for path, field, needed in _fields(part, "", made, shared)]
    return found


def _fields(part: dict[str, Any], prefix: str, whole: dict[str, Any], shared: set[str]) -> Iterator[Field]:
    for name, field in part.get("properties", {}).items():
        yield Field(f"{prefix}{name}", field, name in part.get("required", ()))
        for suffix, inner in _parts(field):
            if inner not in shared:
                yield from _fields(whole["$defs"][inner], f"{prefix}{name}{suffix}.", whole, shared)


def _parts(field: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the models that a field holds, each with what stands between its name and theirs."""
    if "$ref" in field:
        yield "", field["$ref"].rpartition("/")[2]
    for choice in field.get("anyOf", ()):
        yield from _parts(choice)
    for key, suffix in (("items", "[]"), ("additionalProperties", ".NAME")):
        if isinstance(inner := field.get(key), dict):
            yield from ((suffix + more, name) for more, name in _parts(inner))


def document(kind: str) -> str:
    """Return the sections of the page of a kind of document."""
    return "\n".join(_field(kind, field) for field in fields(kind))


def _field(kind: str, field: Field) -> str:
    needed = "required" if field.required else _default(field.schema)
    examples = field.schema.get("examples", [])
    name = re.split(r"[.\]]", field.path)[-1]
    shown = f'`"{name}": {json.dumps(examples[0], ensure_ascii=False)}`' if examples else ""
    return (
        f"({anchor(kind, field.path)})=\n## `{field.path}`\n\n*{_type(field.schema, schema_of(kind))}*, {needed}\n\n"
        f"{field.schema.get('description', '')}\n\nExample: {shown}\n"
    )


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None or default == [] or isinstance(default, dict):  # an object has the defaults of its fields
        return "optional"
    return f"default `{json.dumps(default)}`"


def _type(field: dict[str, Any], whole: dict[str, Any]) -> str:
    """Return the type of a field in words."""
    if "$ref" in field:
        inner = whole["$defs"][name := field["$ref"].rpartition("/")[2]]
        return _type(inner, whole) if "enum" in inner else f"object ({name})" if name == "SecretRef" else "object"
    if "anyOf" in field:
        return " or ".join(_type(choice, whole) for choice in field["anyOf"] if choice.get("type") != "null")
    if "enum" in field or "const" in field:
        return "one of " + ", ".join(f"`{json.dumps(value)}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        if "prefixItems" in field:
            return f"list of {len(field['prefixItems'])} numbers"
        return f"list of {_type(field['items'], whole)}s".replace("ys of", "y of")
    if field.get("type") == "object":
        return "object"
    return field.get("type", "any") + _limits(field)


def _limits(field: dict[str, Any]) -> str:
    words = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "pattern": "matching"}
    told = [f"{word} `{field[key]}`" for key, word in words.items() if key in field]
    return f" {' and '.join(told)}" if told else ""


# Python


def python() -> str:
    """Return the sections of the page of the Python API."""
    return "\n".join(_object(*name.rpartition(".")[::2]) for name in PUBLIC)


PUBLIC = (
    "pileus.open_stats",
    "pileus.runs.start",
    "pileus.runs.find",
    "pileus.runs.list",
    "pileus.runs.result",
    "pileus.runs.rows",
    "pileus.runs.stop",
    "pileus.runs.rerun",
    "pileus.zonal.read_zones",
    "pileus.zonal.measure",
    "pileus.download.fetch.download",
    "pileus.download.fetch.open_stream",
    "pileus.edges.providers.connect",
    "pileus.statistics.register",
    "pileus.processes.register",
    "pileus.protocols.register",
    "pileus.raster.formats.register",
    "pileus.outputs.export.register",
)
"""What a program may import; `pileus.open_stats` first."""


def _object(module: str, name: str) -> str:
    found = getattr(import_module(module), name)
    signature = re.sub(r"\b(?:\w+\.)+(?=[A-Z])|<(?!class)[^>]*>", "", str(inspect.signature(found)))
    signature = signature.replace("<class '", "").replace("'>", "")
    if len(name + signature) > 90:
        signature = re.sub(r"(?<=[(,]) ?(?=[*\w]+[:,])", "\n    ", signature).replace(") ->", ",\n) ->")
    return (
        f"({anchor('python', module, name)})=\n## `{module}.{name}`\n\n```python\n{name}{signature}\n```\n\n"
        f"{_markdown(inspect.getdoc(found) or '')}\n"
    )


def _markdown(text: str) -> str:
    """Return a docstring as Markdown, its examples in fences."""
    parts = re.split(r"\n\n(?=>>> )", text)
    return "\n\n".join(f"```pycon\n{part}\n```" if part.startswith(">>> ") else part for part in parts)


# Operations


def operations() -> str:
    """Return the sections of the page of our own operations."""
    return "\n".join(documentation(one) for one in Endpoints.named().capabilities())
