"""Images of strangers: stac-task and a task of its authors' kind, or a task that does harm, and nothing of Pileus."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pileus.deploy.images import build, debootstrap
from spec.support.cache import locked, made_once
from spec.support.cirrus_tasks import GOOD
from spec.support.engine import docker

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/stranger:1"
"""As one in an account's registry is called: its address always means the same image."""
BASE = "pileus-base:stranger"
WANTED = ("stactask==0.7.0",)
RUN_HARM = ["python3", "/app/harm.py", "{input}", "{output}"]
COMMAND = ["run", "{input}", "--output", "{output}", "--workdir", "{workdir}", "--no-upload"]
"""Of stac-task."""
DERIVED = ["python3", "/app/task.py", "Derived", *COMMAND]
IN_WORKDIR = "        assert Path.cwd() == self._workdir\n"
"""Holds in a worker's own process: a container keeps the current folder of its image."""
CLI = """

import sys

if __name__ == "__main__":
    name = sys.argv.pop(1)
    globals()[name].cli()
"""
HARM = '''"""What a task in a container may do: the payload says it."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

told = json.load(open(sys.argv[1]))
out = sys.argv[2]
do = told.get("do", "good")
if do == "exits":
    os._exit(3)
elif do == "silent":
    sys.exit(0)
elif do == "killed":
    ctypes.string_at(0)
elif do == "hungry":
    held = bytearray(4 << 30)
    held[:: 4096] = b"x" * len(held[:: 4096])
elif do == "sleeps":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("asleep", flush=True)
    time.sleep(600)
elif do == "closes":
    os.close(1), os.close(2)
    time.sleep(600)
elif do == "daemon":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
elif do == "prints":
    for _ in range(told["mib"]):
        os.write(1, b"y" * (1 << 20))
    os.write(2, b"the end")
elif do == "writes":
    Path(told["path"]).write_text("overwritten")
elif do == "forks":
    for _ in range(2000):
        if os.fork() == 0:
            time.sleep(600)
elif do == "link":
    os.symlink(told["path"], out)
    sys.exit(0)
elif do == "pipe":
    os.mkfifo(out)
    sys.exit(0)
elif do == "folder":
    os.mkdir(out)
    sys.exit(0)
elif do == "empty":
    Path(out).touch()
    sys.exit(0)
elif do == "list":
    Path(out).write_text("[1]")
    sys.exit(0)
elif do == "odd":
    Path(out).write_text('{"a": NaN}')
    sys.exit(0)
elif do == "long":
    with open(out, "wb") as file:
        file.truncate(65 << 20)
    sys.exit(0)
elif do == "locks":
    os.mkdir("/payload/work/deep")
    Path("/payload/work/deep/file").write_text("x")
    os.chmod("/payload/work/deep", 0)
names = sorted(name for name in os.environ if name.startswith(("AWS", "PILEUS")))
interfaces = sorted(name for _, name in socket.if_nameindex())
here = sorted(os.listdir("/payload")), os.listdir("/payload/work"), sorted(os.listdir("/payload/tmp"))
Path(out).write_text(json.dumps({"names": names, "interfaces": interfaces, "here": here, "user": os.getuid()}))
'''
HARMS = [
    ("exits", "TaskDied", "its container ended with status 3"),
    ("silent", "TaskDied", "its container ended without an answer"),
    ("killed", "TaskDied", "its container ended with status 139"),
    ("hungry", "MemoryError", "needs more memory than its limit of 128 MiB"),
    ("link", "TaskDied", "its container ended without an answer"),
    ("pipe", "TaskDied", "its container ended without an answer"),
    ("folder", "TaskDied", "its container ended without an answer"),
    ("empty", "TaskDied", "its answer is no JSON"),
    ("list", "TaskDied", "its answer is no payload, which is an object"),
    ("odd", "TaskDied", "its answer is no JSON"),
    ("long", "AnswerTooLong", "the answer has more than 67,108,864 bytes"),
    ("forks", "BlockingIOError", "Resource temporarily unavailable"),
    ("writes", "OSError", "Read-only file system"),
]
"""What it may do, and the failure of its payload: class, and a part of the message."""
TITLE = "stranger of pileus specs"
DOCKERFILE = """FROM {base}
LABEL org.opencontainers.image.title="{title}"
COPY site /app/site
COPY task.py harm.py /app/
ENV PYTHONPATH=/app/site
WORKDIR /app
"""


@pytest.fixture(scope="session")
def built(engine: None) -> Iterator[None]:
    """The image; those that it replaces are removed at the end."""
    bundle = os.environ.get("SSL_CERT_FILE")  # a proxy's certificates, where the machine has one
    with locked("stranger-image"):  # one process at a time: what is packed must not change meanwhile
        stranger(Path(bundle) if bundle and Path(bundle).exists() else None)
    yield
    docker("image", "prune", "--force", "--filter", f"label=org.opencontainers.image.title={TITLE}")


def defined(command: list[str], **fields: Any) -> dict[str, Any]:
    """The definition of a task in the image."""
    worker = {"description": "x", "runs": "worker", "calls": "payload", "image": IMAGE, "command": command}
    return worker | {"timeout": 60} | fields


def _site(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", f"--target={folder}", *WANTED]
    subprocess.run(pip, check=True, timeout=300, capture_output=True)


def stranger(ca: Path | None) -> None:
    """Build the image. It has Python and stac-task."""
    assert build("base", base=debootstrap(), ca=ca, tag=BASE.partition(":")[2], network="host") == BASE
    site = made_once("stranger", [*WANTED, sys.version], _site)
    with TemporaryDirectory(prefix="stranger-") as made:
        folder = Path(made)
        (folder / "site").symlink_to(site)
        (folder / "task.py").write_text(GOOD.replace(IN_WORKDIR, "") + CLI)
        (folder / "harm.py").write_text(HARM)
        (folder / "Dockerfile").write_text(DOCKERFILE.format(base=BASE, title=TITLE))
        packed = subprocess.Popen(["tar", "-C", made, "-ch", "."], stdout=subprocess.PIPE)
        built = subprocess.run(
            ["docker", "build", f"--tag={IMAGE}", "-"],
            stdin=packed.stdout,
            capture_output=True,
            env={"DOCKER_BUILDKIT": "0", "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"},
            timeout=300,
        )
        assert built.returncode == 0, built.stdout + built.stderr
        assert packed.wait() == 0
    assert docker("run", "--rm", IMAGE, "python3", "-c", "import stactask; print('there')") == "there"
