"""The page and its data as files in the bucket, for any static host. It shows what was, and changes nothing."""

from pileus.dashboard.server import page_files, type_of
from pileus.dashboard.source import Source
from pileus.wiring import Edges

FOLDER = "site"


def write_site(edges: Edges) -> list[tuple[str, int]]:
    """Write everything under `site/`; address and size in bytes of each file, the page itself first."""
    source = Source(edges, live=False, pictures="../pictures/")
    written = []
    for path, body in [*page_files().items(), *source.everything()]:
        url = edges.protected(f"{FOLDER}/{path}")
        edges.store.put(url, body, type_of(path))
        written.append((url, len(body)))
    return written
