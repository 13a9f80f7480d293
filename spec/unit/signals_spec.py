"""What stays in the foreground ends on SIGTERM and SIGHUP, also where its parent ignores Ctrl-C (`make test &`)."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DASHBOARD = """
import os
from pathlib import Path
from pileus.cli import dashboard
from pileus.embedded.home import Home
from pileus.wiring import wire_folder
from spec.support.api import folder_services
class Session:
    services = folder_services(wire_folder(Path("store"), os.environ), Path("."))
    home, deployment = Home(Path(".")), None
dashboard.Session = Session
dashboard.dashboard(port=0)
"""
UP = """
from pileus.cli import up
from pileus.embedded.supervisor import Supervisor
Supervisor._start = lambda self: print("up", flush=True)  # an AWS takes seconds; how it ends is what is looked at
up.up(workers="0", detach=False)
"""
IGNORE = (
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # the specs themselves may run under nohup
)
NOHUP = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"


@contextmanager
def started(code: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has said its first line, and is stopped by the end of the block."""
    (folder / "collections").mkdir()
    child = subprocess.Popen([sys.executable, "-u", "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline()
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP], ids=lambda signum: signum.name)
@pytest.mark.parametrize("code", [DASHBOARD, UP], ids=["dashboard", "up"])
def test_it_ends_by_itself_where_ctrl_c_is_ignored(code: str, signum: signal.Signals, tmp_path: Path) -> None:
    with started(IGNORE + code, tmp_path) as child:
        child.send_signal(signum)
        assert child.wait(timeout=20) == 0  # and not by the signal's default, which would be below 0


@pytest.mark.parametrize("code", [DASHBOARD, UP], ids=["dashboard", "up"])
def test_nohup_keeps_it_up(code: str, tmp_path: Path) -> None:
    with started(NOHUP + code, tmp_path) as child:
        child.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=1)
