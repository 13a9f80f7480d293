"""What the addresses of inputs have in common, whoever reads them."""

from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from pileus.errors import DocumentError
from pileus.names import is_clean
from pileus.stratus.request import Input

FOREIGN = ("https", "http")
"""Schemes of files anywhere."""
GIVEN = "given:"
"""How the address begins of what another operation of the request makes."""


def split_of(one: Input) -> SplitResult:
    """Return the parts of an input's address. Raises DocumentError for what is none."""
    try:
        split = urlsplit(one.uri)
        _ = split.hostname, split.port
    except ValueError as exc:
        raise DocumentError(f"input {one.id}: uri: not an address: {exc}") from exc
    return split


def check_remote(one: Input, split: SplitResult, schemes: Collection[str], expected: str) -> None:
    """Raise DocumentError for an address that has no host, another scheme, or a user's name. `expected`: how an address
    may begin, in words.
    """
    at = f"input {one.id}: uri"
    if split.scheme not in schemes or not split.hostname or not is_clean(one.uri):
        raise DocumentError(f"{at}: expected an address that begins with {expected}")
    if split.username is not None or split.password is not None:
        raise DocumentError(f"{at}: expected an address without a user's name or password")
