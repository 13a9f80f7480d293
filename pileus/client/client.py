"""The client: one object to ask everything of a stack, from a notebook, a program or the command line."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pileus.client.protocol import Backfills, Documents, Operations, Outputs


class Client(Protocol):
    """What can be asked of a stack, room by room. A room is imported when it is first entered."""

    @property
    def backfills(self) -> "Backfills":
        """Return the backfills."""

    @property
    def documents(self) -> "Documents":
        """Return collections, providers, rules and zones."""

    @property
    def outputs(self) -> "Outputs":
        """Return rows, series and objects."""

    @property
    def operations(self) -> "Operations":
        """Return what keeps a stack in order."""
