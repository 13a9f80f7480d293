"""What has no extra needs none: a worker and the API start in an environment of `pileus[embedded,infra]` alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "celery", "cftime", "h5netcdf", "h5py", "jsonpath_ng", "message_adapter", "opentelemetry.exporter",
    "opentelemetry.sdk", "prometheus_client", "pystac_client", "redis", "stactask", "xarray", "zmq",
)  # fmt: skip
"""What the extras bring that `embedded` and `infra` do not."""


def imported_by(path: Path) -> list[str]:
    """The modules of Pileus that a file imports, within its functions too."""
    nodes = ast.walk(ast.parse(path.read_text()))
    found = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return sorted(name for name in found if name.startswith("pileus."))


@pytest.mark.parametrize(
    "modules", [imported_by(ROOT / "pileus/cli/worker.py"), ["pileus.api.app"]], ids=["worker", "api"]
)
def test_it_starts_without_the_packages_of_the_extras(modules: list[str]) -> None:
    code = f"import importlib, sys\nsys.modules.update(dict.fromkeys({PACKAGES!r}))\n"
    code += f"for name in {modules!r}:\n    importlib.import_module(name)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
