"""The addresses that inputs of a request may have at a node that runs by itself.

https://, http://   a file anywhere, over public addresses only; the node that reads it fetches it
file:///PATH        a file of this machine, below one of the folders that the settings name
value:SHA256        a file that somebody has uploaded here
given:RESULT        what another operation of the request makes; no user names one
"""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pileus.errors import DocumentError
from pileus.names import is_clean
from pileus.stratus.request import Input

VALUE = re.compile(r"value:([0-9a-f]{64})")
FOREIGN = ("https", "http")
OF_STACKS = ("s3", "collection")
GIVEN = "given:"


def check_form(one: Input) -> None:
    """Raise DocumentError for an address that no input may have, whatever it leads to."""
    at = f"input {one.id}: uri"
    if one.uri.startswith("value:"):
        if not VALUE.fullmatch(one.uri):
            raise DocumentError(f"{at}: expected value: and 64 hexadecimal digits")
        return
    try:
        split = urlsplit(one.uri)
        host, _ = split.hostname, split.port
    except ValueError as exc:
        raise DocumentError(f"{at}: not an address: {exc}") from exc
    if split.scheme == "file" and split.netloc in ("", "localhost") and is_clean(one.uri):
        return
    if split.scheme in OF_STACKS and is_clean(one.uri):
        return
    if split.scheme not in FOREIGN or not host or not is_clean(one.uri):
        raise DocumentError(f"{at}: expected an address that begins with https://, http://, file:/// or value:")
    if split.username is not None or split.password is not None:
        raise DocumentError(f"{at}: expected an address without a user's name or password")


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
