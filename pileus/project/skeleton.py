"""What `pileus create` writes: a task, a feeder or a workflow that works, with a text for people and a spec."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pileus.documents.base import NAME
from pileus.errors import UsageError
from pileus.names import TASK_NAME
from pileus.product import CIRRUS_DEFINITION, DEFINITION, WORKFLOW
from pileus.project.folder import Project, product_tasks

EXPECTED = "expected a letter, then up to 31 letters, digits, - and _"
TASK_CODE = '''"""{description}"""

from typing import Any

from stactask import Task


class {Class}(Task):
    name = "{name}"
    description = {described}
    version = "0.1.0"

    def process(self, greeting: str = "hello", **parameters: Any) -> list[dict[str, Any]]:
        """Return the items that the workflow goes on with. The current folder is the task's own."""
        found = []
        for item in self.payload["features"]:
            made = self.create_item_from_item(item)
            made["properties"]["{module}:greeting"] = greeting
            found.append(self.add_software_version_to_item(made))
        return found
'''
TASK_README = """# {name}

{description}

Takes a payload of STAC items, and returns an item for each. Replace `process` in `task.py` with what it is to do.

| parameter | default | what it does |
|---|---|---|
| `greeting` | `hello` | written into each item |

    pileus run-task {name} --input tasks/{name}/payload.json --local
    pytest tasks/{name}/{module}_spec.py

On AWS it has the packages that `requirements.txt` names.

A workflow names it by `"Resource": "pileus:task:{name}"`.
"""
TASK_SPEC = '''"""What the task {name} makes of its example payload."""

import json
from pathlib import Path

from pileus.task_folder import TaskFolder

FOLDER = Path(__file__).resolve().parent


def test_each_item_is_greeted(tmp_path: Path) -> None:
    payload = json.loads((FOLDER / "payload.json").read_text())
    answer = TaskFolder(FOLDER.parent).task(FOLDER.name).caller()(payload, tmp_path)
    assert [item["properties"]["{module}:greeting"] for item in answer["features"]] == ["good morning"]
'''
FEEDER_CODE = '''"""{description}"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any


Payload = dict[str, Any]


def payloads(first: str = "2015-01-01", last: str = "2015-01-03", workflow: str = "publish") -> Iterator[Payload]:
    """Yield a payload for each day, of one item. `first`, `last`: days, both included."""
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        item = {{
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"{module}-{{day}}",
            "collection": "{module}",
            "geometry": None,
            "properties": {{"datetime": f"{{day}}T00:00:00Z"}},
            "links": [],
            "assets": {{}},
        }}
        yield {{"type": "FeatureCollection", "features": [item], "process": [{{"workflow": workflow}}]}}
        day += timedelta(days=1)
'''
FEEDER_README = """# {name}

{description}

Yields payloads, one for each day. Replace `payloads` in `feeder.py`: what it takes are its parameters, and each payload
that it yields is processed once.

    pytest feeders/{name}/{module}_spec.py
"""
FEEDER_SPEC = '''"""What the feeder {name} yields."""

from importlib import import_module
from pathlib import Path

from pileus.cirrus.calls import module_name
from pileus.cirrus.payload import read_payload

feeder = import_module(module_name(Path(__file__).resolve().parent, "feeder"))


def test_each_day_has_a_payload_that_can_be_processed() -> None:
    found = [str(read_payload(payload).id) for payload in feeder.payloads(first="2015-01-31", last="2015-02-01")]
    assert found == [f"{module}/workflow-publish/{module}-{{day}}" for day in ("2015-01-31", "2015-02-01")]
'''
WORKFLOW_README = """# {name}

{description}

`{name}.asl.json` is a state machine of Step Functions. A step that names a task of the project has
`"Resource": "pileus:task:NAME"`; its event is the payload, and what it returns goes on.

    pileus workflows show {name}
    pytest workflows/{module}_spec.py
