"""What a node tells of the operations that it can do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Capability:
    """One operation, or a pattern of operations. `from_json` and `to_json` are inverses."""

    pattern: str
    """`epa:op`, or a pattern of endpoints such as `xop*`."""
    title: str = ""
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema of an object; empty: not told."""
    inputs: tuple[int, int | None] = (0, None)
    """Fewest and most inputs; None: any number."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "pattern": self.pattern,
            "title": self.title,
            "description": self.description,
            "parameters": dict(self.parameters),
            "inputs": list(self.inputs),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Capability":
        """Return what `to_json` wrote. What is missing is not told."""
        few, many = value.get("inputs", (0, None))
        return cls(
            value["pattern"],
            value.get("title", ""),
            value.get("description", ""),
            value.get("parameters", {}),
            (few, many),
        )


def wrong_number(inputs: tuple[int, int | None], given: int) -> str:
    """Return what is wrong with a number of inputs, or nothing. `inputs`: the fewest and the most.

    >>> wrong_number((1, 1), 2), wrong_number((1, None), 0), wrong_number((0, 2), 1)
    ('takes 1 input, not 2', 'takes at least 1 input, not 0', '')
    """
    fewest, most = inputs
    if given >= fewest and (most is None or given <= most):
        return ""
    return f"takes {number_of_inputs(inputs)}, not {given}"


def number_of_inputs(inputs: tuple[int, int | None]) -> str:
    """Return how many inputs there may be.

    >>> [number_of_inputs(one) for one in ((1, 1), (0, 2), (1, None), (0, None))]
    ['1 input', '0 to 2 inputs', 'at least 1 input', 'any number of inputs']
    """
    fewest, most = inputs
    if most is None:
        return f"at least {_inputs(fewest)}" if fewest else "any number of inputs"
    return _inputs(most) if fewest == most else f"{fewest} to {_inputs(most)}"


def _inputs(number: int) -> str:
    return f"{number} input{'' if number == 1 else 's'}"
