"""The addresses that inputs of a request may have at a node that runs by itself.

https://, http://   a file anywhere, over public addresses only; the node that reads it fetches it
file:///PATH        a file of this machine, below one of the folders that the settings name
value:SHA256        a file that somebody has uploaded here
given:RESULT        what another operation of the request makes; no user names one
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pileus.errors import DocumentError
from pileus.names import is_clean
from pileus.stratus.addresses import FOREIGN, check_remote, split_of
from pileus.stratus.request import Input
from pileus.stratus.uploaded import is_value

OF_STACKS = ("s3", "collection")


def check_form(one: Input) -> None:
    """Raise DocumentError for an address that no input may have, whatever it leads to."""
    if is_value(one):
        return
    split = split_of(one)
    if split.scheme == "file" and split.netloc in ("", "localhost") and is_clean(one.uri):
        return
    if split.scheme in OF_STACKS and is_clean(one.uri):
        return
    check_remote(one, split, FOREIGN, "https://, http://, file:/// or value:")


def local_file(one: Input, below: Sequence[Path]) -> Path:
    """Return the file of an address `file:///PATH`. Raises DocumentError for one that is not below one of some folders,
    wherever links lead.
    """
    at = f"input {one.id}: uri"
    if not below:
        raise DocumentError(f"{at}: no file of this machine is read: `files` in the settings names no folder")
    try:
        path = Path(unquote(urlsplit(one.uri).path)).resolve()
        found = any(path.is_relative_to(folder.resolve()) for folder in below) and path.is_file()
    except (OSError, ValueError, RuntimeError):  # a name that cannot be, or links in a circle
        found = False
    if not found:
        raise DocumentError(f"{at}: no such file below the folders that `files` in the settings names")
    return path
