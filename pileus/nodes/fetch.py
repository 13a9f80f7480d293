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
from pileus.errors import DocumentError, TransferError
from pileus.nodes.addresses import OF_STACKS
from pileus.public_url import public_url
from pileus.stratus.addresses import FOREIGN, GIVEN
from pileus.stratus.request import StratusRequest

MOST = 4 << 30
"""Most bytes that the inputs of one part may have."""
BLOCK = 1 << 20


def check_read(request: StratusRequest, *, private: bool) -> None:
    """Raise DocumentError for inputs that are not read here. `private`: whether inner networks may be read."""
    for id, one in request.inputs.items():
        at = f"input {id}: uri"
        split = urlsplit(one.uri)
        if split.scheme in FOREIGN and is_private_host(split.hostname or "") and not private:
            raise DocumentError(f"{at}: is a private address: `private = yes` in the section of the node lets it in")
        if split.scheme in OF_STACKS:
            raise DocumentError(f"{at}: is read by stacks alone, and not by this node")


def bring(
    request: StratusRequest, given: Mapping[str, Path], folder: Path, stopping: threading.Event, *, private: bool
) -> dict[str, Path]:
    """Fetch what a request reads and is not given, and return the file of each such input, by its id.

    `private`: whether addresses of inner networks may be read. Raises what a transfer raises, HandedBack once
    `stopping` is set, DocumentError for an address that is not read here, TransferError for more than 4 GiB.
    """
    check_read(request, private=private)
    files, seen, left = dict[str, Path](), dict[str, Path](), MOST
    for id, one in request.inputs.items():
        if one.uri.startswith(GIVEN) and id in given:
            continue
        if urlsplit(one.uri).scheme not in FOREIGN:
            raise DocumentError(f"input {id}: uri: is not read by this node: expected https:// or http://")
        if one.uri not in seen:
            seen[one.uri] = folder / f"{id}.input"
            too_long = f"is too much to read: inputs may have {MOST:,} bytes"
            left -= fetch_file(one.uri, seen[one.uri], left, too_long, stopping, private=private)
        files[id] = seen[one.uri]
    return files


def fetch_file(url: str, path: Path, most: int, too_long: str, stopping: threading.Event, *, private: bool) -> int:
    """Fetch one file, and return its bytes. `private`: whether addresses of inner networks may be read.

    Raises what a transfer raises, HandedBack once `stopping` is set, TransferError (`too_long`) for more than `most`.
    """
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
                raise TransferError(too_long, where=public_url(url))
            file.write(block)
    return moved
