"""Prefect: a flow that does nothing, run once a partition. Prints {"flow_s"}: seconds a partition."""

import json
import sys
import time

from prefect import flow


@flow
def nothing(partition: str) -> None:
    """A partition's work."""


if __name__ == "__main__":
    count = int(sys.argv[1])
    nothing("warm-up")
    began = time.perf_counter()
    for number in range(count):
        nothing(f"p{number:04}")
    print(json.dumps({"flow_s": (time.perf_counter() - began) / count}))
