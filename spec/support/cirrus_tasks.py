"""Tasks of Cirrus: classes of stac-task as their authors write them, and tasks that do harm."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from pileus.worker.child_process import DoesEvents, TaskFailed

GOOD = '''"""Two tasks as stac-task's own documentation has them, and one that fails."""

import os
from pathlib import Path
from typing import Any

from stactask import Task
from stactask.exceptions import InvalidInput


class Nothing(Task):
    name = "nothing-task"
    description = "this task does nothing"

    def process(self, **kwargs: Any) -> list[dict[str, Any]]:
        return [item.to_dict() for item in self.items]


class Derived(Task):
    name = "derived"
    description = "writes a file and derives an item"
    version = "0.1.0"

    def validate(self) -> bool:
        return "refused" not in self.payload

    def process(self, parameter: str = "unset") -> list[dict[str, Any]]:
        assert Path.cwd() == self._workdir
        found = []
        for item in self.payload["features"]:
            made = self.create_item_from_item(item)
            made["id"] = f"{item['id']}-{parameter}"
            path = self._workdir / f"{item['id']}.txt"
            path.write_text(parameter)
            made["assets"]["text"] = {"href": str(path), "type": "text/plain"}
            found.append(self.add_software_version_to_item(made))
        print("made", len(found))
        return found


class Fails(Task):
    name = "fails"
    description = "it fails"

    def process(self, **kwargs: Any) -> list[dict[str, Any]]:
        raise InvalidInput("no items of this kind")
'''
HARM = '''"""What a task may do to its neighbours. Each is a function of a payload."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

LEFT = []
print("x" * 1000)


def good(payload, context):
    return {"folder": str(Path.cwd()), "files": os.listdir(), "left": len(LEFT), "tmp": os.environ["TMPDIR"],
            "name": getattr(context, "function_name", "")}


def exits(payload):
    os._exit(3)


def silent(payload):
    os._exit(0)


def scribbles(payload):
    os.write(3, b"{")
    os._exit(0)


def quits(payload):
    sys.exit("enough")


def killed(payload):
    os.kill(os.getpid(), signal.SIGSEGV)


def leaks(payload):
    """It takes memory, changes the process, and leaves threads and files."""
    LEFT.append(bytearray(64 << 20))
    os.chdir("/")
    os.environ["TMPDIR"] = "/nowhere"
    threading.Thread(target=time.sleep, args=(600,)).start()
    return {}


def hungry(payload):
    return {"length": len(bytearray(4 << 30))}


def sleeps(payload):
    print("asleep", flush=True)
    time.sleep(600)


def stubborn(payload):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("asleep", flush=True)
    time.sleep(600)


def daemon(payload):
    """It leaves a process that has left its group."""
    code = "import os, time; open('PID', 'w').write(str(os.getpid())); time.sleep(600)"
    left = subprocess.Popen([sys.executable, "-c", code.replace("PID", payload["pid"])], start_new_session=True)
    while not (os.path.exists(payload["pid"]) and open(payload["pid"]).read()):
        time.sleep(0.01)
    return {"pid": left.pid}


def prints(payload):
    line = b"y" * (1 << 20)
    for _ in range(payload["mib"]):
        os.write(1, line)
    os.write(2, b"the end")
    return {}


def writes(payload):
    Path(payload["path"]).write_text("overwritten")


def removes(payload):
    shutil.rmtree(payload["path"])


def moves(payload):
    """Within its own folder it may do as it likes."""
    Path("a").mkdir()
    Path("a/x").write_text("1")
    Path("b").mkdir()
    os.rename("a/x", "b/x")
    open("b/x", "w").close()
    with open(os.path.join(os.environ["TMPDIR"], "t"), "w") as file:
        file.write("1")
    with open("/dev/null", "w") as file:
        file.write("1")
    os.chmod("b", 0)
    return {"files": sorted(os.listdir())}


def odd(payload):
    return {"a": float("nan")}


class Kept:
    def handler(self, event):
        return {"kept": event["a"]}


def named(payload, workdir):
    return {"same": workdir == Path.cwd()}
'''
ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "a",
    "collection": "viirs",
    "geometry": None,
    "properties": {"datetime": "2015-01-01T00:00:00Z"},
    "links": [],
    "assets": {},
}
PAYLOAD: dict[str, Any] = {
    "type": "FeatureCollection",
    "id": "viirs/workflow-derive/a",
    "features": [ITEM],
    "process": [
        {
            "workflow": "derive",
            "tasks": {"derived": {"parameter": "fast"}},
            "upload_options": {"path_template": "s3://nowhere/${collection}/${id}"},
            "collection_matchers": [{"type": "catch_all", "collection_name": "derived"}],
        }
    ],
}


def write_task(folder: Path, name: str, definition: dict[str, Any], code: str) -> Path:
    """A task's folder in tasks/, with a definition.yml; JSON is YAML."""
    task = folder / "tasks" / name
    task.mkdir(parents=True)
    (task / "definition.yml").write_text(json.dumps(definition))
    (task / "task.py").write_text(code)
    return task


def run(does: DoesEvents, payload: Any) -> Any:
    """What a task makes of a payload."""
    return json.loads(does.run(payload, threading.Event()))


def failure(does: DoesEvents, payload: Any) -> TaskFailed:
    """How a task fails with a payload."""
    with pytest.raises(TaskFailed) as told:
        run(does, payload)
    return told.value
