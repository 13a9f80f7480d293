"""Graphs of trivial operations by Celery over Redis: two worker processes; a wave is a group of tasks.

Reads `large` or `small` from lines, and answers each with JSON: seconds, and the value that came out.
"""

import json
import subprocess
import sys
import time

import xarray
from celery import Celery, group

BROKER = sys.argv[1] if __name__ == "__main__" else None


def made(broker):
    """Return the application."""
    app = Celery("celery_operations", broker=broker, backend=broker)
    app.conf.update(task_serializer="json", accept_content=["json"], task_acks_late=True, task_default_queue="bench")

    @app.task(name="add")
    def add(value):
        return float((xarray.Dataset({"v": value}) + 1)["v"])

    @app.task(name="total")
    def total(values):
        datasets = [xarray.Dataset({"v": one}) for one in values]
        return float(sum(datasets[1:], datasets[0])["v"])

    return app


def graph(app, waves, width):
    """Return the value of a graph."""
    add, total = app.tasks["add"], app.tasks["total"]
    wave = [0.0] * width
    for _ in range(waves):
        wave = group(add.s(one) for one in wave).apply_async().get(timeout=120, interval=0.005)
    return total.delay(wave).get(timeout=120, interval=0.005) if width > 1 else wave[0]


if __name__ == "__main__":
    waves, width = int(sys.argv[2]), int(sys.argv[3])
    app = made(BROKER)
    code = (
        f"import sys; sys.path.insert(0, {sys.path[0]!r}); from celery_operations import made; "
        f"made({BROKER!r}).worker_main(['worker', '--concurrency=2', '--loglevel=ERROR', '--without-gossip', "
        "'--without-mingle'])"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        for line in sys.stdin:
            size = (waves, width) if line.strip() == "large" else (3, 1)
            begun = time.perf_counter()
            value = graph(app, *size)
            print(json.dumps({"seconds": time.perf_counter() - begun, "value": value}), flush=True)
    finally:
        worker.terminate()
        worker.wait(30)
