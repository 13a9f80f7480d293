"""Before a server starts: is what it needs installed, and can it listen."""

import socket
from importlib.util import find_spec

from pileus.errors import UsageError


def check_installed() -> None:
    """Raise UsageError where the extra is not installed."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise UsageError("the API and the page need the extra api: pip install 'pileus[api]'")


def listening(address: str, port: int) -> socket.socket:
    """Return a socket that listens. `port`: 0 for any free one. Raises UsageError where it cannot be."""
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address, port))
        bound.listen()  # whoever reads the address may ask at once
    except OSError as exc:
        bound.close()
        raise UsageError(f"port {port} cannot be opened: {exc.strerror}; choose another with --port") from exc
    return bound
