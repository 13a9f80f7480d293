"""Fixtures that every spec may name, and the kinds of specs: a spec is of the kind of its folder.

A spec of spec/unit that names a fixture of the embedded AWS (`stack`, `aws`, ...) is one of the kind `stack` all
the same, so that `pytest -m unit` never starts it.
"""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pileus.errors import PileusError
from spec.servers.fixtures import apache, aws, lighttpd, nginx, python_server, sshd, vsftpd
from spec.support.outputs import hostile, mumbai
from spec.support.stack import Project, embedded, project, stack

__all__ = [
    "apache",
    "aws",
    "embedded",
    "hostile",
    "lighttpd",
    "mumbai",
    "nginx",
    "project",
    "python_server",
    "sshd",
    "stack",
    "vsftpd",
]

# Specs start hundreds of Pythons, which keep what they compile, whatever the shell says.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A shell script that starts `make test &` makes it ignore the signal by which specs end what they have started.
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
KINDS = {"unit": 180, "contract": 180, "stack": 600, "image": 900, "browser": 180, "simulation": 600, "soak": 3600}
"""The kinds, which are folders and marks; and the seconds after which a spec of each has failed."""
EMBEDDED = {"aws", "stack"}
LONGEST = (
    "containers", "tutorial", "faults", "every_command", "backfill", "rules", "wheel", "control", "recovery",
    "stopping", "fenced", "order",
)  # fmt: skip
"""Files that take longest, in this order, so that none is begun when all others are done."""

# Machines differ: how long an example takes says nothing about what is right.
settings.register_profile("pileus", deadline=None)
settings.load_profile("pileus")


def kind_of(item: pytest.Item) -> str:
    """Return the kind of a spec: its folder under spec/, `unit` for the examples in docstrings."""
    if item.get_closest_marker("soak"):
        return "soak"
    folder = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else "unit"
    kind = folder if folder in KINDS else "unit"
    needed = set(getattr(item, "fixturenames", ()))
    return "stack" if kind in ("unit", "contract") and needed & EMBEDDED else kind


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every spec with its kind, and with its kind's limit unless it has one of its own; put the longest first."""
    for item in items:
        kind = kind_of(item)
        if not item.get_closest_marker(kind):
            item.add_marker(kind)
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(KINDS[kind]))
    items.sort(key=place_of)


def place_of(item: pytest.Item) -> int:
    """Return the place of a spec's file among all; files of one place stay in their order."""
    name = item.path.name.removesuffix("_spec.py")
    if item.path.parent.name not in ("stack", "image"):
        return len(LONGEST) + 1
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add to a failure what its stacks tell: why partitions failed, and the ends of the logs."""
    made = yield
    report = made.get_result()
    if call.excinfo is None:
        return
    for name, value in getattr(item, "funcargs", {}).items():
        if isinstance(value, Project):
            try:
                report.sections.append((f"stack of {name}", value.told()))
            except PileusError as error:  # it is down
                report.sections.append((f"stack of {name}", f"{error}{value.logs()}"))
