"""Fetch: the files that inputs of a part name, into a folder, within limits."""

import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from pileus.download.fetch import open_stream
from pileus.edges.providers import connect
from pileus.edges.providers.by_url import provider_of
from pileus.edges.providers.reach import is_private_host
from pileus.edges.secrets import Secrets
from pileus.errors import DocumentError, Refused, TransferError
from pileus.nodes.addresses import FOREIGN, GIVEN
from pileus.public_url import public_url
from pileus.stratus.request import StratusRequest

MOST = 4 << 30
"""Most bytes that the inputs of one part may have."""
BLOCK = 1 << 20


def bring(
    request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event, *, private: bool
) -> dict[str, Path]:
    """Return a file for each input of a request, by its id: those that are given, and those fetched into the folder.

    `private`: whether addresses of inner networks may be read. Raises what a transfer raises, HandedBack once
    `stopping` is set, DocumentError for an address that is not read here, TransferError for more than 4 GiB.
    """
    files, left, seen = dict[str, Path](), MOST, dict[str, Path]()
    for id, one in request.inputs.items():
        if one.uri.startswith(GIVEN) and id in given:
            files[id] = given[id]
        elif urlsplit(one.uri).scheme in FOREIGN:
            if one.uri not in seen:
                seen[one.uri] = folder / f"{id}.input"
                left -= _fetch(one.uri, seen[one.uri], left, stopping, private=private)
            files[id] = seen[one.uri]
        else:
            raise DocumentError(f"input {id}: uri: is not read by this node: expected https:// or http://")
    return files


def _fetch(url: str, path: Path, most: int, stopping: threading.Event, *, private: bool) -> int:
    """Fetch one file, and return its bytes."""
    if is_private_host(urlsplit(url).hostname or "") and not private:
        raise Refused("is a private address: `private = yes` in the section of the node lets it in", where=url)
    provider = provider_of(url, "input").model_copy(update={"allowPrivate": private})
    moved = 0
    with (
        closing(connect(provider, secrets=Secrets(environ={}))) as edge,
        open_stream(url, edge, cancelled=stopping) as stream,
        path.open("wb") as file,
    ):
        while block := stream.read(BLOCK):
            moved += len(block)
            if moved > most:
                raise TransferError(f"is too much to read: inputs may have {MOST:,} bytes", where=public_url(url))
            file.write(block)
    return moved
