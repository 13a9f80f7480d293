"""The embedded stack, whole, for end-to-end specs: real Step Functions definitions, queues, Lambdas and workers.

`stack_of` makes one with its own project folder; the fixture `stack` is one that a spec file shares:

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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pileus.edges.aws import Aws, Stack
from pileus.embedded.home import Home, Running
from pileus.wiring import Edges, wire

ROOT = Path(__file__).resolve().parents[2]
GROUP = {"by": ["start"], "each": "tile", "newest": "created"}
REGEX = (
    r"SVDNB_npp_(?P<start>\d{8})-(?P<end>\d{8})_(?P<tile>\d{2}[NS]\d{3}[EW])"
    r"_vcmcfg_v10_c(?P<created>\d{12,13})\.tgz"
)
TILES = ["75N180W", "75N060W", "75N060E", "00N180W", "00N060W", "00N060E"]


@dataclass
class Project:
    """A project folder and the embedded stack in it."""

    path: Path
    python: str = sys.executable
    """Interpreter that has Pileus; another than that of the specs does not see this clone."""

    def environ(self, changes: dict[str, str] | None = None) -> dict[str, str]:
        """The environment of a command."""
        hidden = set() if self.python == sys.executable else {"PYTHONPATH"}
        return {name: value for name, value in os.environ.items() if name not in hidden} | (changes or {})

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
        return Aws(self.running.endpoint)

    @property
    def edges(self) -> Edges:
        return wire(os.environ, self.aws, Stack.from_env(self.running.stack))

    def pileus(self, *arguments: str, code: int | None = 0, env: dict[str, str] | None = None) -> str:
        """Run a command here; its output. Fails when the exit code is not `code` (None: any)."""
        done = subprocess.run(
            [self.python, "-m", "pileus", *arguments],
            cwd=self.path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env=self.environ(env),
        )
        assert code is None or done.returncode == code, f"{done.returncode}: {done.stdout}{done.stderr}{self.logs()}"
        return done.stdout + done.stderr

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        """The same with --json, read."""
        return json.loads(self.pileus(*arguments, "--json", code=code))

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
        self.pileus("up", "--detach", "--workers", str(workers), env={"PILEUS_SETTINGS": json.dumps(settings)})

    def kill(self, pid: int) -> None:
        """As the kernel does when memory runs out."""
        os.kill(pid, signal.SIGKILL)

    def wait_for(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        """Poll until `condition` gives something true; that."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not in {seconds} s{self.logs()}"
            time.sleep(0.1)
        return found

    def logs(self) -> str:
        """The ends of all logs, for a failure's report."""
        paths = sorted(self.home.logs.glob("*.log"))
        return "".join(f"\n--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-8:]) for path in paths)


@contextmanager
def project_of(folder: Path, assemblies: Path) -> Iterator[Project]:
    """A project with no documents. What it starts is stopped at the end."""
    (folder / "collections").mkdir()
    (folder / ".pileus").mkdir()
    assemblies.mkdir(exist_ok=True)
    (folder / ".pileus/cdk").symlink_to(assemblies)  # synthesized once for all
    project = Project(folder)
    try:
        yield project
    finally:
        project.pileus("down", code=None)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose embedded stack is up with two workers, shared by the specs of a file."""
    assemblies = tmp_path_factory.getbasetemp() / "assemblies"
    with project_of(tmp_path_factory.mktemp("project"), assemblies) as project:
        project.up()
        yield project


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of one spec's own, whose stack is not up yet."""
    assemblies = tmp_path_factory.getbasetemp() / "assemblies"
    with project_of(tmp_path_factory.mktemp("project"), assemblies) as made:
        yield made
