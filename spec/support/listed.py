"""What a listing of very many files costs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LISTED = """
import sys
from contextlib import closing
from pileus.discover import discover
from pileus.documents import File, Provider
from pileus.edges.providers import connect
from pileus.edges.secrets import Secrets
provider = Provider(id="x", protocol="http", host=sys.argv[1])
with closing(connect(provider, secrets=Secrets(environ={}))) as edge:
    count = sum(1 for _ in discover(edge, "", [File(regex=r"(?P<number>[0-9]+)[.]tgz")]))
with open("/proc/self/status") as status:  # ru_maxrss would count the parent's memory at the fork
    (peak,) = (line.split()[1] for line in status if line.startswith("VmHWM"))
print(count, int(peak) // 1024)
"""
"""Discovers the files of a host, in a process of its own, and prints their number and its peak of memory."""


def listed(nginx: Any, folder: Path, files: int) -> tuple[int, int]:
    """Serve a listing of so many files from `folder`. Return how many are discovered, and the MiB that it takes."""
    with (folder / "index.html").open("w") as index:
        index.write("<html><title>Index of /</title><pre>\n")
        for number in range(files):
            index.write(f'<a href="{number:07}.tgz">{number:07}.tgz</a>    05-Jan-2022 04:18     {number + 1}\n')
    site = nginx(folder)
    command = [sys.executable, "-c", LISTED, site.host]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=300)
    count, megabytes = map(int, done.stdout.split())
    return count, megabytes
