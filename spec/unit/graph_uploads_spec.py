"""How long uploaded files are kept on a stack."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pileus.client.local.graphs import LocalGraphs
from pileus.errors import DocumentError
from pileus.graphs.uploads import KEPT_DAYS
from pileus.stratus.request import StratusRequest
from pileus.tasks.advance_graph import advance_graph
from pileus.wiring import wire_folder
from spec.support.graphs import ENDPOINTS, netcdf, three_steps
from spec.support.runs import Executions

DAY = 86_400.0


class Stack:
    """A stack without AWS, whose clock can be set."""

    def __init__(self, folder: Path) -> None:
        self.at = 1_700_000_000.0
        edges = wire_folder(folder, {})
        self.edges = replace(edges, endpoints=lambda: ENDPOINTS, now=lambda: self.at)
        self.workflows = Executions()
        services: Any = SimpleNamespace(edges=self.edges, workflows=self.workflows)
        self.graphs = LocalGraphs(services)

    def upload(self, *numbers: float) -> str:
        return self.graphs.upload(io.BytesIO(netcdf(*numbers)))

    def start(self, rid: str, uri: str) -> None:
        """Start a request, and do the first step of its execution."""
        self.graphs.start(StratusRequest.from_json(three_steps(uri) | {"rid": rid}))
        task = dict(self.workflows.started[f"RunGraph:operations_{rid}_1"]["task"])
        advance_graph(self.edges, {"config": {"task": task, "round": 0}})

    def later(self, days: float) -> None:
        """Let days pass, and let somebody upload another file."""
        self.at += days * DAY
        self.upload(self.at)

    @property
    def values(self) -> int:
        return len([url for url, _ in self.edges.store.list("s3://internal/runs/values/") if url.endswith(".nc")])


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


def test_a_file_that_nobody_wants_is_deleted_after_ten_days(stack: Stack) -> None:
    uri = stack.upload(1, 2)
    stack.later(KEPT_DAYS)
    stack.start("young", uri)
    stack.later(KEPT_DAYS + 1)
    assert stack.values == 1
    with pytest.raises(DocumentError, match="no file of this name was uploaded, or it was deleted"):
        stack.start("old", uri)


def test_a_file_with_which_a_request_is_started_is_kept_for_ten_days_more(stack: Stack) -> None:
    uri = stack.upload(1, 2)
    stack.later(KEPT_DAYS - 1)
    stack.start("first", uri)
    stack.later(KEPT_DAYS - 1)
    stack.start("second", uri)


def test_a_file_that_is_uploaded_again_is_kept_for_ten_days_more(stack: Stack) -> None:
    stack.upload(1, 2)
    stack.later(KEPT_DAYS - 1)
    uri = stack.upload(1, 2)
    stack.later(KEPT_DAYS - 1)
    stack.start("again", uri)


def test_nothing_is_left_of_what_was_deleted(stack: Stack) -> None:
    stack.upload(1, 2)
    stack.later(KEPT_DAYS + 1)
    assert len([*stack.edges.store.list("s3://internal/runs/values/")]) == 2  # the other file, and its day
