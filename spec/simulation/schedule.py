"""Virtual time, simulated processes and threads, and the faults that strike at each effect."""

import heapq
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import greenlet

from pileus.errors import Unavailable
from spec.simulation.faults import CRITICAL, Faults


class Killed(BaseException):
    """The process of this thread is dead: what its `finally` blocks still try has no effect."""


@dataclass(eq=False)
class Process:
    """Threads that die together."""

    name: str
    kind: str
    """`worker`, `lambda`, `user`, `supervisor` or `engine`: what may strike it."""
    alive: bool = True
    frozen: float = 0
    """Virtual time until which none of its threads moves."""
    threads: "list[Thread]" = field(default_factory=list)
    died: Callable[[], None] | None = None
    """Called once, when it was killed."""


@dataclass(eq=False)
class Thread:
    """One simulated thread."""

    name: str
    process: Process
    greenlet: Any = None
    ticket: int = 0
    """Only the newest entry of the timetable wakes it."""
    event: threading.Event | None = None
    """What it waits for."""
    joined: "list[Thread]" = field(default_factory=list)
    over: bool = False


class Schedule:
    """The timetable of all threads. `dice` decides everything."""

    def __init__(self, seed: int, *, verbose: bool = False) -> None:
        self.dice = random.Random(seed)
        self.now = 1_700_000_000.0
        self.start = self.now
        self.faults = Faults()
        self.storm: tuple[float, float, float] = (0, 0, 0)
        """Seconds from the start between which a share of all requests is refused, as throttling does; the share."""
        self.history: list[tuple[float, str, str]] = []
        self.verbose = verbose
        self.effects = 0
        self.current: Thread | None = None
        self._timetable: list[tuple[float, int, int, Thread]] = []
        self._count = count()
        self._doomed: list[Thread] = []
        self._hub = greenlet.getcurrent()
        self.escaped: list[tuple[str, BaseException]] = []
        """What ended a thread that should not have."""
        self.ghosts = Process("late request", "ghost")

    def note(self, text: str, who: str | None = None) -> None:
        """Add a line to the history."""
        if self.verbose:
            self.history.append((self.now - self.start, who or (self.current.name if self.current else "-"), text))

    # threads

    def spawn(self, process: Process, name: str, run: Callable[[], object], *, after: float = 0) -> Thread:
        """A new thread of `process`; it begins `after` seconds from now."""
        thread = Thread(name, process)

        def body() -> None:
            try:
                if process.alive:
                    run()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - the simulation is told
                self.escaped.append((name, error))
                self.note(f"ended by {type(error).__name__}: {error}", name)
            thread.over = True
            for waiting in thread.joined:
                self._push(waiting, self.now)
            process.threads.remove(thread)

        thread.greenlet = greenlet.greenlet(body, parent=self._hub)
        process.threads.append(thread)
        self._push(thread, self.now + after)
        return thread

    def _push(self, thread: Thread, when: float) -> None:
        thread.ticket = next(self._count)
        heapq.heappush(self._timetable, (when, self.dice.getrandbits(30), thread.ticket, thread))

    def run(self, until: float, done: Callable[[], bool] | None = None) -> None:
        """Let threads go on in order of time until virtual time `until`, or until `done`."""
        timetable = self._timetable
        while timetable and timetable[0][0] <= until:
            when, _, ticket, thread = heapq.heappop(timetable)
            if ticket != thread.ticket or thread.over or not thread.process.alive:
                continue
            process = thread.process
            if process.frozen > when:
                heapq.heappush(timetable, (process.frozen, self.dice.getrandbits(30), ticket, thread))
                continue
            self.now = max(self.now, when)
            self.current = thread
            thread.greenlet.switch()
            self.current = None
            self._reap()
            for other in process.threads:
                if other.event is not None and other.event.is_set():
                    other.event = None
                    self._push(other, self.now)
            if done is not None and done():
                return
        self.now = max(self.now, until)

    def kill(self, process: Process) -> None:
        """All threads of the process end where they stand. One that kills its own process must raise Killed."""
        if not process.alive:
            return
        process.alive = False
        self._doomed += [thread for thread in process.threads if thread is not self.current]
        if process.died:
            process.died()
        if self.current is None:
            self._reap()

    def _reap(self) -> None:
        while self._doomed:
            thread = self._doomed.pop()
            if not thread.over and thread.greenlet:
                self.current = thread
                thread.greenlet.throw(Killed)
                self.current = None

    def close(self) -> None:
        """End whatever still stands."""
        for _, _, _, thread in self._timetable:
            thread.process.alive = False
            self._doomed.append(thread)
        self._reap()

    def _away(self, thread: Thread) -> None:
        self._hub.switch()
        if not thread.process.alive:
            raise Killed

    def _me(self) -> Thread:
        thread = self.current
        assert thread is not None, "effects are of simulated threads"
        if not thread.process.alive:
            raise Killed
        return thread

    def sleep(self, seconds: float) -> None:
        """The calling thread goes on after so many seconds of virtual time."""
        thread = self._me()
        self._push(thread, self.now + seconds)
        self._away(thread)

    def wait(self, event: threading.Event, seconds: float | None = None) -> bool:
        """As `event.wait(seconds)`; set it from a thread of the same process, or `poke` afterwards."""
        thread = self._me()
        if not event.is_set():
            thread.event = event
            self._push(thread, self.now + seconds if seconds is not None else float("inf"))
            self._away(thread)
            thread.event = None
        return event.is_set()

    def poke(self, process: Process) -> None:
        """Wake the threads of `process` whose event was set from outside."""
        for thread in process.threads:
            if thread.event is not None and thread.event.is_set():
                thread.event = None
                self._push(thread, self.now)

    def join(self, other: Thread) -> None:
        """Wait until another thread is over."""
        thread = self._me()
        self.poke(other.process)
        if not other.over:
            other.joined.append(thread)
            self._push(thread, float("inf"))
            self._away(thread)

    # effects

    def latency(self) -> float:
        """How long a request takes: mostly milliseconds, at times seconds."""
        roll = self.dice.random()
        if roll < 0.85:
            return roll * 0.05
        return (roll - 0.85) * 10 if roll < 0.97 else (roll - 0.97) * 300

    def effect(self, what: str, do: Callable[[], Any], down: Callable[[], bool] | None = None) -> Any:
        """Do one effect for the calling thread, after others had their turn, and with what may strike there.

        Raises Unavailable when the edge is down, refuses, or its answer is lost; Killed when the process dies.
        """
        thread = self._me()
        self._push(thread, self.now + self.latency())
        self._away(thread)
        self.effects += 1
        if down is not None and down():
            self.note(f"{what}: cannot be reached")
            raise Unavailable("cannot be reached", where=what)
        if self.throttled():
            self.note(f"{what}: THROTTLED")
            raise Unavailable("too many requests", where=what)
        faults = self.faults
        if faults.left > 0 and self.dice.random() < faults.total * (6 if what.startswith(CRITICAL) else 1):
            return self._struck(thread, what, do)
        return self._done(what, do)

    def throttled(self) -> bool:
        """Whether a request now is one too many."""
        first, last, share = self.storm
        return first <= self.now - self.start < last and self.dice.random() < share

    def _done(self, what: str, do: Callable[[], Any]) -> Any:
        if not self.verbose:
            return do()
        try:
            result = do()
        except Exception as error:
            self.note(f"{what}: {type(error).__name__}")
            raise
        self.note(what if result is None else f"{what} -> {_short(result)}")
        return result

    def _struck(self, thread: Thread, what: str, do: Callable[[], Any]) -> Any:
        faults, process = self.faults, thread.process
        kinds = ("crash", "freeze", "refuse", "lose", "late")
        (kind,) = self.dice.choices(kinds, [getattr(faults, kind) for kind in kinds])
        if kind in ("crash", "freeze") and process.kind == "engine":
            return self._done(what, do)
        faults.left -= 1
        if kind == "refuse":
            self.note(f"{what}: REFUSED")
            raise Unavailable("refused for a moment", where=what)
        if kind == "late":
            self._later(what, do)
            raise Unavailable("no answer in time", where=what)
        if kind == "crash":
            return self._crash(process, what, do)
        if kind == "freeze":
            process.frozen = self.now + self.dice.uniform(*faults.freeze_seconds)
            self.note(f"FROZEN until {process.frozen - self.start:.1f}, before: {what}")
            if self.dice.random() < 0.5:
                self._push(thread, process.frozen)
                self._away(thread)
                return self._done(what, do)
            result = self._done(what, do)
            self._push(thread, process.frozen)
            self._away(thread)
            return result
        self._done(what, do)
        self.note(f"{what}: ANSWER LOST")
        raise Unavailable("the answer was lost", where=what)

    def _crash(self, process: Process, what: str, do: Callable[[], Any]) -> Any:
        how = self.dice.choice(("before", "after", "on its way"))
        if how == "after":
            try:
                self._done(what, do)
            except Exception as error:  # noqa: BLE001 - nobody is there to hear it
                self.note(f"{type(error).__name__} unheard")
        elif how == "on its way":
            self._later(what, do)
        self.note(f"{process.name} DIES {how}: {what}")
        self.kill(process)
        raise Killed

    def _later(self, what: str, do: Callable[[], Any]) -> None:
        self.note(f"{what}: ON ITS WAY, nobody waits for it")

        def arrive() -> None:
            try:
                self._done(f"(late) {what}", do)
            except Exception as error:  # noqa: BLE001 - nobody is there to hear it
                self.note(f"(late) {what}: {type(error).__name__}")

        self.spawn(self.ghosts, "late request", arrive, after=self.dice.uniform(0.01, 8))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."
