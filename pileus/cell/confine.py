"""Take away from this process whatever reading files does not need. Linux only; only the standard library.

`python -m pileus.cell.confine` prints what this machine cannot take away, as a JSON list of sentences.

1. `leave_network`: a user and a network namespace of its own. Docker and Fargate refuse that by default.
2. `confine`: no capabilities, no new rights, limits, files (Landlock), system calls (seccomp). Without sockets there is
   no network, also where 1 is refused.
"""

import ctypes
import errno
import json
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 36, 38
SET_FILTER, SPEC_ALLOW = 1, 4
"""`seccomp`: set a filter, and do not slow the processor down for it, which older kernels do unasked."""
CALL = {"x86_64": 317, "aarch64": 277}
"""Number of the system call `seccomp`."""

DENIED = {
    "x86_64": {
        "socket": 41, "execve": 59, "kill": 62, "ptrace": 101, "rt_sigqueueinfo": 129, "mount": 165, "tkill": 200,
        "tgkill": 234, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "rt_tgsigqueueinfo": 297,
        "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "bpf": 321, "execveat": 322, "userfaultfd": 323, "pidfd_send_signal": 424,
        "io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438,
    },
    "aarch64": {
        "mount": 40, "unshare": 97, "ptrace": 117, "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138,
        "socket": 198, "add_key": 217, "request_key": 218, "keyctl": 219, "execve": 221, "rt_tgsigqueueinfo": 240,
        "perf_event_open": 241, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
        "process_vm_writev": 271, "bpf": 280, "execveat": 281, "userfaultfd": 282, "pidfd_send_signal": 424,
        "io_uring_setup": 425, "pidfd_open": 434, "pidfd_getfd": 438,
    },
}  # fmt: skip
"""System calls that fail with EPERM, by machine: what reaches the network, other processes and other programs."""
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000
"""Numbers from here on are those of another kind of program on x86_64."""

READ, WRITE = 0b1100, 0b1111111111111
"""Landlock's rights: to read a file and list a folder; and all of its first version, which is everything but to run."""
EXECUTE = 0b1
FILE_ONLY = 0b110
"""Of these, the ones that a file can have: to read and to write."""
REFER, TRUNCATE = 1 << 13, 1 << 14
"""Landlock's rights of its second and third version: to move from folder to folder, and to cut."""

SECONDS = 3600
"""Processor time of one job, unless it is set."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one child may use. A child that wants more ends, or its request fails."""

    memory: int
    """Bytes beside what the child has at its start."""
    seconds: int = SECONDS
    """Processor time of one job."""
    file_size: int = 64 << 30
    """Bytes of one file."""
    files: int = 1024
    """Open at once."""


_libc = ctypes.CDLL(None, use_errno=True)


def _refused(returned: int) -> str:
    """Return why a call failed; empty when it did not."""
    return os.strerror(ctypes.get_errno()) if returned < 0 else ""


def leave_network() -> str:
    """Move this process, which has one thread, to namespaces of its own. Return why that is not possible, or nothing.

    The network namespace has no device. In the user namespace this process has no rights over processes outside, so it
    can neither trace them nor read their environment.
    """
    uid, gid = os.getuid(), os.getgid()
    if why := _refused(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)):
        return f"no network namespace: {why}"
    with suppress(OSError):
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    return ""


def end_with(parent: int) -> None:
    """Let the system kill this process when its parent ends, or at once where it has ended."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def confine(limits: Limits, readable: Sequence[Path], writable: Sequence[Path], parent: int) -> list[str]:
    """Confine this process for good. Return what could not be done, a sentence each.

    `readable`, `writable`: folders. `parent`: this process ends when that one does.
    """
    _drop_capabilities()
    missing = [why for why in [_refused(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))] if why]
    end_with(parent)
    limit(limits)
    return missing + [why for why in (_only_files(readable, writable), _only_calls()) if why]


def adopt() -> None:
    """Let this process be the parent of what its children leave behind, so that it can end that."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def only_write(places: Sequence[Path]) -> str:
    """Let this process, and what it starts, write below these folders only, and read everything. Return why that is not
    possible, or nothing.
    """
    if platform.machine() not in DENIED:
        return f"no Landlock: the machine is {platform.machine()}"
    version = _libc.syscall(444, None, ctypes.c_size_t(0), 1)
    if version < 2:  # the first would forbid to move a file from one of its folders to another
        return "no Landlock that allows to move files"
    rights = WRITE & ~READ & ~EXECUTE | REFER | (TRUNCATE if version > 2 else 0)
    if why := _refused(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)):
        return why
    return _landlock(rights, [(rights, places)])


