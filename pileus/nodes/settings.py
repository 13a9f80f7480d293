"""The settings of a node: one file in ini, YAML or JSON, or a dict. The section `[stratus]` is the node itself; every
other section is a node to which its requests may go on.

    [stratus]
    type = rest
    port = 5000

    [xop]
    type = endpoint
    module = my_operations

1. Names of options are the same in small and capital letters; `.` and `-` are `_` in them.
2. A section `[flask]`, which files for Stratus have, is no node: of it, host and port count where `[stratus]` has none.
3. Nothing is imported and nobody is asked here: `pileus node check` does that.
"""

import configparser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pileus.documents.yaml_text import parse_yaml
from pileus.errors import DocumentError
from pileus.near import unknown
from pileus.nodes.types import TYPES, Kind, NodeType, type_of
from pileus.stratus.request import NAME
from pileus.strict_json import parse_json

THIS, FLASK = "stratus", "flask"
LONGEST = 1 << 20
"""Bytes of a file of settings."""
HERE = "127.0.0.1"
Value = str | int | bool | Path | tuple[str, ...] | tuple[Path, ...]
_SELF: dict[str, Kind] = {
    "name": "text",
    "host": "text",
    "port": "port",
    "folder": "path",
    "files": "paths",
    "at_once": "number",
}
"""What every section `[stratus]` may say."""
_YES = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True)
class Section:
    """One section: a node."""

    name: str
    type: str
    options: Mapping[str, Value] = field(default_factory=dict)
    """Each of its kind; see `types.Kind`."""
    unused: tuple[str, ...] = ()
    """Options of another type, which this one accepts and does not use."""
    folder: Path = Path()
    """Folder of the settings."""

    @property
    def kind(self) -> NodeType:
        """Return its type."""
        return TYPES[self.type]

    def text(self, option: str, default: str = "") -> str:
        """Return a text."""
        return str(self.options.get(option, default))

    def number(self, option: str, default: int) -> int:
        """Return a number, or a port."""
        return int(self.options.get(option, default))  # type: ignore[arg-type]  # its kind is checked

    def yes(self, option: str, default: bool = False) -> bool:
        """Return whether something is so."""
        return bool(self.options.get(option, default))

    def names(self, option: str) -> tuple[str, ...]:
        """Return texts."""
        return self.options.get(option, ())  # type: ignore[return-value]  # its kind is checked

    def path(self, option: str, default: Path | None = None) -> Path | None:
        """Return a path."""
        return self.options.get(option, default)  # type: ignore[return-value]  # its kind is checked

    def paths(self, option: str) -> tuple[Path, ...]:
        """Return paths."""
        return self.options.get(option, ())  # type: ignore[return-value]  # its kind is checked


@dataclass(frozen=True, slots=True)
class Settings:
    """A node, and those to which its requests may go on."""

    this: Section
    """The section `[stratus]`; where there is none, one of the type `endpoint`, which serves nobody else."""
    nodes: tuple[Section, ...]
    """In the order of the settings."""
    where: str
    """The file; `settings` for a dict."""

    @property
    def host(self) -> str:
        """Return the address to listen on."""
        return self.this.text("host", HERE)


def read_settings(source: Path | Mapping[str, Any]) -> Settings:
    """Return the settings of a file, whose ending says its form (.ini, .cfg, .yaml, .yml or .json), or of a dict.

    Raises DocumentError with all that is wrong, each with its section and option.

    >>> settings = read_settings({"xop": {"type": "endpoint", "module": "my_operations"}})
    >>> settings.nodes[0].name, settings.nodes[0].names("module")
    ('xop', ('my_operations',))
    """
    if isinstance(source, Mapping):
        return _read(source, Path.cwd(), "settings")
    where = str(source)
    if source.suffix not in FORMS:
        raise DocumentError(f"expected a name that ends with {', '.join(FORMS)}", where=where)
    try:
        content = source.read_bytes()
        if len(content) > LONGEST:
            raise DocumentError(f"more than {LONGEST:,} bytes", where=where)
        value = FORMS[source.suffix](content.decode(), where)
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "not in UTF-8"
        raise DocumentError(f"cannot be read: {why}", where=where) from exc
    return _read(value, source.resolve().parent, where)


