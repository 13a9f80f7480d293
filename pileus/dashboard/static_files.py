"""The built page."""

import mimetypes
from importlib.resources import files


def page_files() -> dict[str, bytes]:
    """Return the built page by path, `index.html` first."""
    folder = files("pileus.dashboard") / "static"
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir(), key=lambda f: f.name != "index.html")}


def type_of(name: str) -> str:
    """Return the content type of a file of the page."""
    kind = {"js": "text/javascript", "json": "application/json"}.get(name.rpartition(".")[2])
    kind = kind or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith(("text/", "application/json")) else kind
