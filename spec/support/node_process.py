"""A node in a process of its own: `pileus node start`."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from pileus.api.roles import Role, TokenFile

STARTED = re.compile(r"node at (\S+) with the token (\S+);")


class NodeProcess:
    """A node that serves the settings `FOLDER/NAME.ini` at one port, which it keeps when it starts again."""

    def __init__(self, folder: Path, name: str, section: str) -> None:
        """`section`: the nodes behind it, in ini."""
        self.name, self.folder = name, folder / name
        self._settings, self.section, self._port = folder / f"{name}.ini", section, 0
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.folder.mkdir()
        self.token = TokenFile(self.folder / "tokens.json").add("spec", Role.operate)
        (folder / f"{name}.token").write_text(self.token)

    def start(self) -> "NodeProcess":
        """Start it, and return when it listens."""
        self._settings.write_text(
            f"[stratus]\ntype = rest\nport = {self._port}\nfolder = {self.folder}\nfiles = {self.folder.parent}\n\n"
            f"{self.section}"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pileus", "node", "start", str(self._settings)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert self._process.stdout
        said = self._process.stdout.readline()
        found = STARTED.match(said)
        assert found, said
        self.url = found[1]
        self._port = int(self.url.rpartition(":")[2])
        return self

    @property
    def downstream(self) -> str:
        """The section by which another node asks this one."""
        return f"[{self.name}]\ntype = rest\nurl = {self.url}\ntoken_file = {self.name}.token\n\n"

    def kill(self) -> None:
        """Kill it with -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop it, and return its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with process:
            process.send_signal(number)
            return process.wait(20)
