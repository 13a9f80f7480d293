"""Downloads against curl, aria2c and the earlier system's one wget process per file, from one nginx on the loopback,
by http and by https.

    python benchmarks/download.py [--rounds 5] [--case big|throttled|small|big-https|small-https] [--folder DIR]
                                  [--fair]

`--folder`: where the files of the server and of the programs lie; a temporary folder if not given. In memory, such as
`/dev/shm`, no disk is measured.

Each round runs every program once, in an order drawn anew, on the same files, into an empty folder; a first round is
not counted, and what a program wrote is on the disk before the next begins. A ratio is that of a round, peer to ours;
its median is told, with the lowest and the highest. `ratio` is of whole processes, start of Python included;
`worker_ratio` is without it, as a worker of the pipeline downloads, who started long ago. `cpu_s` are seconds of
processor, user and system. Peak memory is of one process.

Where the system permits it (to root), server and programs are scheduled before all other work of the machine, all of
them alike, so that a ratio is the same while others work (`"ahead": true`). `--fair` leaves that out.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spec.servers import find
from spec.servers.web import nginx

PARALLEL = 10
OURS = ("ours", "worker")
LIMIT_MB = 4.0
"""Megabytes (2**20 bytes) a second that nginx gives each connection in the throttled case."""


@dataclass(frozen=True)
class Case:
    name: str
    files: int
    size: int
    """Bytes of each file."""
    rate: str = "0"
    tls: bool = False


CASES = (
    Case("big", 24, 64_000_000),
    Case("throttled", 20, 32 << 20, f"{LIMIT_MB:g}m"),
    Case("small", 2000, 20_000),
    Case("big-https", 24, 64_000_000, tls=True),
    Case("small-https", 2000, 20_000, tls=True),
)


def ours(urls: Path, folder: Path) -> list[list[str]]:
    pileus = Path(sys.executable).with_name("pileus")
    return [[str(pileus), "download", "-i", str(urls), "-o", str(folder), "--parallel", str(PARALLEL)]]


def aria2c(urls: Path, folder: Path) -> list[list[str]]:
    aria = ["aria2c", "--quiet", "--file-allocation=none", f"-j{PARALLEL}", "-x1", "--conditional-get=false"]
    return [[*aria, *_trusted("--ca-certificate"), "-d", str(folder), "-i", str(urls)]]


def curl(urls: Path, folder: Path) -> list[list[str]]:
    settings = urls.with_name("curl.txt")
    settings.write_text("".join(f'url = "{url}"\nremote-name\n' for url in urls.read_text().split()))
    asked = ["--no-progress-meter", "--fail", "--parallel", "--parallel-max", str(PARALLEL), "--create-dirs"]
    return [["curl", *asked, *_trusted("--cacert"), "--output-dir", str(folder), "-K", str(settings)]]


def _trusted(option: str) -> list[str]:
    """Return the option that trusts the server's certificate; ours takes it from the environment."""
    return [option, authority] if (authority := os.environ.get("SSL_CERT_FILE")) else []


def wget(urls: Path, folder: Path) -> list[list[str]]:
    """Return the commands of the earlier system: one process for each file, at most PARALLEL at once."""
    trusted = _trusted("--ca-certificate")
    return [["wget", "-q", *trusted, "-P", str(folder), url] for url in urls.read_text().split()]


WARM = """
import os, sys, time
from pathlib import Path
from pileus.documents import Provider
from pileus.download.fetch import download, granule_of
from pileus.edges.providers import connect
from pileus.edges.secrets import Secrets
urls, folder, parallel, protocol, host = sys.argv[1:]
edge = connect(Provider(id="site", protocol=protocol, host=host), secrets=Secrets(environ={}))
granules = [granule_of(url) for url in Path(urls).read_text().split()]
started, before = time.perf_counter(), os.times()
download(granules, Path(folder), edge, parallel=int(parallel))
after = os.times()
busy = after.user - before.user, after.system - before.system
Path(folder, "seconds").write_text(" ".join(map(str, (time.perf_counter() - started, *busy))))
"""


def worker(urls: Path, folder: Path) -> list[list[str]]:
    """Ours as a worker runs it: Python has started long ago. It writes down how long it took, and its CPU seconds."""
    protocol, _, rest = urls.read_text().partition("://")
    host = rest.partition("/")[0]
    return [[sys.executable, "-c", WARM, str(urls), str(folder), str(PARALLEL), protocol, host]]


PROGRAMS: dict[str, Callable[[Path, Path], list[list[str]]]] = {
    "ours": ours,
    "worker": worker,
    "curl": curl,
    "aria2c": aria2c,
    "wget": wget,
}


@dataclass(frozen=True)
class Taken:
    """What a program took."""

    seconds: float
    user: float
    system: float
    """CPU seconds."""
    peak: float
    """Megabytes."""


