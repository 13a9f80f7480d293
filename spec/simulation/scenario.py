"""What happens in a simulation, drawn from its seed: months, backfills, commands, accidents."""

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pileus.lifecycle.spending import Spending
from spec.simulation.executions import Settings
from spec.simulation.faults import Faults
from spec.simulation.site import Place

if TYPE_CHECKING:
    from spec.simulation.world import World


@dataclass
class Plan:
    """The course of one seed. Times are seconds from its start."""

    months: list[str]
    groups: list[str]
    workers: int
    visibility: int
    deaths: int
    doubled: float
    unreachable: float
    machines: Settings
    few: int
    inline: int
    faults: Faults
    until: float
    repeat: bool
    """Whether what did not succeed is run again at the end."""
    """When faults stop."""
    published: list[tuple[float, Place, tuple[str, ...]]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    backfills: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    commands: list[tuple[float, str, str, dict[str, Any]]] = field(default_factory=list)
    zones: list[tuple[float, int]] = field(default_factory=list)
    """Edits: which zones there are from then on."""
    losses: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    rules: list[float] = field(default_factory=list)
    storm: tuple[float, float, float] = (0, 0, 0)
    allowed: int = 0
    """Faults that may strike."""

    @classmethod
    def of(cls, dice: random.Random) -> "Plan":
        """Draw one."""
        months = [f"2015-{month:02}" for month in range(1, dice.choice((2, 2, 3, 3, 4)) + 1)]
        plan = cls(
            months=months,
            groups=["a", "b"][: dice.choice((1, 1, 2))],
            workers=2,
            visibility=30,
            deaths=dice.choice((2, 3, 5)),
            doubled=dice.choice((0, 0.05, 0.2)),
            unreachable=dice.choice((0, 0, 0, 0.05)),
            machines=Settings(dice.choice((1, 2, 40)), dice.choice((1, 2, 100)), 600, 3600),
            few=dice.choice((0, 20)),
            inline=dice.choice((0, 100_000, 100_000)),
            faults=_faults(dice),
            until=1000,
            repeat=dice.random() < 0.5,
        )
        plan.allowed = plan.faults.left
        plan._publications(dice)
        plan._doings(dice)
        return plan

    @classmethod
    def large(cls, months: int, groups: int, workers: int) -> "Plan":
        """One backfill of many partitions, with nothing to hinder it, and a deployed stack's settings."""
        names = [f"{1700 + number // 12}-{number % 12 + 1:02}" for number in range(months)]
        sets = [chr(ord("a") + number) for number in range(groups)]
        settings = Settings(points=40, groups=40, silence=14 * 86_400, timeout=28 * 86_400)
        plan = cls(
            names,
            sets,
            workers,
            120,
            3,
            0,
            0,
            settings,
            20,
            100_000,
            Faults(0),
            until=1000 + 3 * months * groups,
            repeat=True,
        )
        plan.published = [(0, (month, one), ("1", "2")) for month in names for one in sets]
        plan.backfills = [(31, "one", {})]
        return plan

    @property
    def calm(self) -> bool:
        """Whether every backfill must succeed at once."""
        there = {place for when, place, tiles in self.published if when == 0 and len(tiles) == 2}
        changing = len(self.published) > len(there) or len(there) < len(self.months) * len(self.groups)
        accidents = self.broken or self.commands or self.losses or self.unreachable or self.allowed or self.storm[1]
        limited = any(wanted.get("spending") for _, _, wanted in self.backfills)
        return not (changing or accidents or limited)

    def _publications(self, dice: random.Random) -> None:
        for month in self.months:
            roll = dice.random()
            if roll > 0.93:
                self.folders += [month] if roll > 0.965 else []
                continue  # never published, in an empty folder or in none
            for group in self.groups:
                place = (month, group)
                when = 0 if dice.random() < 0.75 else dice.uniform(30, 700)
                tiles: tuple[str, ...] = ("1", "2")
                if dice.random() < 0.12:
                    self.published.append((when, place, ("1",)))
                    tiles, when = ("2",), when + dice.uniform(1, 500)
                if when < 880:
                    self.published.append((when, place, tiles))
                if dice.random() < 0.12 and when < 680:
                    self.published.append((when + dice.uniform(1, 300), place, ("1",)))
                if dice.random() < 0.04:
                    self.broken.add(f"{month.replace('-', '')}/{group}")

    def _doings(self, dice: random.Random) -> None:
        limits: dict[str, Any] = {
            "max_running": dice.choice((None, None, 1, 2)),
            "max_failures": dice.choice((None, None, None, 0, 1)),
        }
        order = {"order": dice.choice(("oldest", "newest"))}
        if not self.repeat:  # else nothing may hinder it
            limits["spending"] = dice.choice((None, None, None, Spending(3, 0, 1, 1)))
        limits["report_failures"] = dice.random() < 0.5
        self.backfills.append((31, "one", {**limits, **order, "select": dice.choice(("needed", "needed", "all"))}))
        if dice.random() < 0.4:
            span = {"first": dice.choice(self.months)} if dice.random() < 0.3 else {}
            chosen = {"select": dice.choice(("needed", "all")), "queue": dice.choice(("ingest", "backfill"))}
            self.backfills.append((dice.uniform(32, 300), "two", {**span, **chosen}))
        if dice.random() < 0.35:
            self.zones.append((dice.uniform(32, 250), 2))
            if dice.random() < 0.5:
                self.zones.append((dice.uniform(250, 500), 1))
        ids = [id for _, id, _ in self.backfills]
        for _ in range(dice.choice((0, 0, 1, 1, 2, 4))):
            how = dice.choice(("pause", "pause", "cancel", "resume", "resume", "retry", "retry"))
            wanted = {"select": dice.choice(("needed", "failed"))} if how == "retry" else {}
            self.commands.append((dice.uniform(35, 800), how, dice.choice(ids), wanted))
        if dice.random() < 0.25:
            self.losses.append(dice.uniform(32, 500))
        if dice.random() < 0.15:
            self.rules = [dice.uniform(32, 300) for _ in range(dice.choice((1, 2)))]
        if dice.random() < 0.15:
            begun = dice.uniform(31, 200)
            self.storm = (begun, begun + dice.uniform(2, 60), dice.choice((0.2, 0.6, 0.95)))
        if dice.random() < 0.2:
            self.stops.append(dice.uniform(40, 300))

    def lay_out(self, world: "World") -> None:
        """Publish what is there at the beginning, and arrange for the rest."""
        world.site.folders |= set(self.folders)
        for when, place, tiles in self.published:
            _at(world, when, lambda place=place, tiles=tiles: world.site.publish(place, tiles))  # type: ignore[misc]

    def enact(self, world: "World") -> None:
        """Arrange for commands and accidents."""
        passed = world.schedule.now - world.schedule.start
        for when, id, wanted in self.backfills:
            world.user(f"backfill --name {id} {wanted}", lambda id=id, w=wanted: world.begin(id, **w), when - passed)  # type: ignore[misc]
        for when, how, id, wanted in self.commands:
            if how in ("pause", "cancel"):
                world.user(f"{how} {id}", lambda how=how, id=id: world.halt(how, id), when - passed)  # type: ignore[misc]
            else:
                again = lambda how=how, id=id, w=wanted: world.again(how, id, **w)  # noqa: E731
                world.user(f"{how} {id} {wanted or ''}", again, when - passed)
        for number, when in enumerate(self.rules):
            world.user("(a rule fires)", lambda n=number: world.fire(f"daily-{n}"), when - passed)  # type: ignore[misc]
        for when, zones in self.zones:
            world.user(f"edit zones, populate {zones}", lambda zones=zones: world.populate(zones), when - passed)  # type: ignore[misc]
        for when in self.losses:
            _at(world, when, world.lose_engine)
        for when in self.stops:
            _at(world, when, world.stop_worker)


def _faults(dice: random.Random) -> Faults:
    """Some seeds are quiet; others have one kind of fault, or all."""
    left = dice.choice((0, 1, 2, 4, 8, 16))
    rates = dict.fromkeys(("crash", "freeze", "refuse", "lose", "late"), 0.0)
    kinds = list(rates) if dice.random() < 0.5 else dice.sample(list(rates), 2)
    for kind in kinds:
        rates[kind] = dice.choice((0.005, 0.02, 0.06))
    return Faults(left, freeze_seconds=dice.choice(((2, 40), (40, 120), (60, 400))), **rates)


def _at(world: "World", when: float, do: Any) -> None:
    from spec.simulation.schedule import Process

    schedule = world.schedule
    schedule.spawn(Process("accident", "engine"), "accident", do, after=max(0, when - (schedule.now - schedule.start)))
