"""Fifty people who look at a backfill, and ten who start others, while a thousand partitions run on the same cores.

Starts the embedded stack, a backfill of `--points` days, and `pileus serve`. Then 50 connections read its status, 300
times a second together, for `--seconds`, while 10 others each start a backfill. Prints one JSON line: reads a second,
their median and 99th percentile in milliseconds, answers that were no 2xx, requests without an answer, and the most
memory of the server in MiB. With `--dagster PYTHON` (an interpreter that has dagster and dagster-webserver) the same
connections then ask Dagster's web server for the state of one finished run, at the same rate, on a machine that is idle
otherwise, and the ratio of the 99th percentiles is printed.

    python benchmarks/api.py [--points 1000] [--seconds 20] [--dagster PYTHON]
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.backfill_overhead import FIRST, make_project, pileus
from pileus.api.roles import Role, TokenFile
from spec.servers import free_port

READERS, STARTERS, RATE = 50, 10, 300.0
PATIENCE = 30
"""Seconds after which a request counts as lost."""
QUERY = 'query { runOrError(runId: "%s") { ... on Run { runId status startTime endTime stepStats { status } } } }'


@dataclass
class Told:
    """What came of the requests."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    lost: int = 0

    def to_json(self, length: float) -> dict[str, Any]:
        times = sorted(self.seconds)
        return {
            "reads_per_second": round(len(times) / length, 1),
            "median_ms": round(statistics.median(times) * 1000, 1),
            "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 1),
            "refused": self.refused,
            "lost": self.lost,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--dagster", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        ours = measure_ours(folder / "project", arguments.points, arguments.seconds)
        result: dict[str, Any] = {"case": "api", "points": arguments.points, "pileus": ours}
        if arguments.dagster:
            result["dagster"] = measure_dagster(arguments.dagster, folder / "dagster", arguments.seconds)
            result["p99_ratio"] = round(ours["p99_ms"] / result["dagster"]["p99_ms"], 3)
    print(json.dumps(result))


def measure_ours(project: Path, points: int, seconds: float) -> dict[str, Any]:
    project.mkdir()
    make_project(project, points)
    pileus(project, "up", "--detach", "--workers", "2")
    try:
        pileus(project, "populate")
        token = TokenFile(project / ".pileus/tokens.json").add("readers", Role.operate)
        port = free_port()
        command = [sys.executable, "-m", "pileus", "serve", "--port", str(port)]
        server = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            server.stdout.readline()
            last = str(FIRST + timedelta(points - 1))
            pileus(project, "backfill", "tiny", "--from", str(FIRST), "--to", last, "--name", "many")
            head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
            read = f"GET /v1/backfills/many HTTP/1.1\r\n{head}\r\n".encode()
            days = [str(FIRST + timedelta(points + number)) for number in range(STARTERS)]
            bodies = [json.dumps({"collection": "tiny", "first": day, "last": day}) for day in days]
            posts = [request(body, f"/v1/backfills HTTP/1.1\r\n{head}") for body in bodies]
            told, begun, length = asyncio.run(load(port, read, posts, seconds))
            memory = peak(server.pid)
        finally:
            server.terminate()
            server.wait(30)
        started = begun.to_json(length) | {"sent": STARTERS}
        return told.to_json(length) | {"started": started, "server_mib": memory}
    finally:
        pileus(project, "down")


def measure_dagster(python: Path, folder: Path, seconds: float) -> dict[str, Any]:
    port = free_port()
    command = [str(python), str(Path(__file__).parent / "peers/dagster_web.py"), str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        run = server.stdout.readline().strip()
        body = json.dumps({"query": QUERY % run})
        read = request(body, f"/graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n")
        try:
            asyncio.run(until_it_answers(port, read))
            told, _, length = asyncio.run(load(port, read, [], seconds))
        finally:
            subprocess.run(["pkill", "-TERM", "-P", str(server.pid)], check=False)
            server.terminate()
    return told.to_json(length)


def request(body: str, head: str) -> bytes:
    return (f"POST {head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


async def until_it_answers(port: int, read: bytes) -> None:
    for _ in range(240):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            status, body = await ask(reader, writer, read)
            writer.close()
            if status == 200 and b'"SUCCESS"' in body:
                return
        except OSError:
            pass
        await asyncio.sleep(0.5)
    raise TimeoutError("the peer does not answer")


async def load(port: int, read: bytes, posts: list[bytes], seconds: float) -> tuple[Told, Told, float]:
    """Read at RATE over all connections, and send each of `posts` once on a connection of its own."""
    told, begun = Told(), Told()
    began = time.perf_counter()

    async def reader(number: int) -> None:
        pause = READERS / RATE
        await asyncio.sleep(pause * number / READERS)
        line = None
        while (now := time.perf_counter()) < began + seconds:
            line = await once(port, line, read, told)
            await asyncio.sleep(max(0.0, pause - (time.perf_counter() - now)))

    async def starter(number: int, post: bytes) -> None:
        await asyncio.sleep(seconds * number / max(1, len(posts)))
        await once(port, None, post, begun)

    await asyncio.gather(*map(reader, range(READERS)), *(starter(*one) for one in enumerate(posts)))
    return told, begun, time.perf_counter() - began


async def once(port: int, line: Any, sent: bytes, told: Told) -> Any:
    """Ask once, on an open connection where there is one. Return the connection."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            line = line or await asyncio.open_connection("127.0.0.1", port)
            status, _ = await ask(*line, sent)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        told.lost += 1
        return None
    told.seconds.append(time.perf_counter() - began)
    told.refused += not 200 <= status < 300
    return line


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> tuple[int, bytes]:
    writer.write(sent)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


def peak(pid: int) -> float:
    """Most memory of a process, MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return round(int(text.partition("VmHWM:")[2].split()[0]) / 1024, 1)


if __name__ == "__main__":
    main()
