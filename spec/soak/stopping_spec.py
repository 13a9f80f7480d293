"""Pause, cancel and retry as in spec/stack/stopping_spec.py, with two years of months and four times as many tries."""

from spec.support.gated import GatedSite
from spec.support.stack import Project
from spec.support.stopped import site, stack, stop_while_groups_end, toss

__all__ = ["site", "stack"]


def test_two_years_tossed_and_killed_succeeded_means_every_month_is_there(stack: Project, site: GatedSite) -> None:
    toss(stack, site, 24)


def test_eight_stops_while_groups_end_never_fail_and_stop_every_execution(stack: Project, site: GatedSite) -> None:
    stop_while_groups_end(stack, site, 8)
