"""A project with a workflow and tasks of its own: one in workers, one as a Lambda, one within a group."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TELL = '''"""Say which point in time is new."""

import os
import time


def tell(event):
    for _ in range(event["config"].get("seconds", 0) * 10):
        time.sleep(0.1)
    if event["input"]["period"] in os.environ.get("REFUSED", "2015-03"):
        raise ValueError("this month is not told")
    return {"said": f"{event['config']['greeting']}: {event['input']['period']}"}
'''
COUNT = '''"""Count the letters of what was said; an own bucket of objects keeps them."""


class Count:
    def handler(self, event):
        return {"letters": len(event["input"]["said"]), **event["input"]}
'''
LARGEST = '''"""Name the largest file of a group."""


def largest(work):
    found = max(work.archives, key=lambda archive: archive.size)
    if found.size > work.parameters["above"]:
        work.put("largest.txt", found.granule.file.name.encode(), "text/plain")
'''
GREETING = {
    "greeting": {"type": "string", "description": "First word.", "default": "new"},
    "seconds": {"type": "integer"},
}
TASKS: dict[str, tuple[dict[str, Any], str]] = {
    "tell": (
        {"description": "Say which month is new.", "runs": "worker", "function": "task:tell", "parameters": GREETING},
        TELL,
    ),
    "count": ({"description": "Count letters.", "runs": "lambda", "function": "task:Count", "memory": 256}, COUNT),
    "largest": (
        {
            "description": "Name the largest file.",
            "runs": "group",
            "function": "task:largest",
            "parameters": {"above": {"type": "integer", "default": 0}},
        },
        LARGEST,
    ),
}
STEPS: dict[str, Any] = {
    "Tell": {
        "Type": "Task",
        "Resource": "pileus:task:tell",
        "Parameters": {
            "config": {"greeting": "fresh"},
            "input": {"period.$": "$$.Execution.Input.config.period"},
        },
        "Next": "Count",
    },
    "Count": {
        "Type": "Task",
        "Resource": "pileus:task:count",
        "Parameters": {"config": {}, "input.$": "$"},
        "End": True,
    },
}


def write_tasks(folder: Path, **changes: dict[str, Any]) -> Path:
    """Write the tasks into a project, with changes to their definitions by task, and return the folder of them."""
    for name, (definition, code) in TASKS.items():
        task = folder / "tasks" / name
        task.mkdir(parents=True, exist_ok=True)
        (task / "task.json").write_text(json.dumps(definition | changes.get(name, {})))
        (task / "task.py").write_text(code)
        (task / "README.md").write_text(f"# {name}\n\nA task of a spec.\n")
    return folder / "tasks"


def write_workflow(folder: Path, steps: dict[str, Any] = STEPS) -> Path:
    """Write the workflow TellToo: what a point in time usually goes through, and then the steps."""
    usual = (ROOT / "infra/workflows/DiscoverAndProcessGranules.asl.json").read_text()
    end = '\n      "End": true'
    assert usual.count(end) == 4, "the two Maps, and one group with its report"
    text = usual.replace(end, f'\n      "Next": "{next(iter(steps))}"')
    states = json.dumps(steps)[1:-1]
    path = folder / "workflows/TellToo.asl.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{text.rstrip().removesuffix('}').rstrip().removesuffix('}').rstrip()},\n{states}\n  }}\n}}\n")
    return path