def run(commands: list[list[str]]) -> Taken:
    """Return what it took until all commands, PARALLEL at once, were done; the peak is that of one."""
    waiting, peak, user, system = list(reversed(commands)), 0, 0.0, 0.0
    running: set[int] = set()
    started = time.perf_counter()
    while waiting or running:
        while waiting and len(running) < PARALLEL:
            command = waiting.pop()
            quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
            running.add(os.posix_spawnp(command[0], command, os.environ, file_actions=quiet))
        # Not through subprocess: it would reap children, and their memory with them.
        process, status, usage = os.wait3(0)
        if process not in running:
            continue
        running.remove(process)
        peak = max(peak, usage.ru_maxrss)
        user, system = user + usage.ru_utime, system + usage.ru_stime
        if status:
            raise SystemExit(f"a download failed with {os.waitstatus_to_exitcode(status)}: {command[0]}")
    return Taken(time.perf_counter() - started, user, system, peak / 1024)


@contextmanager
def site(case: Case, work: Path) -> Iterator[Path]:
    """Serve the files of a case; the path of their list."""
    folder = work / "site"
    folder.mkdir()
    block = os.urandom(min(case.size, 1 << 20))
    for number in range(case.files):
        with (folder / f"{number:04}.bin").open("wb") as file:
            for start in range(0, case.size, len(block)):
                file.write(block[: case.size - start])
    pair = certificate(work) if case.tls else None
    os.environ.pop("SSL_CERT_FILE", None)
    if pair:
        os.environ["SSL_CERT_FILE"] = str(pair[0])
    with nginx(folder, work / "nginx", rate=case.rate, tls=pair) as served:
        urls = work / "urls.txt"
        urls.write_text("".join(f"{served.url}/{number:04}.bin\n" for number in range(case.files)))
        yield urls


def certificate(work: Path) -> tuple[Path, Path]:
    """Return a certificate of this machine that signs itself, and its key."""
    made = (work / "certificate.pem", work / "key.pem")
    asked = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(made[0]), "-keyout", str(made[1])]
    subprocess.run([*asked, *names], check=True, capture_output=True)
    return made


def _warm(path: Path, size: int) -> None:
    """Fill and free as much memory as the files will take: a virtual machine's first touch of a page is slow."""
    block = bytes(1 << 20)
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(block)
    path.unlink()


def measure(case: Case, rounds: int, work: Path, *, ahead: bool) -> None:
    programs = [name for name in PROGRAMS if name in OURS or find(name)]
    if case.rate != "0" and "wget" in programs:
        programs.remove("wget")  # every program waits for the same limit
    taken: dict[str, list[Taken]] = {name: [] for name in programs}
    with site(case, work) as urls:
        os.sync()
        for number in range(rounds + 1):
            for name in random.Random(number).sample(programs, len(programs)):
                folder = work / "out"
                _warm(work / "warm", min(case.files * case.size, 2 << 30))
                took = run(PROGRAMS[name](urls, folder))
                assert sum(path.stat().st_size for path in folder.glob("*.bin")) == case.files * case.size
                if name == "worker":
                    seconds, user, system = map(float, (folder / "seconds").read_text().split())
                    took = Taken(seconds, user, system, took.peak)
                if number:
                    taken[name].append(took)
                shutil.rmtree(folder)
                os.sync()
    for peer in [name for name in PROGRAMS if name not in OURS]:
        told = {"case": f"{case.name}: {case.files} x {case.size} B", "peer": peer, "rounds": rounds, "ahead": ahead}
        if peer in taken:
            told |= compared(case, taken, peer)
        else:
            told["note"] = "not installed, or not in this case"
        print(json.dumps(told), flush=True)


def compared(case: Case, taken: dict[str, list[Taken]], peer: str) -> dict[str, object]:
    """Return the ratios of a peer to ours, and the figures that they are of."""
    told: dict[str, object] = {}
    for ours, prefix in (("ours", ""), ("worker", "worker_")):
        ratios = [theirs.seconds / mine.seconds for theirs, mine in zip(taken[peer], taken[ours], strict=True)]
        told[f"{prefix}ratio"] = round(statistics.median(ratios), 2)
        told[f"{prefix}ratios"] = [round(min(ratios), 2), round(max(ratios), 2)]
    for name, prefix in (("ours", "ours"), ("worker", "worker"), (peer, "peer")):
        whole = [statistics.median(values) for values in zip(*map(astuple, taken[name]), strict=True)]
        told[f"{prefix}_s"] = round(whole[0], 3)
        told[f"{prefix}_cpu_s"] = [round(whole[1], 2), round(whole[2], 2)]
        told[f"{prefix}_mb"] = round(whole[3])
        told[f"{prefix}_mb_s"] = round(case.files * case.size / whole[0] / 1e6)
        if case.rate != "0":
            told[f"{prefix}_share_of_limit"] = round(
                case.files * case.size / whole[0] / (PARALLEL * LIMIT_MB * 2**20), 3
            )
    return told


def go_ahead() -> bool:
    """Have this process and its children scheduled before all other work. Return whether the system permits it."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, OSError):
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", choices=[case.name for case in CASES], action="append")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--fair", action="store_true")
    asked = parser.parse_args()
    if not find("nginx"):
        raise SystemExit("nginx is missing: apt-get install nginx")
    os.environ["PYTHONPATH"] = sys.path[0]  # what is measured is this clone, wherever Pileus is installed from
    ahead = not asked.fair and go_ahead()
    for case in CASES:
        if not asked.case or case.name in asked.case:
            with tempfile.TemporaryDirectory(dir=asked.folder) as work:
                measure(case, asked.rounds, Path(work), ahead=ahead)


if __name__ == "__main__":
    main()
