"""What a service of AWS refuses, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from pileus.errors import StoreError


@contextmanager
def refusals(said: str, where: str) -> Iterator[None]:
    """Raises StoreError, `said` and the reason, when a call in the block is refused or reaches nobody."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as exc:
        raise StoreError(f"{said}: {exc}", where=where) from exc