"""
WORKFLOW_SPEC = '''"""The workflow {name}: Pileus can read it, and its states end."""

from pathlib import Path

from pileus.project.folder import Project


def test_it_is_read_and_ends() -> None:
    found = Project(Path(__file__).resolve().parents[1]).workflows()["{name}"]
    assert found.comment == {described}
    assert [step.name for step in found.steps if step.last]
'''


def write_task(project: Project, name: str, description: str) -> list[Path]:
    """Write tasks/NAME, and return its files. Raises UsageError for a name that no task can have, or that one has."""
    if not TASK_NAME.fullmatch(name):
        raise UsageError(f"{name[:80]!r} cannot name a task: {EXPECTED}")
    if name.casefold() in {one.casefold() for one in product_tasks()}:
        raise UsageError(f"Pileus has a task {name!r}: choose another name")
    words = _words(name, description)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "one",
        "collection": "examples",
        "geometry": None,
    }
    item |= {"properties": {"datetime": "2015-01-01T00:00:00Z"}, "links": [], "assets": {}}
    told = {"workflow": name.replace("_", "-"), "tasks": {name: {"greeting": "good morning"}}}
    payload = {"type": "FeatureCollection", "features": [item], "process": [told]}
    definition = f"description: {words['described']}\nentry: task:{words['Class']}\nmemory: 2048\nseconds: 900\n"
    files = {
        CIRRUS_DEFINITION: definition,
        "task.py": TASK_CODE.format(**words),
        "README.md": TASK_README.format(**words),
        "requirements.txt": "stactask>=0.7\n",
        "payload.json": json.dumps(payload, indent=2) + "\n",
        f"{words['module']}_spec.py": TASK_SPEC.format(**words),
    }
    return _write(project.root / "tasks" / name, files, (DEFINITION,))


def write_feeder(project: Project, name: str, description: str) -> list[Path]:
    """Write feeders/NAME, and return its files. Raises UsageError."""
    if not TASK_NAME.fullmatch(name):
        raise UsageError(
            f"{name[:80]!r} cannot name a feeder: expected a letter, then up to 31 letters, digits, - and _"
        )
    words = _words(name, description)
    files = {
        CIRRUS_DEFINITION: f"description: {words['described']}\nentry: feeder:payloads\n",
        "feeder.py": FEEDER_CODE.format(**words),
        "README.md": FEEDER_README.format(**words),
        f"{words['module']}_spec.py": FEEDER_SPEC.format(**words),
    }
    return _write(project.root / "feeders" / name, files)


def write_workflow(project: Project, name: str, description: str) -> list[Path]:
    """Write workflows/NAME.asl.json with its text and its spec, and return the files. Raises UsageError."""
    if not re.fullmatch(NAME, name) or name in project.workflows():
        why = "there is a workflow of this name" if re.fullmatch(NAME, name) else f"the name does not match {NAME}"
        raise UsageError(f"{name[:80]!r}: {why}: choose another")
    words = _words(name, description)
    states = {"Done": {"Type": "Pass", "Comment": "Put the first task here.", "End": True}}
    machine = {"Comment": description, "StartAt": "Done", "States": states}
    files = {
        f"{name}{WORKFLOW}": json.dumps(machine, indent=2, ensure_ascii=False) + "\n",
        f"{name}.md": WORKFLOW_README.format(**words),
        f"{words['module']}_spec.py": WORKFLOW_SPEC.format(**words),
    }
    return _write(project.root / "workflows", files)


def _words(name: str, description: str) -> Mapping[str, str]:
    """Return what stands in the texts. Raises UsageError for a description that is no line."""
    if not description.strip() or not description.isprintable() or '"""' in description or "\\" in description:
        raise UsageError('description: expected one line of text, without \\ and """')
    parts = re.split(r"[^A-Za-z0-9]+", name)
    return {
        "name": name,
        "description": description,
        "described": json.dumps(description, ensure_ascii=False),
        "module": "_".join(part for part in parts if part).lower(),
        "Class": "".join(part[:1].upper() + part[1:] for part in parts),
    }


def _write(folder: Path, files: Mapping[str, str], others: tuple[str, ...] = ()) -> list[Path]:
    """Write all or none. Raises UsageError where one is there."""
    for name in (*files, *others):
        if (folder / name).exists():
            raise UsageError("is there already: nothing was written", where=str(folder / name))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]
