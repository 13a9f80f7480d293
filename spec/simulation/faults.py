"""What may strike a request, and how often."""

from dataclasses import dataclass

CRITICAL = ("swap ", "copy ", "drop ", "put internal/staged", "delete internal/staged", "start ", "index backfill")
"""Effects at which faults strike more often: between them is where promises are lost."""


@dataclass
class Faults:
    """How often what strikes, as shares of effects, until `left` is used up."""

    left: int = 0
    crash: float = 0
    freeze: float = 0
    refuse: float = 0
    lose: float = 0
    """The effect takes place, its answer does not arrive."""
    late: float = 0
    """The caller gives up, and the effect takes place later."""
    freeze_seconds: tuple[float, float] = (40, 250)

    @property
    def total(self) -> float:
        return self.crash + self.freeze + self.refuse + self.lose + self.late
