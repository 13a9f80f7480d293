"""A task that a collection asks for: done by the workers, visible with the group, part of what makes it stale."""

from contextlib import suppress
from pathlib import Path

from pileus.embedded.home import Home
from spec.support import tiny
from spec.support.stack import Project


def test_what_a_task_writes_is_published_and_its_change_makes_a_month_stale(stack: Project) -> None:
    tiny.collection(
        stack, "listed", "201501", "201502", meta={"group": {"by": ["month"]}, "task": {"name": "inventory"}}
    )
    tiny.publish(stack, "listed", "201501", "201502")
    stack.pileus("populate")
    stack.pileus("backfill", "listed", "--wait")
    key = "tasks/inventory/listed/001/2015-01/201501/inventory.csv"
    rows = stack.edges.store.get(stack.edges.protected(key)).decode().splitlines()
    assert rows[0] == "file,member,bytes"
    assert [row.rpartition(",")[0] for row in rows[1:]] == ["tiny_201501.tgz,tiny.light.tif"]
    assert key in stack.pileus("outputs", "ls", "listed")
    assert "2 skip" in stack.pileus("plan", "listed")
    changed = {"name": "inventory", "parameters": {"a": 1}}
    tiny.collection(stack, "listed", "201501", "201502", meta={"group": {"by": ["month"]}, "task": changed})
    stack.pileus("populate")
    assert stack.pileus("plan", "listed").count("parameters changed") == 2


def test_a_worker_opens_files_in_a_process_without_its_secrets(stack: Project) -> None:
    tiny.collection(stack, "inside", "201501", "201501")
    tiny.publish(stack, "inside", "201501")
    stack.pileus("populate")
    stack.pileus("backfill", "inside", "--wait")
    running = Home(stack.path).running()
    assert running is not None
    servers = [of(parent) for worker in running.workers for parent in of(worker)]
    children = [child for some in servers for child in some]
    assert children, "no worker has a cell with a child"
    for number in (*(parent for worker in running.workers for parent in of(worker)), *children):
        environ = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        assert any(one.startswith(b"PYTHONPATH=") for one in environ)
        assert not [one for one in environ if one.startswith((b"AWS_", b"PILEUS_SECRET"))]


def of(parent: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def test_a_task_that_there_is_not_is_refused_with_the_near_match(stack: Project) -> None:
    tiny.collection(stack, "odd", "201501", "201502", meta={"group": {"by": ["month"]}, "task": {"name": "inventry"}})
    said = stack.pileus("populate", "--check", code=2)
    assert "unknown task 'inventry': did you mean inventory?" in said