def _ini(text: str, where: str) -> Any:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as exc:
        raise DocumentError(f"not ini: {' '.join(exc.message.split())[:300]}", where=where) from exc
    return {name: dict(section) for name, section in parser.items() if name}


def _json(text: str, where: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as exc:
        raise DocumentError(str(exc), where=where) from exc


FORMS: dict[str, Callable[[str, str], Any]] = {
    ".ini": _ini,
    ".cfg": _ini,
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
    ".json": _json,
}
"""By the ending of a file, what reads it."""


def _read(value: Any, folder: Path, where: str) -> Settings:
    if not isinstance(value, Mapping):
        raise DocumentError("expected sections, each with options", where=where)
    wrong: list[str] = []
    sections: dict[str, dict[str, Any]] = {}
    for name, options in value.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            wrong.append(f"section {str(name)[:80]!r}: expected a name of up to 64 letters, digits, _ and -")
        elif not isinstance(options, Mapping):
            wrong.append(f"[{name}]: expected options")
        else:
            sections[name] = {_plain(option): one for option, one in options.items()}
    flask = sections.pop(FLASK, {}) if "type" not in sections.get(FLASK, {}) else {}
    this = sections.pop(THIS, {"type": "endpoint"})
    if str(this.get("type", "")) != "endpoint":
        this = {option: one for option, one in flask.items() if option in ("host", "port")} | this
    read = [_section(THIS, this, folder, wrong), *(_section(name, sections[name], folder, wrong) for name in sections)]
    if not wrong and not sections:
        wrong.append("there is no node beside [stratus]: expected at least one section, such as [xop] type = endpoint")
    if wrong:
        raise DocumentError("; ".join(wrong[:20]), where=where)
    found = [one for one in read if one]
    return Settings(found[0], tuple(found[1:]), where)


def _plain(option: object) -> str:
    return str(option).lower().replace(".", "_").replace("-", "_")


def _section(name: str, options: Mapping[str, Any], folder: Path, wrong: list[str]) -> Section | None:
    """Return one section; None where its type is wrong. What is wrong is added to `wrong`."""
    serving = name == THIS
    if "type" not in options:
        wrong.append(f"[{name}] type: required, and missing")
        return None
    type_ = str(options["type"]).strip()
    try:
        kind = type_of(type_, serving=serving)
    except DocumentError as exc:
        wrong.append(f"[{name}] {exc.message}")
        return None
    known = {**_SELF, **kind.served} if serving else dict(kind.options)
    other = TYPES[kind.in_place_of].options if kind.in_place_of in TYPES else {}
    found: dict[str, Value] = {}
    for option, one in options.items():
        if option in known:
            try:
                found[option] = _value(known[option], one, folder)
            except ValueError as exc:
                wrong.append(f"[{name}] {option}: expected {exc}, not {str(one)[:80]!r}")
        elif option != "type" and option not in other:
            wrong.append(f"[{name}] {unknown('option', option, known)}")
    if not serving:
        wrong += [f"[{name}] {option}: required, and missing" for option in kind.required if option not in options]
    unused = tuple(option for option in options if option in other and option not in known)
    return Section(name, type_, found, unused, folder)


def _value(kind: Kind, value: Any, folder: Path) -> Value:
    """Return an option as its kind. Raises ValueError that says what was expected."""
    if kind in ("number", "port"):
        return _number(value, 65535 if kind == "port" else 10**9, 0 if kind == "port" else 1)
    if kind == "yes":
        if str(value).lower() not in _YES:
            raise ValueError("true or false")
        return _YES[str(value).lower()]
    if kind in ("names", "paths"):
        listed = value.split(",") if isinstance(value, str) else value
        if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
            raise ValueError("texts, in a list or with commas between them")
        names = tuple(one.strip() for one in listed if one.strip())
        return tuple(_path(one, folder) for one in names) if kind == "paths" else names
    if not isinstance(value, str | int | float) or isinstance(value, bool) or not str(value).strip():
        raise ValueError("a text")
    return _path(str(value), folder) if kind == "path" else str(value).strip()


def _number(value: Any, most: int, least: int) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ValueError(f"a number from {least} to {most:,}")
    return int(text)


def _path(text: str, folder: Path) -> Path:
    return folder / Path(text.strip()).expanduser()
