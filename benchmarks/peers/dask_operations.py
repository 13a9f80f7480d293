"""Graphs of trivial operations by dask.distributed: a scheduler and two workers in processes of their own.

Reads `large` or `small` from lines, and answers each with JSON: seconds, and the value that came out.
"""

import json
import sys
import time

import xarray
from distributed import Client, LocalCluster


def add(data):
    """Add one."""
    return data + 1


def total(datasets):
    """Sum data sets."""
    return sum(datasets[1:], datasets[0])


def graph(client, waves, width):
    """Return the value of a graph."""
    wave = [xarray.Dataset({"v": 0.0})] * width
    for _ in range(waves):
        wave = client.map(add, wave, pure=False)
    found = client.submit(total, wave, pure=False) if width > 1 else wave[0]
    return float(found.result()["v"])


if __name__ == "__main__":
    waves, width = int(sys.argv[2]), int(sys.argv[3])
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1")
    with cluster, Client(cluster) as client:
        for line in sys.stdin:
            size = (waves, width) if line.strip() == "large" else (3, 1)
            begun = time.perf_counter()
            value = graph(client, *size)
            print(json.dumps({"seconds": time.perf_counter() - begun, "value": value}), flush=True)
