"""The state of the payloads of a stack, as Cirrus's read API tells it."""

from dataclasses import dataclass
from typing import Any

from pileus.client.paging import read_cursor, write_cursor
from pileus.client.services import Services
from pileus.errors import UsageError
from pileus.runs import payload_state
from pileus.runs.payload_state import Asked, Group, Place, Sorting


@dataclass(frozen=True)
class LocalPayloads:
    """Payloads of the stack that these services reach."""

    services: Services

    def groups(self) -> list[Group]:
        """Return the pairs of collections and workflow that have payloads."""
        return list(payload_state.groups(self.services.edges))

    def stats(self) -> dict[str, Any]:
        """Return how payloads have changed: counts a day and an hour."""
        return payload_state.stats(self.services.edges)

    def item(self, id: str) -> dict[str, Any]:
        """Return the state of one. Raises DocumentError for what is no id, NotFound."""
        return payload_state.item(self.services.edges, id)

    def summary(self, group: Group, *, back: float | None, limit: int) -> dict[str, Any]:
        """Return how many of a group are in each state. `back`: seconds in which they changed last; None: ever."""
        return payload_state.summary(self.services.edges, group, since=self._since(back), limit=limit)

    def page(
        self,
        group: Group,
        *,
        state: str | None = None,
        back: float | None = None,
        sorting: Sorting = "updated",
        ascending: bool = False,
        limit: int = 1000,
        nextkey: str | None = None,
    ) -> dict[str, Any]:
        """Return a page of payloads as `items`, and where the next begins as `nextkey`, where there is one.

        `nextkey`: as the page before told it, or the id of the last payload that was seen: a page then begins where
        that payload is by now. Raises UsageError for any other, NotFound where that payload is gone.
        """
        asked = Asked(state, self._since(back), sorting, ascending)
        after = self._after(group, asked, nextkey) if nextkey else None
        items, more = payload_state.page(self.services.edges, group, asked, limit=limit, after=after)
        return {"items": items, **({"nextkey": write_cursor(" ".join(more))} if more else {})}

    def _after(self, group: Group, asked: Asked, nextkey: str) -> Place:
        if "/workflow-" in nextkey:
            return payload_state.place_of(self.services.edges, group, asked, nextkey)
        value, blank, item = read_cursor(nextkey).partition(" ")
        if not (blank and item):
            raise UsageError("nextkey: not one that this server has made")
        return Place(value, item)

    def _since(self, back: float | None) -> float | None:
        return None if back is None else self.services.edges.now() - back
