"""JSON files that a person gives to a command."""

import sys
from pathlib import Path
from typing import Any

STANDARD_INPUT = Path("-")


def read_file(path: Path) -> bytes:
    """Return the bytes of a file; of standard input for `-`. Raises DocumentError, which names the file."""
    from pileus.errors import DocumentError

    try:
        return sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    except OSError as exc:
        raise DocumentError(f"cannot be read: {exc.strerror or exc}", where=str(path)) from exc


def parsed(text: str | bytes, path: Path) -> Any:
    """Return the value of JSON that came from a file. Raises DocumentError, which names the file."""
    from pileus.errors import DocumentError
    from pileus.strict_json import parse_json

    try:
        return parse_json(text)
    except ValueError as exc:
        raise DocumentError(f"cannot be read as JSON: {exc}", where=name_of(path)) from exc


def read_json(path: Path) -> Any:
    """Return the value of a JSON file; of standard input for `-`. Raises DocumentError, which names the file."""
    return parsed(read_file(path), path)


def name_of(path: Path) -> str:
    """Return the name of a file in messages."""
    return "standard input" if path == STANDARD_INPUT else str(path)


def read_object(path: Path, expected: str) -> dict[str, Any]:
    """Return the object of a JSON file. `expected`: in words, for the error. Raises DocumentError."""
    from pileus.errors import DocumentError

    found = read_json(path)
    if not isinstance(found, dict):
        raise DocumentError(f"expected {expected}", where=str(path))
    return found
