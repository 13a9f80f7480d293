"""`from cumulus_logger import CumulusLogger`, as tasks of Cumulus in Python say it: a line of JSON for each message."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "fatal", "critical")


class CumulusLogger:
    """Writes lines with `level`, `message`, `timestamp`, `sender` and `executions` to standard output."""

    def __init__(self, name: str = "", level: object = None) -> None:
        del level  # every line is written; who reads the log chooses
        self._sender, self._execution = name or "unknown", "unknown"

    def setMetadata(self, event: Any, context: Any) -> None:  # noqa: N802 - Cumulus's name
        """Take the execution's name from a message, and the sender's from a Lambda's context."""
        inner = event.get("cma", {}).get("event", event) if isinstance(event, dict) else {}
        self._execution = inner.get("cumulus_meta", {}).get("execution_name", self._execution)
        self._sender = getattr(context, "function_name", self._sender)

    def log(self, message: Any) -> None:
        """Write a text, or an object that may have a `level`."""
        told = dict(message) if isinstance(message, dict) else {"message": str(message)}
        told = {"level": "info"} | told
        told |= {"executions": [self._execution], "sender": self._sender, "timestamp": datetime.now(UTC).isoformat()}
        sys.stdout.write(json.dumps(told, default=str) + "\n")
        sys.stdout.flush()

    def __getattr__(self, level: str) -> Any:
        """Return what writes a message of a level: `info(message, *args)`, where args fill `%s` or `{}`."""
        if level not in LEVELS:
            raise AttributeError(level)

        def write(message: Any, *args: Any, **_: Any) -> None:
            told = dict(message) if isinstance(message, dict) else {"message": _filled(str(message), args)}
            self.log(told | {"level": level})

        return write


def _filled(text: str, args: tuple[Any, ...]) -> str:
    if not args:
        return text
    return text % args if "%" in text else text.format(*args)
