"""JSON files that a person gives to a command."""

from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """Return the value of a JSON file. Raises DocumentError, which names the file."""
    from pileus.errors import DocumentError
    from pileus.strict_json import parse_json

    try:
        return parse_json(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise DocumentError(f"cannot be read as JSON: {exc}", where=str(path)) from exc


def read_object(path: Path, expected: str) -> dict[str, Any]:
    """Return the object of a JSON file. `expected`: in words, for the error. Raises DocumentError."""
    from pileus.errors import DocumentError

    found = read_json(path)
    if not isinstance(found, dict):
        raise DocumentError(f"expected {expected}", where=str(path))
    return found
