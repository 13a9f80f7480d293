"""Runs as jobs: their list over pages, what it is filtered by, and how results are wanted. No AWS."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus import lifecycle
from pileus.api.ogc.asked import Execute, plain_input, preferred
from pileus.client.local import jobs
from pileus.client.local.jobs import JobFilter, LocalJobs, OutputForm, Wanted, job_id
from pileus.client.services import Services
from pileus.edges.index import change
from pileus.errors import Unknown, UsageError
from pileus.models import State
from pileus.processes import process_of
from pileus.runs import Run
from pileus.wiring import wire_folder
from spec.support.runs import INPUTS, ZONES, Executions

PROCESS = process_of("zonal-statistics")
WANTED = Wanted.all_of(PROCESS)


class Office:
    """Jobs without AWS, and a clock that is moved by hand."""

    def __init__(self, folder: Path) -> None:
        self.clock = [1_700_000_000.0]
        edges = replace(wire_folder(folder, {}), now=lambda: self.clock[0])

        class Unwired(Services):
            workflows = Executions()  # type: ignore[assignment]

        unused: Any = None
        self.edges, self.jobs = edges, LocalJobs(Unwired(unused, edges, unused))

    def begun(self) -> Run:
        self.clock[0] += 1
        return self.jobs.start(PROCESS, INPUTS, WANTED)

    def change(self, run: Run, step: Any) -> None:
        change(self.edges.index, run.subject, lambda stored: step(stored, self.clock[0]))

    def ended(self, run: Run, state: State, seconds: float) -> None:
        """End a run after some seconds of work."""
        claim = lifecycle.claim
        self.change(
            run,
            lambda e, now: replace(
                claim(e, e.run, "w", "t", lease=now + 60, now=now), extra=e.extra | {"started": now}
            ),
        )
        self.clock[0] += seconds
        self.change(run, lambda e, now: lifecycle.finish(e, "t", state, now=now, manifest="s3://x"))

    def ids(self, which: JobFilter | None = None, limit: int = 100) -> list[str]:
        found, _ = self.jobs.list(which or JobFilter(), limit=limit)
        return [job_id(run) for run in found]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_a_job_has_one_id_that_finds_it(office: Office) -> None:
    run = office.begun()
    assert job_id(run).startswith("zonal-statistics.2023")
    assert office.jobs.find(job_id(run)) == run
    for wrong in ("", "x", "zonal-statistics", "zonal-statistics.none", "zonal-statistics.a/b", ".", "nothing.mine"):
        with pytest.raises(Unknown):
            office.jobs.find(wrong)


def test_jobs_are_listed_newest_first_whatever_the_size_of_a_page(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "READ", 2)
    wanted = [job_id(office.begun()) for _ in range(5)][::-1]
    for limit in range(1, 7):
        found, cursor = list[str](), None
        while True:
            page, cursor = office.jobs.list(JobFilter(), limit=limit, cursor=cursor)
            found += map(job_id, page)
            if cursor is None:
                break
        assert found == wanted


def test_a_page_ends_when_much_was_read_and_the_next_goes_on(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "READ", 2)
    monkeypatch.setattr(jobs, "MOST_READ", 2)
    runs = [office.begun() for _ in range(4)]
    office.ended(runs[0], State.succeeded, 1)
    which = JobFilter(states=frozenset([State.succeeded]))
    page, cursor = office.jobs.list(which, limit=10)
    assert (page, cursor is None) == ([], False)
    page, cursor = office.jobs.list(which, limit=10, cursor=cursor)
    assert [run.key for run in page] == [runs[0].key]


def test_a_cursor_of_another_list_is_refused(office: Office) -> None:
    office.begun()
    office.begun()
    _, cursor = office.jobs.list(JobFilter(), limit=1)
    with pytest.raises(UsageError, match="another list"):
        office.jobs.list(JobFilter(processes=frozenset(["another"])), limit=1, cursor=cursor)


def test_jobs_are_filtered_by_state_time_and_duration(office: Office) -> None:
    short, long, going = office.begun(), office.begun(), office.begun()
    office.ended(short, State.succeeded, 2)
    office.ended(long, State.failed, 20)
    a, b, c = map(job_id, (short, long, going))
    assert office.ids(JobFilter(states=frozenset([State.succeeded, State.failed]))) == [b, a]
    assert office.ids(JobFilter(states=frozenset())) == []
    assert office.ids(JobFilter(shortest=2)) == [b, a]
    assert office.ids(JobFilter(shortest=3)) == [b]
    assert office.ids(JobFilter(longest=3)) == [a], "one that no worker has taken has no duration"
    second = datetime.fromtimestamp(1_700_000_002, UTC)
    assert office.ids(JobFilter(first=second)) == [c, b]
    assert office.ids(JobFilter(last=second)) == [b, a]


def test_how_results_are_wanted_is_kept_with_the_job(office: Office) -> None:
    wanted = Wanted({"rows": OutputForm("text/csv", by_reference=True)}, "document")
    run = office.jobs.start(PROCESS, INPUTS, wanted)
    assert office.jobs.wanted(run) == wanted
    office.edges.store.delete(office.jobs._wanted_url(run))
    assert office.jobs.wanted(run) == WANTED, "as for a run that a command has started"


@given(st.sampled_from(["raw", "document"]), st.booleans(), st.text())
def test_what_is_wanted_is_read_as_it_was_written(response: Any, by_reference: bool, media_type: str) -> None:
    wanted = Wanted({"rows": OutputForm(media_type, by_reference)}, response)
    assert Wanted.from_json(wanted.to_json()) == wanted


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (ZONES, ZONES),
        ({"value": ZONES}, ZONES),
        ({"value": ZONES, "mediaType": "application/geo+json"}, ZONES),
        ({"value": '{"a": 1}', "mediaType": "application/geo+json"}, {"a": 1}),
        ({"value": "eyJhIjogMX0=", "encoding": "base64", "mediaType": "application/geo+json"}, {"a": 1}),
        ({"href": "https://example.org/z.geojson", "type": "application/geo+json"}, "https://example.org/z.geojson"),
        ([{"href": "https://a.b/1"}, "https://a.b/2", {"value": 3}], ["https://a.b/1", "https://a.b/2", 3]),
        ({"value": 1, "mine": 2}, {"value": 1, "mine": 2}),
        ({"href": 1}, {"href": 1}),
        ("text", "text"),
        (None, None),
    ],
)
def test_an_input_is_what_all_forms_of_the_standard_say(given: Any, plain: Any) -> None:
    assert plain_input(given) == plain


@pytest.mark.parametrize("value", ["{", '{"a": NaN}'])
def test_an_input_that_should_be_json_and_is_not_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="should be JSON"):
        plain_input({"value": value, "mediaType": "application/json"})


def test_all_outputs_are_wanted_as_json_where_nothing_is_said() -> None:
    assert Execute().wanted(PROCESS) == Execute(outputs={}).wanted(PROCESS) == WANTED


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("respond-async", (True, 25)),
        ("wait=2, respond-async", (True, 2)),
        ("return=minimal; respond-async", (True, 25)),
        ("respond-sync", (False, 25)),
        ("wait=x", (False, 25)),
        ("RESPOND-ASYNC", (True, 25)),
    ],
)
def test_a_preference_is_read(header: str, asked: tuple[bool, float]) -> None:
    assert preferred(header) == asked
