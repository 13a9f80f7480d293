"""What the groups of a backfill cost, against the most that it may: the limit `--max-dollars`.

Prices are fixed when the backfill begins, so that a worker asks for none. What a group costs is measured: the seconds
that its worker had it, at the price of one worker, and its requests. A group that was started and not measured yet
counts as much as the mean of those that were.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Spending:
    """Estimated dollars of one run, and their limit."""

    most: float
    """Dollars that the groups of a run may cost."""
    second: float
    """Dollars of one second of one worker."""
    requests: float
    """Dollars of the requests of one group."""
    guess: float
    """Dollars of one group, while none was measured."""
    admitted: int = 0
    """Groups that were started; a group counts again when another worker starts it again."""
    measured: int = 0
    """Groups whose work has ended."""
    dollars: float = 0.0
    """Of the groups that were measured."""
    since: int = 1
    """The first run whose groups it counts."""

    @property
    def group(self) -> float:
        """Return the dollars of one group: the mean of those measured, else the guess."""
        return self.dollars / self.measured if self.measured else self.guess

    @property
    def used(self) -> float:
        """Return the dollars of all groups that were started.

        >>> Spending(5, 0.01, 0, guess=2, admitted=3, measured=2, dollars=1).used
        1.5
        """
        return self.dollars + max(0, self.admitted - self.measured) * self.group

    def admit(self) -> "Spending | None":
        """Return the spending with one more group started; None where that would pass the limit.

        >>> first = Spending(5, 0.01, 0, guess=2).admit()
        >>> first.used, first.admit().used, first.admit().admit()
        (2.0, 4.0, None)
        """
        more = replace(self, admitted=self.admitted + 1)
        return more if more.used <= self.most * (1 + 1e-9) else None

    def measure(self, seconds: float) -> "Spending":
        """Return the spending after the work on a group took this long.

        >>> Spending(5, 0.01, 0.5, guess=2, admitted=1).measure(50).dollars
        1.0
        """
        dollars = self.dollars + self.requests + seconds * self.second
        return replace(self, measured=self.measured + 1, dollars=dollars)

    def recall(self, admitted: int) -> "Spending":
        """Return the spending where `admitted` groups are known to have started: what was counted since may be lost.

        >>> Spending(5, 0.01, 0, guess=2, admitted=1, measured=1, dollars=3).recall(2).used
        6.0
        """
        return replace(self, admitted=max(self.admitted, admitted))

    def fresh(self, run: int) -> "Spending":
        """Return the limit of a run that has spent nothing."""
        return replace(self, admitted=0, measured=0, dollars=0.0, since=run)

    def __str__(self) -> str:
        return f"{self.used:.4g} dollars of --max-dollars {self.most:g} used"
