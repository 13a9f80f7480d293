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
