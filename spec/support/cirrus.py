"""cirrus-geo as the registry carries it, in an environment of its own, as the judge of what Pileus says of payloads.

The package asks for Python 3.12 for three places of its syntax. Where the specs run on 3.11, these three are written in
the older syntax; what they mean stays.
"""

import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spec.support.cache import made_once

WANTED = (
    "cirrus-geo==2.0.0",
    "python-json-logger==4.0.0",
    "backoff==2.2.1",
    "click-option-group==0.5.9",
)
"""What the environment of the specs has not; the rest it has of the extra `cirrus`."""
JUDGE = Path(__file__).with_name("cirrus_judge.py")
BATCH = 'from typing import Generic, TypeVar\nT = TypeVar("T")\n\n\nclass BatchHandler(Generic[T]):'
MISSING = "'A required environment variable(s) was not found: ' + ', '.join((missing, *extra_missing))"
OLDER = (
    ("lib/events.py", r"MetricSeries\[WorkflowMetric\]\(TypedDict\):", "MetricSeries(TypedDict):"),
    ("lib/events.py", r"list\[WorkflowMetric\]", "list"),
    ("lib/utils.py", r"class BatchHandler\[T\]:", BATCH),
    ("management/exceptions.py", r'f"A required[^"]*\{\n[^"]*\n\s*\}"', MISSING),
)
"""File, what is there, what stands for it."""


def cirrus_python() -> Path:
    """The interpreter of an environment with cirrus-geo, made once."""
    return made_once("cirrus", [*WANTED, sys.version, str(OLDER), sysconfig.get_path("purelib")], _make) / "bin/python"


def _make(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    (site,) = folder.glob("lib/python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-requires-python"]
    subprocess.run([*pip, f"--target={site}", *WANTED], check=True, timeout=240)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    if sys.version_info >= (3, 12):
        return
    for name, there, older in OLDER:
        path = site / "cirrus" / name
        text, count = re.subn(there, lambda _, older=older: older, path.read_text())
        assert count, f"{name}: {there}"
        path.write_text(text)


def judged(payloads: Sequence[Any]) -> list[dict[str, Any]]:
    """What cirrus-geo says of payloads: of each `{"id", "next", "execution"}`, or `{"refused"}`."""
    done = subprocess.run(
        [str(cirrus_python()), "-P", "-W", "ignore", str(JUDGE)],
        input=json.dumps(list(payloads)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))
