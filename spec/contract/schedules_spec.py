"""One contract for schedules: those that are kept, and those of EventBridge Scheduler."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from pileus.edges.aws import Aws
from pileus.edges.schedules import EventBridgeSchedules, KeptSchedules, Schedule, Schedules
from pileus.errors import StoreError
from spec.servers import Site

TARGET = "arn:aws:states:us-east-1:000000000000:stateMachine:spec"
DAILY = Schedule("daily", "rate(1 day)", "UTC", True, TARGET, {"rule": "daily"})
SIX = Schedule("six", "cron(0 6 * * ? *)", "Europe/Berlin", False, TARGET, {"rule": "six", "spanStart": "-2 months"})


@pytest.fixture(params=["kept", "eventbridge"])
def schedules(request: pytest.FixtureRequest) -> Schedules:
    if request.param == "kept":
        return KeptSchedules()
    site: Site = request.getfixturevalue("aws")
    client, group = Aws(site.url).scheduler, f"spec-{uuid4().hex[:8]}"
    client.create_schedule_group(Name=group)
    return EventBridgeSchedules(client, group, "arn:aws:iam::000000000000:role/spec")


def test_there_is_what_was_put(schedules: Schedules) -> None:
    assert schedules.all() == {}
    schedules.put(DAILY, new=True)
    schedules.put(SIX, new=True)
    assert schedules.all() == {"daily": DAILY, "six": SIX}


@pytest.mark.parametrize(
    "changed",
    [
        replace(DAILY, expression="rate(2 days)"),
        replace(DAILY, timezone="Asia/Tokyo"),
        replace(DAILY, enabled=False),
        replace(DAILY, input={"rule": "other"}),
        replace(DAILY, target=f"{TARGET}-2"),
    ],
)
def test_a_change_replaces_the_whole_of_it(schedules: Schedules, changed: Schedule) -> None:
    schedules.put(DAILY, new=True)
    schedules.put(changed, new=False)
    assert schedules.all() == {"daily": changed}


def test_what_is_deleted_is_gone_and_to_delete_it_again_is_no_error(schedules: Schedules) -> None:
    schedules.put(DAILY, new=True)
    schedules.delete("daily")
    schedules.delete("daily")
    assert schedules.all() == {}


def test_a_rate_counts_from_when_it_was_made(schedules: Schedules) -> None:
    before = datetime.now(UTC)
    schedules.put(DAILY, new=True)
    made = schedules.made("daily")
    assert before - timedelta(seconds=2) <= made <= datetime.now(UTC) + timedelta(seconds=2)
    schedules.put(replace(DAILY, enabled=False), new=False)
    assert schedules.made("daily") == made


def test_a_new_one_over_another_and_a_change_of_none_are_refused(schedules: Schedules) -> None:
    schedules.put(DAILY, new=True)
    with pytest.raises(StoreError):
        schedules.put(replace(DAILY, enabled=False), new=True)
    assert schedules.all() == {"daily": DAILY}
    with pytest.raises(StoreError):
        schedules.put(SIX, new=False)
    with pytest.raises(StoreError):
        schedules.made("six")
