"""A payload of Cirrus: a STAC item collection, and a list of what is done with it, one process after the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pileus.cirrus.definition import ProcessDefinition, warnings_of
from pileus.cirrus.ids import derive_id
from pileus.documents.base import LONGEST_MESSAGE, violations
from pileus.errors import DocumentError
from pileus.names import one_line
from pileus.subject import PayloadId

INLINE = 120_000
"""Most bytes of a payload, as a text within a text, that an execution is given itself; it gets the address of more."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload that can be processed."""

    document: dict[str, Any]
    """As JSON, as it came but for two things: it has its `id`, and `process` is a list."""
    definition: ProcessDefinition
    """What is done now: `process[0]`."""
    id: PayloadId
    warnings: tuple[str, ...] = ()
    """What it has of older forms, a sentence each."""


def read_payload(value: object, source: str | None = None) -> Payload:
    """Return a payload of its JSON. Keys that are not known stay.

    Raises DocumentError, about `source`, with all that is wrong and the path of each.
    """
    if not isinstance(value, Mapping):
        raise DocumentError("expected a payload, an object with features and process", where=source)
    document, warnings = dict(value), list[str]()
    if isinstance(document.get("process"), dict):
        document["process"] = [document["process"]]
        warnings.append("process: an object is the older form; a list of it is the newer")
    wrong = [*_wrong_collection(document), *_wrong_process(document.get("process"))]
    if wrong:
        raise DocumentError(one_line("; ".join(wrong), LONGEST_MESSAGE), where=source)
    definition = ProcessDefinition.model_validate(document["process"][0])
    for place, one in _definitions(document["process"]):
        warnings += warnings_of(one, place)
    try:
        named = _id_of(document, definition)
    except DocumentError as exc:
        raise DocumentError(exc.message, where=source) from exc
    if named.workflow != definition.workflow:
        warnings.append(f"id: says workflow-{named.workflow}, and process[0].workflow is {definition.workflow}")
    document["id"] = str(named)
    return Payload(document, definition, named, tuple(warnings))


def id_of(value: object) -> PayloadId:
    """Return the id that a value has or would have, be it a payload or not. Raises DocumentError where that cannot be
    told.
    """
    if not isinstance(value, Mapping):
        raise DocumentError("expected a payload, an object with features and process")
    if isinstance(given := value.get("id"), str):
        return PayloadId.of(given)
    process = value.get("process")
    first = process[0] if isinstance(process, list) and process else process
    workflow = first.get("workflow") if isinstance(first, Mapping) else None
    features, collections = value.get("features"), first.get("collections") if isinstance(first, Mapping) else None
    if not (isinstance(workflow, str) and isinstance(features, list) and all(_is_object(one) for one in features)):
        raise DocumentError("id: cannot be told")
    return derive_id(features, workflow, collections if isinstance(collections, str) else None)


def address_of(value: object) -> str | None:
    """Return the address of a payload that lies elsewhere; None for a payload itself.

    >>> address_of({"url": "s3://bucket/payload.json"}), address_of({"process": []})
    ('s3://bucket/payload.json', None)
    """
    if not isinstance(value, Mapping) or "process" in value:
        return None
    found = value.get("href", value.get("url"))
    return found if isinstance(found, str) else None


def is_inline(document: Mapping[str, Any]) -> bool:
    """Return whether an execution can be given the payload itself: events about it have it as a text within a text."""
    return len(json.dumps(json.dumps(document))) <= INLINE


def _id_of(document: Mapping[str, Any], definition: ProcessDefinition) -> PayloadId:
    given = document.get("id")
    if given is None:
        return derive_id(document.get("features", []), definition.workflow, definition.collections)
    if not isinstance(given, str):
        raise DocumentError("id: expected a text")
    return PayloadId.of(given)


def _wrong_collection(document: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the item collection."""
    wrong = []
    if document.get("type", "FeatureCollection") != "FeatureCollection":
        wrong.append(f"type: expected 'FeatureCollection', not {str(document['type'])[:60]!r}")
    features = document.get("features", [])
    if not isinstance(features, list):
        wrong.append("features: expected a list of items")
    else:
        wrong += [
            f"features[{n}]: expected an item, an object" for n, one in enumerate(features) if not _is_object(one)
        ]
    return wrong


def _wrong_process(process: object) -> list[str]:
    """Return what is wrong with the definitions."""
    if process is None:
        return ["process: required, and missing"]
    if not isinstance(process, list) or not process:
        return ["process: expected a list of at least one process definition"]
    if isinstance(process[0], list):
        return ["process[0]: expected one process definition; branches can only follow one"]
    wrong = []
    for place, one in _definitions(process):
        if not _is_object(one):
            wrong.append(f"{place}: expected a process definition, an object")
            continue
        wrong += [f"{place}.{why}" for why in violations(ProcessDefinition, one)]
    return wrong


def _definitions(process: list[Any]) -> list[tuple[str, Any]]:
    """Return every definition with its path; a list within the list holds branches."""
    found = []
    for number, one in enumerate(process):
        if isinstance(one, list):
            found += [(f"process[{number}][{at}]", branch) for at, branch in enumerate(one)]
        else:
            found.append((f"process[{number}]", one))
    return found


def _is_object(value: object) -> bool:
    return isinstance(value, dict)
