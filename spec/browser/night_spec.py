"""A night at the page: a backfill is planned and started, a month fails, is looked into, mended, and run again."""

import os
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from pileus.deploy.synth import check_settings
from spec.support import tiny
from spec.support.api import Asking, serving, stack_services
from spec.support.dashboard import Tab, browser, tab
from spec.support.stack import Project

__all__ = ["browser", "tab"]
SOON = 60_000
"""Milliseconds for what workers do."""


@pytest.fixture(scope="module")
def night(stack: Project) -> Project:
    """Three months; what is published of the second is no archive."""
    tiny.collection(stack, "night", "201501", "201503")
    tiny.publish(stack, "night", "201501", "201503")
    tiny.publish(stack, "night", "201502", body=b"no archive")
    stack.pileus("populate")
    return stack


@pytest.fixture(scope="module")
def ask(night: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    settings = check_settings({})
    with serving(stack_services(night), tmp_path_factory.mktemp("api"), settings) as asking:
        yield asking


@pytest.fixture
def still(night: Project) -> Iterator[list[int]]:
    """The workers, which do nothing until they are let."""
    for pid in night.running.workers:
        os.kill(pid, signal.SIGSTOP)
    yield night.running.workers
    for pid in night.running.workers:
        os.kill(pid, signal.SIGCONT)


def address(ask: Asking, role: str, place: str) -> str:
    return f"{ask.url}/app/sign-in?token={ask.tokens[role]}#/{place}"


def test_a_failure_arrives_is_looked_into_and_its_month_run_again(
    tab: Tab, ask: Asking, night: Project, still: list[int]
) -> None:
    page = tab.open(address(ask, "operate", "start/night"))
    page.get_by_label("Name").fill("n-one")
    page.get_by_label("Max running").fill("7")
    page.get_by_label("Max dollars").fill("2.5")
    command = "pileus backfill night --name n-one --max-running 7 --max-dollars 2.5"
    expect(page.locator(".command")).to_have_text(command)
    page.get_by_role("button", name="Plan").click()
    expect(page.locator(".forecast")).to_contain_text("3 run", timeout=SOON)
    page.get_by_role("button", name="Start this backfill").click()
    failing = page.locator('.cell[data-period="2015-02"]')
    expect(failing).to_have_attribute("aria-label", "2015-02: queued", timeout=SOON)
    for pid in still:
        os.kill(pid, signal.SIGCONT)
    expect(failing).to_have_attribute("aria-label", "2015-02: failed", timeout=SOON)
    expect(page.locator(".backfill .head .badge")).to_have_text("failed", timeout=SOON)

    failing.click()
    panel = page.get_by_role("dialog")
    expect(panel.locator(".why")).to_contain_text("begins with b'no arc', which no .tgz does")
    expect(panel.get_by_role("region", name="Log")).to_contain_text("WARNING failed")
    expect(panel.get_by_role("region", name="Files")).to_contain_text("10 B")
    assert page.url.endswith("#/backfills/n-one/2015-02"), "the address leads here again"

    tiny.publish(night, "night", "201502")
    panel.get_by_role("button", name="Retry this month").click()
    expect(panel.locator(".badge")).to_have_text("succeeded", timeout=SOON)
    expect(panel.get_by_role("region", name="Rows")).to_contain_text("square")
    page.keyboard.press("Escape")
    expect(failing).to_be_focused()
    expect(failing).to_have_attribute("aria-label", "2015-02: succeeded", timeout=SOON)
    expect(page.locator(".about")).to_have_text("2015-02: 1 succeeded")
    expect(page.locator(".backfill .head .badge")).to_have_text("succeeded", timeout=SOON)
    found = night.json("status", "n-one")
    assert (found["run"], found["only"], found["counts"]) == (2, ["2015-02"], {"succeeded": 3})
    page.locator("summary", has_text="What happened").click()
    expect(page.get_by_role("region", name="What happened")).to_contain_text("2015-02")


def test_who_may_only_read_sees_all_and_changes_nothing(tab: Tab, ask: Asking, night: Project) -> None:
    night.pileus("backfill", "night", "--name", "n-two", "--wait", code=None)
    page = tab.open(address(ask, "read", "backfills/n-two/2015-01"))
    expect(page.get_by_role("dialog").locator(".badge")).to_be_visible()
    assert page.get_by_role("button", name="Retry").count() == 0
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Retry").count() == 0
    assert page.get_by_role("link", name="Start a backfill").count() == 0
    send = """([path, body]) => fetch(path, {method: "POST", body: JSON.stringify(body),
        headers: {"Content-Type": "application/json", "X-Pileus-Request": "1"}}).then((answer) => answer.status)"""
    asked = {"collection": "night"}
    for path, body in (
        *((f"/v1/backfills/n-two/{action}", {}) for action in ("pause", "resume", "cancel", "retry")),
        ("/v1/backfills", asked),
        ("/v1/backfills/plan", asked),
    ):
        assert page.evaluate(send, [path, body]) == 403, path
    assert night.json("status", "n-two")["run"] == 1
    tab.problems.clear()  # the browser notes each refusal on its console
