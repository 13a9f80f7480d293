"""A Cumulus message through the Message Adapter: in this process, as Pileus does it, against its own command line.

A message passes the adapter's three functions around a task that does nothing. The command line is started for each
message, as Cumulus's clients start its zip: once with `stream`, which is kinder, and once for each of the functions.
It is the installed package, whose modules are compiled; from the zip they are compiled again each time. The three take
turns. Prints one JSON line: the medians in milliseconds, and how many times faster in process is than either.

    python benchmarks/cma.py [--messages 40]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pileus.cumulus.task import run_cumulus_task
from pileus.edges.cma import Cma
from pileus.edges.store import FolderStore

JUDGE = [sys.executable, str(Path(__file__).resolve().parent.parent / "spec/support/cma_judge.py")]
SECONDS = 60
MESSAGE: dict[str, Any] = {
    "cma": {
        "event": {
            "cumulus_meta": {"execution_name": "e", "state_machine": "arn:m", "system_bucket": "internal"},
            "meta": {"collection": {"name": "MOD09GQ", "version": "006"}, "buckets": {"internal": {"name": "b"}}},
            "payload": {"granules": [{"granuleId": f"g{number}", "files": []} for number in range(20)]},
        },
        "task_config": {
            "collection": "{$.meta.collection}",
            "bucket": "{$.meta.buckets.internal.name}",
            "stack": "prefix-{$.meta.collection.name}",
            "cumulus_message": {"outputs": [{"source": "{$.granules}", "destination": "{$.payload.granules}"}]},
        },
    }
}


def in_process() -> Any:
    adapter = Cma(FolderStore(Path("unused")))
    return run_cumulus_task(lambda told: told["input"], MESSAGE, None, lambda: adapter)


def said(*words: str, text: str) -> str:
    done = subprocess.run([*JUDGE, *words], input=text, capture_output=True, text=True, timeout=SECONDS, check=True)
    return done.stdout


def steps(call: Callable[[str, dict[str, Any]], Any]) -> Any:
    """The three functions of the contract, one after the other."""
    message = call("loadAndUpdateRemoteEvent", {"event": MESSAGE})
    told = call("loadNestedEvent", {"event": message})
    answer = {"event": message, "handler_response": told["input"], "message_config": told.get("messageConfig")}
    return call("createNextEvent", answer)


def three_processes() -> Any:
    return steps(lambda function, given: json.loads(said(function, text=json.dumps(given) + "\n")))


def one_process() -> Any:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*JUDGE, "stream"], text=True, **pipes) as process:  # type: ignore[call-overload]

        def call(function: str, given: dict[str, Any]) -> Any:
            process.stdin.write(f"{function}\n{json.dumps(given)}\n<EOC>\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            process.stdout.readline()
            return answer

        answer = steps(call)
        process.stdin.write("<EXIT>\n")
        process.stdin.flush()
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=40)
    count = parser.parse_args().messages
    ways = {"in_process": in_process, "one_process": one_process, "three_processes": three_processes}
    answers = [way() for way in ways.values()]
    assert answers[0] == answers[1] == answers[2], "all answer the same"
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(count):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(seconds) * 1000 for name, seconds in taken.items()}
    told: dict[str, Any] = {"messages": count} | {f"{name}_ms": round(value, 2) for name, value in medians.items()}
    for name in ("one_process", "three_processes"):
        told[f"{name}_ratio"] = round(medians[name] / medians["in_process"], 1)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
