"""A process that does events outlives the thread that asked for it first."""

import threading
from pathlib import Path

import pytest

from pileus.stratus.apart import Apart
from pileus.stratus.request import StratusRequest
from spec.support.nodes import read, values

pytestmark = [pytest.mark.unit, pytest.mark.timeout(120)]
OPERATIONS = '''
from pileus.endpoint import endpoint

@endpoint("far*")
def twice(data):
    """Multiply by two."""
    return data * 2
'''


def test_a_process_stays_when_the_thread_that_it_was_started_in_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "child_operations.py").write_text(OPERATIONS)
    monkeypatch.syspath_prepend(tmp_path)
    apart, numbers = Apart(["child_operations"], most=1), list[int]()
    request = StratusRequest.from_json(
        {
            "rid": "r",
            "input": [{"name": "a", "uri": "given:a"}],
            "operation": [{"name": "far:twice", "input": "a", "result": "b"}],
        }
    )
    given = {"a": values(tmp_path / "a.nc", 1, 10)}

    def do() -> None:
        made = apart.operate(request, given, tmp_path / f"made{len(numbers)}")
        assert read(made["b"]) == [2, 20]
        process = apart._all[0]._process
        assert process
        numbers.append(process.pid)

    try:
        for _ in range(3):
            thread = threading.Thread(target=do)
            thread.start()
            thread.join()
    finally:
        apart.close()
    assert len(numbers) == 3
    assert len(set(numbers)) == 1
