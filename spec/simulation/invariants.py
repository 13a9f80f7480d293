"""What must always hold, looked at after every change of an object or of the index."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pileus import keys
from pileus.backfills.status import NEVER, WHOLE_POINT
from pileus.documents import Collection
from pileus.lifecycle.backfill import Backfill
from pileus.lifecycle.partition import Entry
from pileus.lifecycle.spending import Spending
from pileus.messages import RunDocuments
from pileus.models import SHARED, State
from pileus.outputs import commit
from spec.simulation.objects import Objects
from spec.simulation.places import INTERNAL, PROTECTED, difference, key_of, months, number, partition_of
from spec.simulation.schedule import Process, Schedule
from spec.simulation.site import TILES, Place, Site


@dataclass
class Commit:
    """A manifest that was committed."""

    time: float
    claim: str
    fingerprint: str
    outputs: dict[str, str]
    """Checksum by address."""


STAGED = f"{INTERNAL}{commit.STAGED}/"
LEARNS = 60
"""Seconds after which a worker that was frozen knows what it has lost."""
ENDED = (State.succeeded, State.failed, State.cancelled)


class Invariants:
    """Collects violations."""

    def __init__(self, schedule: Schedule, objects: Objects, site: Site, without: frozenset[str]) -> None:
        """`without`: kinds of violations that are not looked for."""
        self.schedule, self.objects, self.site = schedule, objects, site
        self.violations: list[str] = []
        self.without = without
        self.commits: dict[str, list[Commit]] = defaultdict(list)
        self.claims: dict[str, int] = {}
        """Number of each claim, in the order they were made."""
        self.claimed: dict[str, float] = {}
        """When each worker last claimed something."""
        self.stopped: dict[str, tuple[int, float]] = {}
        """Backfills that were paused or cancelled: the run, and when that was answered."""
        self.begun: dict[tuple[str, int], float] = {}
        self.limits: dict[str, int] = {}
        self.records: dict[str, bytes | None] = {}
        self.published: dict[str, dict[str, str]] = defaultdict(dict)
        """What readers see of each partition: checksum by address."""
        self.staged: dict[tuple[str, str], set[str]] = defaultdict(set)
        """Addresses of the staged objects of each partition and claim."""
        self.owed: set[str] = set()
        """Ids of the reports of every run that has ended, was stopped or was paused, as S3 says."""
        self.spending: dict[str, Spending] = {}
        """How many groups `--max-dollars` lets start, and since which run: one costs a dollar here."""
        self.starts: Counter[tuple[str, int]] = Counter()
        """Groups that were started, by backfill and the first run that counts with theirs."""
        self.working: dict[str, list[Process]] = defaultdict(list)
        self.has_place: Callable[[Process, str], bool] = lambda _process, _budget: True
        """Whether a process has a lease of a budget in force."""
        objects.wrote.append(self.wrote)

    def broken(self, kind: str, what: str) -> None:
        """Note a violation. `kind`: `readers`, `commit`, `promise`, `index`, `record`, `stop`, `budget`, `told`, `end`
        or `defect`."""
        if kind not in self.without:
            self.violations.append(f"{kind}: {what}")
            self.schedule.note(f"VIOLATION of {kind}: {what}")

    # objects

    def wrote(self, url: str, body: bytes | None) -> None:
        """An object was written or deleted."""
        if url.startswith(f"{PROTECTED}manifests/"):
            key = url.removeprefix(f"{PROTECTED}manifests/").removesuffix("/manifest.json")
            self._manifest(key, body)
            self._readable(key)
        elif url.endswith("/record.json"):
            self._record(url, body)
        elif url.endswith("/backfill.json") and body:
            kept = Backfill.from_json(json.loads(body))
            if kept.over:
                self.owed.add(f"{kept.run_name}/{kept.state}")
        elif url.startswith(STAGED):
            self._staged(url, body)
        elif url.startswith(f"{PROTECTED}{keys.ZONES}/") and body is None:
            self.broken("readers", f"{url} was deleted, which other partitions may name")
        elif url.startswith(PROTECTED) and (key := partition_of(url)):
            self._published(key, url, body)

    def _staged(self, url: str, body: bytes | None) -> None:
        collection, version, name = url.removeprefix(STAGED).split("/")
        period, group, claim, _ = name.split("~", 3)
        key = "/".join((collection, version, period, group))
        if body is not None:
            self.staged[key, claim].add(url)
        else:
            self.staged[key, claim].discard(url)
            self._readable(key)

    def _published(self, key: str, url: str, body: bytes | None) -> None:
        if body is None:
            self.published[key].pop(url, None)
        else:
            self.published[key][url] = sum_ = hashlib.sha256(body).hexdigest()
            if not any(commit.outputs.get(url) == sum_ for commit in self.commits[key]):
                self.broken("readers", f"{url} has bytes that no committed manifest names")
        self._readable(key)

    def _manifest(self, key: str, body: bytes | None) -> None:
        commits = self.commits[key]
        value = json.loads(body) if body else {}
        if "outputs" not in value:
            if commits:
                self.broken("commit", f"the committed manifest of {key} is gone")
            return
        claim = value.get("claim") or "?"
        shared = {output["url"]: output["sha256"] for output in value["outputs"] if output["kind"] in SHARED}
        for url, sum_ in shared.items():
            if hashlib.sha256(self.objects.bodies.get(url, b"")).hexdigest() != sum_:
                self.broken("readers", f"{key} names {url}, which is not there")
        outputs = {output["url"]: output["sha256"] for output in value["outputs"] if output["url"] not in shared}
        if commits and commits[-1].claim == claim != "?":
            if commits[-1].outputs != outputs:
                self.broken("commit", f"a claim on {key} committed twice")
            return
        if any(commit.claim == claim != "?" for commit in commits):
            self.broken("commit", f"an older commit of {key} came back")
        if commits and self.claims.get(claim, 0) < self.claims.get(commits[-1].claim, 0):
            self.broken("commit", f"an older claim on {key} committed after a newer one")
        run = f"{value['backfill']}/run-{value['run']}"
        closed = self.records.get(f"{INTERNAL}backfills/{run}/record.json")
        if closed and json.loads(closed)["backfill"]["state"] not in ("running", "paused"):
            self.broken("commit", f"{run} committed {key} after its record was closed")
        commits.append(Commit(self.schedule.now, claim, value["fingerprint"], outputs))

    def _record(self, url: str, body: bytes | None) -> None:
        """The record of a run is written once, tells of every period, and of no success that is not committed."""
        value = json.loads(body or b"{}")
        if self.records.setdefault(url, body) != body or "partitions" not in value:
            self.broken("record", f"{url} was rewritten")
            return
        backfill, rows = Backfill.from_json(value["backfill"]), value["partitions"]
        for period in sorted(set(months(backfill.first, backfill.last)) - {row[0] for row in rows}):
            self.broken("record", f"{url} says nothing of {period}")
        for period, group, state, *_ in rows:
            if state == State.succeeded and not self.commits[key_of((period, group))]:
                self.broken("record", f"{url} says that {period}/{group} succeeded, and nothing was committed")

    def _readable(self, key: str) -> None:
        """What a reader sees of a partition is what its manifest names, unless it is being published."""
        if not self.commits[key] or self.publishing(key):
            return
        seen = self.published[key]
        if seen != self.commits[key][-1].outputs:
            self.broken(
                "readers",
                f"readers of {key} see what is no committed state: {difference(seen, self.commits[key][-1].outputs)}",
            )

    def publishing(self, key: str) -> bool:
        """Whether staged objects of the last commit are still there."""
        return bool(self.staged[key, self.commits[key][-1].claim])

    # the index

    def changed(self, before: Any, after: Any) -> None:
        """An entry or a backfill was stored."""
        if isinstance(after, Backfill):
            self._backfill(before, after)
        else:
            self._entry(before, after)

    def _entry(self, before: Entry | None, after: Entry) -> None:
        claim = getattr(after, "claim", None)
        if after.state is State.running and (
            before is None or (before.owner, before.attempt) != (after.owner, after.attempt)
        ):
            self.claimed[after.owner or ""] = self.schedule.now
            if claim:
                self.claims[claim] = len(self.claims) + 1
        if after.state is State.succeeded:
            commits = self.commits[after.partition.key]
            if not commits or commits[-1].fingerprint != after.fingerprint:
                self.broken(
                    "promise", f"{after.partition.key} is succeeded in the index without a manifest of its fingerprint"
                )

        whole = after.partition.group == WHOLE_POINT  # it is tried again when the workflow repeats a point
        if (
            before is not None
            and before.run == after.run
            and before.state in ENDED
            and not whole | (after.state in ENDED)
        ):
            self.broken("index", f"{after.partition.key} was {before.state} in {after.run}, and is {after.state} again")
        mine = before is not None and before.run.rpartition("/")[0] == after.run.rpartition("/")[0]
        if before is not None and mine and number(after.run) < number(before.run):
            self.broken("index", f"{after.partition.key} went from {before.run} back to {after.run}")
        if before is not None and before.state is State.running and before.lease > self.schedule.now:
            if before.run != after.run:
                self.broken("index", f"{after.run} took {after.partition.key} while a worker had it for {before.run}")
            elif after.state is State.running and claim not in (None, before.claim):  # None: the workflow gave it up
                self.broken("index", f"{after.owner} took {after.partition.key} while {before.owner} had it")

    def _backfill(self, before: Backfill | None, after: Backfill) -> None:
        if after.state == "running":
            self.begun.setdefault((after.id, after.run), self.schedule.now)
            if after.max_running:
                self.limits[after.id] = after.max_running
            if after.spending:
                self.spending[after.id] = after.spending
        if after.state == "succeeded" and (before is None or before.state != "succeeded"):
            for problem in self.unkept(after):
                self.broken("promise", f"{after.id}/{after.run} is succeeded, but {problem}")

    def unkept(self, backfill: Backfill) -> list[str]:
        """Promises of a run that are not kept now."""
        since = self.begun.get((backfill.id, backfill.run if backfill.select in ("needed", "all") else 1), 0.0)
        if backfill.select not in ("needed", "all", "failed"):
            return []
        collection = self._collection(backfill)
        if collection is None:
            return ["it has no points"]
        found = []
        before, now = self.site.at(since), self.site.tiles
        periods = sorted(period for period in months(backfill.first, backfill.last))
        for period in periods:
            if backfill.select != "failed" and not any(
                place[0] == period and len(tiles) == len(TILES) for place, tiles in now.items()
            ):
                found.append(f"{period} is not published")
        for place, tiles in before.items():
            if not backfill.first <= place[0] <= backfill.last:
                continue
            if len(tiles) == len(TILES) and not self._made(place, since, collection, exact=backfill.select != "failed"):
                found.append(f"{place[0]}/{place[1]} was never made from what was there")
            elif len(now[place]) < len(TILES) and backfill.select != "failed":
                found.append(f"{place[0]}/{place[1]} is not complete")
        return found

    def _made(self, place: Place, since: float, collection: Collection, *, exact: bool) -> bool:
        """Whether the partition was, since then, what a run of `collection` makes of it."""
        commits = self.commits[key_of(place)]
        if not exact:
            return bool(commits)
        wanted = {
            self.site.fingerprint(place, tiles, collection)
            for tiles in self.site.editions(place, since, self.schedule.now)
        }
        current = [commit for commit in commits if commit.time >= since]
        current += [commit for commit in commits if commit.time < since][-1:]
        return any(commit.fingerprint in wanted for commit in current)

    def _collection(self, backfill: Backfill) -> Collection | None:
        place = f"{INTERNAL}backfills/{backfill.id}/run-{backfill.run}"
        body, points = (
            self.objects.bodies.get(f"{place}/documents.json"),
            self.objects.bodies.get(f"{place}/points.json"),
        )
        items = json.loads(points) if points else []
        if not items or not body:
            return None
        return RunDocuments.from_bytes(body).collections_of(items[0]["config"]["period"])[""]

    # work

    def _spends(self, id: str, run: str) -> None:
        """One more group was started. After the loss of an engine, revived runs go on with what was spent."""
        if (limit := self.spending.get(id)) is None:
            return
        self.starts[id, limit.since] += 1
        if (count := self.starts[id, limit.since]) > limit.most:
            self.broken("budget", f"{count} groups of {run} and the runs before it were started, {limit.most:g} may")

    def begins(self, process: Process, run: str, id: str) -> None:
        """A worker begins to work on something it claimed."""
        number = int(run.rpartition("/")[2])
        stopped = self.stopped.get(id)
        if stopped and number <= stopped[0] and self.claimed.get(process.name, 0) > stopped[1]:
            self.broken("stop", f"{process.name} begins work of {run}, which was stopped before")
        self._spends(id, run)
        working = self.working[id]
        working[:] = [other for other in working if other.alive]
        working.append(process)
        # One that was frozen may have lost its place, and needs a heartbeat to learn of it; so does one whose renewals
        # all failed.
        awake = [other for other in working if not other.frozen or self.schedule.now > other.frozen + LEARNS]
        counted = [other for other in awake if self.has_place(other, f"backfill {id}")]
        if id in self.limits and len(counted) > self.limits[id]:
            self.broken("budget", f"{len(counted)} groups of {id} run at once, {self.limits[id]} may")

    def ends(self, process: Process, id: str) -> None:
        """It has ended, in whatever way."""
        if process in self.working[id]:
            self.working[id].remove(process)

    def untold(self, told: set[str]) -> list[str]:
        """Ids of the reports that are missing: of runs, and of failed partitions where their backfill asks for them."""
        missing = sorted(self.owed - told)
        for body in self.records.values():
            value = json.loads(body or b"{}")
            backfill = Backfill.from_json(value["backfill"])
            for period, group, state, why, *_ in value["partitions"] if backfill.report_failures else ():
                ids = {f"{backfill.id}/{run}/{period}/{group}" for run in range(1, backfill.run + 1)}
                if state == State.failed and why != NEVER and not ids & told:
                    missing.append(f"{backfill.run_name}/{period}/{group}, which failed: {why}")
        return missing

    def at_the_end(self) -> None:
        """When nothing moves any more, every commit is published."""
        for key, commits in self.commits.items():
            if commits and commits[-1].claim != "?" and self.publishing(key):
                self.broken("end", f"{key} was committed and never published")
