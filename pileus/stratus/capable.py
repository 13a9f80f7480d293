"""Whether a request can be done, by what a node tells of its operations: without the functions themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema

from pileus.errors import DocumentError
from pileus.near import unknown
from pileus.stratus.capability import Capability
from pileus.stratus.graph import Graph, matches
from pileus.stratus.request import Operation

SHOWN = 20
"""Mistakes that are told."""


def check(graph: Graph, capabilities: Sequence[Capability]) -> None:
    """Raise DocumentError with all that is wrong: operations that nothing does, a wrong number of inputs, and
    parameters that are unknown, missing or wrong.
    """
    wrong: list[str] = []
    validators: dict[str, Any] = {}
    for number, operation in enumerate(graph.request.operations):
        at = f"operation[{number}]"
        if (one := _of(operation, capabilities)) is None:
            there = [known.pattern for known in capabilities]
            wrong.append(f"{at}.name: {unknown('operation', operation.name, there)}")
            continue
        fewest, most = one.inputs
        if len(operation.inputs) < fewest or (most is not None and len(operation.inputs) > most):
            expected = f"{fewest} or more" if most is None else f"{fewest} to {most}" if most != fewest else f"{most}"
            wrong.append(f"{at}.input: {operation.name} takes {expected} inputs, not {len(operation.inputs)}")
        if one.parameters:
            if one.pattern not in validators:
                validators[one.pattern] = _validator(one.parameters)
            wrong += _mistakes(validators[one.pattern], operation.parameters, at)
        if len(wrong) >= SHOWN:
            break
    if wrong:
        raise DocumentError("; ".join(wrong[:SHOWN]))


def _of(operation: Operation, capabilities: Sequence[Capability]) -> Capability | None:
    return next((one for one in capabilities if matches(one.pattern, operation)), None)


def _validator(schema: Mapping[str, Any]) -> Any:
    return jsonschema.Draft202012Validator(dict(schema))


def _mistakes(validator: Any, parameters: Mapping[str, Any], at: str) -> list[str]:
    found = []
    for error in validator.iter_errors(dict(parameters)):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        found.append(f"{at}{path}: {error.message[:200]}")
    return found
