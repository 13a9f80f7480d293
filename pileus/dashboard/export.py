"""The page and its data as files in the bucket, for any static host. They show one moment, and change nothing."""

from pileus.dashboard.page_files import PageFiles
from pileus.dashboard.static_files import page_files, type_of
from pileus.wiring import Edges

FOLDER = "site"


def write_site(edges: Edges) -> list[tuple[str, int]]:
    """Write all files under `site/`. Return address and size in bytes of each file, the page first."""
    source = PageFiles(edges, live=False, pictures="../pictures/")
    written = []
    for path, body in [*page_files().items(), *source.everything()]:
        url = edges.protected(f"{FOLDER}/{path}")
        edges.store.put(url, body, type_of(path))
        written.append((url, len(body)))
    return written
