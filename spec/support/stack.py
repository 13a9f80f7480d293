"""The embedded stack, whole, for end-to-end specs: real Step Functions definitions, queues, Lambdas and workers.

`project` is one that a spec has to itself; `stack` is one that is up, shared by the specs of a file and emptied for the
next file, which must name its backfills otherwise, as executions cannot be deleted:

    def test_something(stack):
        stack.document("collections/x.json", {...})
        stack.pileus("populate")
        done = stack.pileus("backfill", "x", "--wait", code=1)
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pileus.backfills.control import settle
from pileus.backfills.status import find, outcomes
from pileus.edges.aws import Aws, Stack
from pileus.embedded.home import Home, Running
from pileus.wiring import Edges, wire, wire_workflows
from spec.support.cache import CACHE, sweep
from spec.support.forked import run_forked
from spec.support.grants import calls, grants, recording, ungranted

ROOT = Path(__file__).resolve().parents[2]
ASSEMBLIES = CACHE / "assemblies"
"""Synthesized once for all, and again when something that goes into them changes."""
SECONDS = 240
"""After which a command has failed."""
GROUP = {"by": ["start"], "each": "tile", "newest": "created"}
REGEX = (
    r"SVDNB_npp_(?P<start>\d{8})-(?P<end>\d{8})_(?P<tile>\d{2}[NS]\d{3}[EW])"
    r"_vcmcfg_v10_c(?P<created>\d{12,13})\.tgz"
)
TILES = ["75N180W", "75N060W", "75N060E", "00N180W", "00N060W", "00N060E"]


@dataclass(frozen=True)
class Names:
    """Names that files of specs gave to what they started: each belongs to one file, in whatever order they run.

    Executions cannot be deleted, so a second file would find those of the first. All processes of one call of pytest
    share the folder, so that a name taken twice is found also when the two files ran beside each other.
    """

    folder: Path
    file: str

    @classmethod
    def of(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Names":
        base = tmp_path_factory.getbasetemp()
        folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "names-of-runs"
        folder.mkdir(exist_ok=True)
        return cls(folder, request.node.name)

    def take(self, name: str) -> None:
        mark = self.folder / name.replace("/", "%2F")
        with suppress(FileExistsError):
            mark.symlink_to(self.file)  # made and told in one step
        assert (other := str(mark.readlink())) == self.file, f"{other} started {name!r} too: give it another name"


@dataclass
class Project:
    """A project folder and the embedded stack in it."""

    path: Path
    python: str = sys.executable
    """Interpreter that has Pileus; another than that of the specs does not see this clone."""
    buckets: dict[str, Any] = field(default_factory=dict)
    """The setting `buckets` of its stack."""
    names: "Names | None" = None
    """Of what was started here, where files of specs share a stack."""

    def environ(self, changes: dict[str, str] | None = None) -> dict[str, str]:
        """The environment of a command."""
        hidden = set() if self.python == sys.executable else {"PYTHONPATH"}
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        if not hidden:
            kept |= recording(self.calls)
        return kept | (changes or {})

    @property
    def calls(self) -> Path:
        """Where its Lambdas and workers write down what they call."""
        return self.home.path / "calls"

    @property
    def home(self) -> Home:
        return Home(self.path)

    @property
    def running(self) -> Running:
        found = self.home.running()
        assert found is not None, "the stack is not up"
        return found

    @property
    def aws(self) -> Aws:
        return self.running.aws

    @property
    def edges(self) -> Edges:
        return wire(os.environ, self.aws, Stack.from_env(self.running.stack))

    def take_names(self) -> None:
        """Take the names of all backfills and runs of workflows on this stack for the file that has it."""
        assert self.names is not None
        edges = self.edges
        for backfill in edges.index.backfills():
            self.names.take(backfill.id)
        for url, _ in edges.store.list(edges.internal("executions/")):
            self.names.take("/".join(url.partition("/executions/")[2].split("/")[:2]))

    def pileus(self, *arguments: str, code: int | None = 0, env: dict[str, str] | None = None) -> str:
        """Run a command here; its output. Fails when the exit code is not `code` (None: any)."""
        for option, value in pairwise(arguments):
            if option == "--name" and self.names is not None:
                self.names.take(value)
        done = self._run(*arguments, env=env)
        assert code is None or done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}{self.logs()}"
        return done.stdout + done.stderr

    def _run(self, *arguments: str, env: dict[str, str] | None) -> "subprocess.CompletedProcess[str]":
        """Forked where this clone runs; a process from its start for another interpreter."""
        if self.python == sys.executable:
            return run_forked(arguments, self.path, self.environ(env), seconds=SECONDS)
        command = [self.python, "-m", "pileus", *arguments]
        return subprocess.run(
            command,
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env=self.environ(env),
        )

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        """The same with --json, read."""
        return json.loads(self.pileus(*arguments, "--json", code=code))

    def counts(self, id: str) -> dict[str, int]:
        """Return how many partitions of a backfill are in each state."""
        found: dict[str, int] = self.json("status", id)["counts"]
        return found

    def document(self, name: str, value: dict[str, Any]) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))

    def collection(self, name: str, first: str, last: str, *, zones: str, **changes: Any) -> None:
        """A collection of VIIRS-like months under /`name`/MONTH/ of the provider `site`."""
        value = {
            "name": name,
            "templated_name": f"{name}_{{{{pointInTime}}}}",
            "files": [{"regex": REGEX}],
            "provider": "site",
            "provider_path": f"/{name}/{{{{pointInTime}}}}/",
            "options": {"spanUnit": "month", "spanStart": first, "spanEnd": last},
            "meta": {
                "group": GROUP | {"expect": TILES},
                "process": {"band": "avg_rade9h", "valid": {"band": "cf_cvg", "min": 1}, "zones": zones},
            },
        }
        self.document(f"collections/{name}.json", value | changes)

    def up(self, workers: int = 2, **settings: Any) -> None:
        self.buckets = settings.get("buckets", {})
        self.pileus("up", "--detach", "--workers", str(workers), env={"PILEUS_SETTINGS": json.dumps(settings)})

    def kill(self, pid: int) -> None:
        """As the kernel does when memory runs out."""
        os.kill(pid, signal.SIGKILL)

    def wait_for(self, condition: Callable[[], Any], seconds: float = 60, every: float = 0.1) -> Any:
        """Poll until `condition` gives something true; that. A question that costs much is asked less often."""
        deadline = time.monotonic() + seconds
        asked = time.monotonic()
        while not (found := condition()):
            now = time.monotonic()
            assert now < deadline, f"not in {seconds} s{self.logs()}"
            time.sleep(max(every, 2 * (now - asked)))
            asked = time.monotonic()
        return found

    def wait_until_over(self, id: str, seconds: float = 60) -> None:
        """Poll until a backfill is over, as `pileus status` finds out, without a process for each question."""
        edges, workflows = self.edges, wire_workflows(self.aws, Stack.from_env(self.running.stack))
        self.wait_for(lambda: settle(edges, workflows, find(edges, id)).over, seconds)

    def logs(self) -> str:
        """The ends of all logs, for a failure's report."""
        paths = sorted(self.home.logs.glob("*.log"))
        return "".join(f"\n--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-8:]) for path in paths)

    def told(self) -> str:
        """Why partitions failed, by backfill, and the ends of all logs, for a failure's report."""
        lines = []
        if self.home.running() is not None:
            for backfill in self.edges.index.backfills():
                rows = outcomes(self.edges, backfill)
                lines += [f"{backfill.run_name} {one.period} {one.group} {one.state}: {one.why}" for one in rows]
        return "\n".join(lines) + self.logs()

    def empty(self) -> None:
        """Leave the stack as it was at its start: nothing runs, and nothing is queued, indexed or stored."""
        aws, stack = self.aws, self.running.stack
        runs = aws.stepfunctions
        machines = [machine["stateMachineArn"] for machine in runs.list_state_machines()["stateMachines"]]

        def running() -> list[str]:
            pages = (runs.list_executions(stateMachineArn=arn, statusFilter="RUNNING") for arn in machines)
            return [execution["executionArn"] for page in pages for execution in page["executions"]]

        for execution in running():
            runs.stop_execution(executionArn=execution)
        self.wait_for(lambda: not running())
        for queue in aws.sqs.list_queues().get("QueueUrls", ()):
            aws.sqs.purge_queue(QueueUrl=queue)
        for table in aws.dynamodb.list_tables()["TableNames"]:
            keys = [key["AttributeName"] for key in aws.dynamodb.describe_table(TableName=table)["Table"]["KeySchema"]]
            for page in aws.dynamodb.get_paginator("scan").paginate(TableName=table):
                for item in page["Items"]:
                    aws.dynamodb.delete_item(TableName=table, Key={key: item[key] for key in keys})
        for bucket in (stack["PILEUS_INTERNAL"], stack["PILEUS_PROTECTED"]):
            for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                keys = [entry["Key"] for entry in page.get("Contents", ())]
                if left := [{"Key": key} for key in keys if key != "pileus.json"]:  # what `up` puts there
                    aws.s3.delete_objects(Bucket=bucket, Delete={"Objects": left, "Quiet": True})


@contextmanager
def project_of(folder: Path, **settings: Any) -> Iterator[Project]:
    """A project with no documents. What it starts is stopped at the end. `settings`: those that its roles need."""
    (folder / "collections").mkdir(parents=True)
    synthesized_before(folder)
    project = Project(folder)
    project.calls.mkdir()
    try:
        yield project
    finally:
        if project.home.running() is not None:
            project.pileus("down", code=None)
    if found := list(calls(project.calls)):
        missing = ungranted(found, grants(project.buckets, **settings))
        assert not missing, "the roles of a deployed stack may not make these calls:\n" + "\n".join(missing)


def synthesized_before(folder: Path) -> None:
    """Let a project folder use the templates and packages that were made before."""
    ASSEMBLIES.mkdir(parents=True, exist_ok=True)
    sweep(ASSEMBLIES)
    (folder / ".pileus").mkdir(exist_ok=True)
    (folder / ".pileus/cdk").symlink_to(ASSEMBLIES)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """An embedded stack with two workers, one for the process that runs specs."""
    with project_of(tmp_path_factory.mktemp("embedded")) as project:
        project.up()
        yield project


@pytest.fixture(scope="module")
def stack(
    embedded: Project, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """A project that the specs of a file share, with no documents; its stack is up, and empty."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "collections").mkdir()
    (folder / ".pileus").symlink_to(embedded.home.path)
    project = Project(folder, names=Names.of(request, tmp_path_factory))
    yield project
    project.take_names()
    embedded.empty()


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of one spec's own, whose stack is not up yet."""
    with project_of(tmp_path_factory.mktemp("project")) as made:
        yield made