def hide() -> None:
    """Keep the memory and the environment of this process from others of its user."""
    _libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _drop_capabilities() -> None:
    header = struct.pack("<Ii", 0x20080522, 0)
    _libc.capset(header, bytes(24))


def limit(limits: Limits) -> None:
    """Limit memory, the size of files and the number of those that are open, for this process and what it starts."""
    pages = Path("/proc/self/statm").read_text().split()
    size = int(pages[0]) * resource.getpagesize()
    kept = int(pages[5]) * resource.getpagesize()
    for which, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, kept + limits.memory),
        (resource.RLIMIT_AS, size + limits.memory + limits.file_size),  # files that are mapped count here
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NOFILE, limits.files),
    ):
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def allow_seconds(seconds: int) -> None:
    """Let this process use so many more seconds of processor time; then SIGXCPU ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = int(used.ru_utime + used.ru_stime) + 1 + seconds
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _only_files(readable: Sequence[Path], writable: Sequence[Path]) -> str:
    """Close the file system but for some folders, with Landlock. Return why that is not possible."""
    if platform.machine() not in DENIED:
        return f"no Landlock: the machine is {platform.machine()}"
    why = _landlock(WRITE, [(READ | EXECUTE, readable), (WRITE & ~EXECUTE, writable)])
    return f"no Landlock, so other files of this user can be read: {why}" if why else ""


def _landlock(handled: int, allowed: Sequence[tuple[int, Sequence[Path]]]) -> str:
    """Take the rights `handled` from this process but for some folders. Return why that is not possible, or nothing."""
    asked = struct.pack("<Q", handled)
    ruleset = _libc.syscall(444, asked, ctypes.c_size_t(len(asked)), 0)
    if why := _refused(ruleset):
        return why
    for rights, folders in allowed:
        for folder in folders:
            _allow(ruleset, rights, folder)
    refused = _refused(_libc.syscall(446, ruleset, 0))
    os.close(ruleset)
    return refused


def _allow(ruleset: int, rights: int, path: Path) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    rights = rights if path.is_dir() else rights & (FILE_ONLY | TRUNCATE)
    _libc.syscall(445, ruleset, 1, struct.pack("<Qi", rights, place), 0)
    os.close(place)


def _only_calls() -> str:
    """Deny the system calls of DENIED, with seccomp. Return why that is not possible."""
    machine = platform.machine()
    if machine not in DENIED:
        return f"no seccomp: the machine is {machine}"
    deny, kill, allow = 0x00050000 | errno.EPERM, 0x80000000, 0x7FFF0000
    load, equal, above, answer = 0x20, 0x15, 0x35, 0x06
    calls = sorted(DENIED[machine].values())
    program = [(load, 0, 0, 4), (equal, 1, 0, AUDIT[machine]), (answer, 0, 0, kill), (load, 0, 0, 0)]
    program += [(above, len(calls) + 1, 0, X32)]
    program += [(equal, len(calls) - at, 0, call) for at, call in enumerate(calls)]
    program += [(answer, 0, 0, allow), (answer, 0, 0, deny)]
    code = b"".join(struct.pack("<HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer))
    refused = _refused(_libc.syscall(CALL[machine], SET_FILTER, SPEC_ALLOW, head))
    return f"no seccomp: {refused}" if refused else ""


def code_folders() -> list[Path]:
    """Return where the interpreter, its libraries and Pileus lie; a child may read nothing else but its own folder."""
    here = Path(__file__).resolve().parent.parent
    installed = [path for path in sys.path if path.endswith(("/site-packages", "/dist-packages"))]
    variables = ("GDAL_DATA", "PROJ_DATA", "PROJ_LIB", "NUMBA_CACHE_DIR", "PILEUS_TASKS")
    named = [os.environ[name] for name in variables if name in os.environ]
    system = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom"]
    return [here, *map(Path, (sys.prefix, sys.base_prefix, *installed, *named, *system))]


def tried() -> list[str]:
    """Confine a process that ends at once. Return what could not be done."""
    out, into = os.pipe()
    here = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.write(into, json.dumps(confine(Limits(1 << 30), code_folders(), [], here)).encode())
        finally:
            os._exit(0)
    os.close(into)
    with os.fdopen(out) as file:
        text = file.read()
    os.waitpid(child, 0)
    return [str(why) for why in json.loads(text or '["a confined process cannot be started"]')]


if __name__ == "__main__":
    lacking = [why for why in (leave_network(), *tried()) if why]
    sys.stdout.write(json.dumps(lacking) + "\n")
