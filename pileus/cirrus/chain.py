"""What follows a payload that has succeeded: the next process, or several branches of it."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pileus.cirrus.json_paths import chain_path, find
from pileus.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Chained:
    """What follows one payload."""

    payloads: tuple[dict[str, Any], ...]
    """To be processed, as JSON; none has an id yet."""
    nothing: tuple[str, ...] = ()
    """For each process that starts nothing: why, in a sentence with its path."""


def next_payloads(output: Mapping[str, Any]) -> Chained:
    """Return what follows a payload, given as the workflow has left it.

    1. `process` has no second entry: nothing follows.
    2. It is a definition: one payload, in which it is the first entry, without the id.
    3. It is a list of definitions: one payload of each; all go on with the rest of `process`.

    The items are those of the output, and of them only those that a `chain_filter` leaves. Where that is none, nothing
    is started, and `nothing` says so. Raises DocumentError where a filter cannot be applied or finds something else
    than items.
    """
    process = output.get("process")
    if not isinstance(process, list) or len(process) < 2:
        return Chained(())
    branches = process[1] if isinstance(process[1], list) else [process[1]]
    payloads, nothing = [], []
    for number, definition in enumerate(branches):
        place = f"process[1][{number}]" if isinstance(process[1], list) else "process[1]"
        found = _next(output, definition, [definition, *process[2:]], place)
        if isinstance(found, str):
            nothing.append(found)
        else:
            payloads.append(found)
    return Chained(tuple(payloads), tuple(nothing))


def _next(output: Mapping[str, Any], definition: object, process: list[Any], place: str) -> dict[str, Any] | str:
    """Return the payload of one definition, or why there is none."""
    if not isinstance(definition, Mapping):
        raise DocumentError(f"{place}: expected a process definition, an object")
    features, chain_filter = output.get("features") or [], definition.get("chain_filter")
    kept = features
    if chain_filter is not None:
        try:
            kept = find(chain_path(str(chain_filter)), {"features": features})
        except DocumentError as exc:
            raise DocumentError(f"{place}.chain_filter: {exc.message}") from exc
        if not all(isinstance(item, dict) for item in kept):
            raise DocumentError(f"{place}.chain_filter: {str(chain_filter)[:80]!r} finds something else than items")
    if not kept:
        named = f"{place} ({str(definition.get('workflow'))[:80]})"
        if chain_filter is None or not features:
            return f"{named}: there are no items to go on with, so nothing is started"
        return f"{named}: its chain_filter leaves none of {len(features)} items, so nothing is started"
    left = {name: value for name, value in output.items() if name not in ("id", "process", "features")}
    return deepcopy(left | {"process": process, "features": kept})
