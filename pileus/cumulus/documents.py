"""Documents of Cumulus as Pileus keeps them, and back. `exported` is the inverse of `imported`.

A document stays as it is. Only one with fields that Pileus does not know, which was imported with `--lenient`, gets a
mark, `meta.cumulus.lenient`, that keeps Pileus from refusing them; the mark also says what is to be taken away again.
"""

from collections.abc import Mapping
from typing import Any

from pileus.documents.base import Document, is_lenient, unknown_fields

MARK = "lenient"
ADDED = "added"
"""What was added for the mark: `meta`, `cumulus` in it, or `lenient` in that."""
WANTED: Mapping[str, tuple[str, ...]] = {
    "collection": ("name", "version", "granuleId", "granuleIdExtraction", "sampleFileName", "files"),
    "provider": ("id", "protocol", "host"),
    "rule": ("name", "workflow", "rule", "state"),
}
"""What Cumulus requires of a document, by its kind, but for the two times that it adds itself."""


def imported(model: type[Document], value: dict[str, Any], *, lenient: bool) -> dict[str, Any]:
    """Return a document as it stands in a project. `lenient`: its unknown fields are to be left alone.

    Raises ValueError where its own `meta.cumulus` is in the way of the mark.
    """
    if not lenient or is_lenient(value) or not unknown_fields(model, value):
        return value
    meta = value.get("meta")
    if "meta" not in value:
        return {**value, "meta": {"cumulus": {MARK: True, ADDED: "meta"}}}
    if not isinstance(meta, dict):
        return value  # it is refused
    own = meta.get("cumulus")
    if "cumulus" not in meta:
        return {**value, "meta": {**meta, "cumulus": {MARK: True, ADDED: "cumulus"}}}
    if not isinstance(own, dict) or MARK in own or ADDED in own:
        raise ValueError(f"meta.cumulus: expected an object without {MARK} and {ADDED}, which --lenient writes")
    return {**value, "meta": {**meta, "cumulus": {**own, MARK: True, ADDED: MARK}}}


def exported(value: dict[str, Any]) -> dict[str, Any]:
    """Return a document as Cumulus has it: without the mark that `imported` has made."""
    meta = value.get("meta")
    own = meta.get("cumulus") if isinstance(meta, dict) else None
    if not isinstance(meta, dict) or not isinstance(own, dict) or own.get(MARK) is not True:
        return value
    if own.get(ADDED) == "meta":
        return {name: item for name, item in value.items() if name != "meta"}
    if own.get(ADDED) == "cumulus":
        return {**value, "meta": {name: item for name, item in meta.items() if name != "cumulus"}}
    if own.get(ADDED) == MARK:
        left = {name: item for name, item in own.items() if name not in (MARK, ADDED)}
        return {**value, "meta": {**meta, "cumulus": left}}
    return value


def lacking(kind: str, value: Mapping[str, Any]) -> list[str]:
    """Return the fields that Cumulus requires of a document of this kind and that it has not.

    >>> lacking("provider", {"id": "x", "protocol": "file"})
    ['host']
    """
    missing = [name for name in WANTED[kind] if name not in value]
    for index, file in enumerate(value.get("files", ()) if kind == "collection" else ()):
        missing += [f"files[{index}].{name}" for name in ("regex", "sampleFileName", "bucket") if name not in file]
    return missing
