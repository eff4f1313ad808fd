"""The watch over what runs in a sandbox: all of it ends when it uses more than it may.

The limits of single processes are quicker; what they add up to is seen here.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from autograder.limits import Limits

WRITABLE = "/tmp"  # all that can be written to inside is one tmpfs, so that one size limits it
SECONDS_BETWEEN_LOOKS = 0.01
SECONDS_BETWEEN_SAMPLES = 0.1
SHARE_OF_A_CORE = 0.1  # that one watch may use, unless it would be blind for too long
MAX_PAUSE, MAX_COST = 1.0, 0.5  # seconds between two looks, and of processor time for one
THREADS_PER_PROCESS = 16
BYTES_PER_FILE = 2048  # the kernel's own memory for a file, which no size limit counts
ENDING_SECONDS = 10.0
HIDDEN = ("/memfd:", "/dev/zero", "/SYSV")  # memory that a process shares with others, as a file
LITTLE = 2**20  # bytes of such memory that may be new on this machine before it is searched for
SECONDS_BETWEEN_ALL = 1.0  # looks at everything


class Watch:
    """Watches the process `first` and all below it until it ends. All others die with it.

    `around` is a process that has to end too. Raises ProcessLookupError when one has ended.
    """

    def __init__(self, first: int, limits: Limits, around: int | None = None) -> None:
        self.stopped = ""  # what there was too much of, once everything was ended
        self.peak = 0  # most bytes of memory seen at a time; a page that two share counts twice
        self._limits = limits
        self._memory_before = _own_memory()  # of this process, which reads what is sent from inside
        self._lock = threading.Lock()
        self._running = [os.pidfd_open(first)]
        if around is not None:
            self._running.append(os.pidfd_open(around))
        watched = os.dup(self._running[0])
        threading.Thread(target=self._look, args=(first, watched), daemon=True).start()

    def kill(self) -> None:
        """End everything; return when no process is left."""
        with self._lock:  # who comes second waits, too
            for pidfd in self._running:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            for pidfd in self._running:
                # The kernel ends all others before it reports the end of the first process.
                ended(pidfd, ENDING_SECONDS)
                os.close(pidfd)
            self._running = []

    def _look(self, first: int, pidfd: int) -> None:
        """End everything when the processes below `first` use more than they may."""
        tasks, due, inside = 0, 0.0, _Inside(first)
        try:
            while not ended(pidfd, SECONDS_BETWEEN_LOOKS):
                # Reading all is dear, and a bomb of processes must be seen before it is big.
                if time.monotonic() < due and _tasks() < tasks + self._limits.processes:
                    continue
                started = time.thread_time()
                self.stopped = _excess(inside, self._limits, self._note) or self._excess_outside()
                if self.stopped:
                    self.kill()
                cost = time.thread_time() - started
                if cost > MAX_COST:
                    self.stopped = "memory in too many pieces"
                    self.kill()
                tasks = _tasks()
                pause = max(SECONDS_BETWEEN_SAMPLES, cost / SHARE_OF_A_CORE)
                due = time.monotonic() + min(pause, MAX_PAUSE)
        except Exception as error:  # nothing runs that nobody watches
            self.stopped = f"the watch over it failed ({error!r})"
            self.kill()
        finally:
            os.close(pidfd)

    def _note(self, memory_bytes: int) -> None:
        self.peak = max(self.peak, memory_bytes)

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


def processes(besides: Set[int] = frozenset()) -> dict[int, _Process]:
    """Return what the kernel says of all processes `besides` some; one file each has all of it."""
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    processes = {}
    for number in process_ids() - besides:
        with suppress(OSError):  # it is gone
            # The name of the program comes in parentheses and may hold anything.
            values = _read(f"/proc/{number}/stat").rpartition(b")")[2].split()
            processes[number] = _Process(
                parent=int(values[1]),
                threads=int(values[17]),
                cpu_seconds=sum(map(int, values[11:15])) / ticks,
                memory_bytes=int(values[21]) * page,
            )
    return processes


def process_ids() -> set[int]:
    """Return the numbers of all processes."""
    return {int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()}


def _read(path: str) -> bytes:
    """Return the start of a file of the kernel's; `pathlib` takes several times as long."""
    file = os.open(path, os.O_RDONLY)
    try:
        return os.read(file, 4096)
    finally:
        os.close(file)


def _own_memory() -> int:
    """Return the resident bytes of this process."""
    return int(_read("/proc/self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _tasks() -> int:
    """Return the number of threads on this machine."""
    return int(_read("/proc/loadavg").split()[3].split(b"/")[1])


def _shared_memory() -> int:
    """Return the bytes on this machine that processes share, or that are files in memory."""
    return next(
        int(line.split()[1]) * 1024
        for line in _read("/proc/meminfo").splitlines()
        if line.startswith(b"Shmem:")
    )


class _Inside:
    """What runs below the process `first`, which is looked at again and again.

    Once a second all of the machine is looked at, in between only what is new.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self._all_due = 0.0  # on the monotonic clock
        self._others: set[int] = set()  # processes elsewhere: none of them ever gets below
        self._hidden = self._shared = 0  # bytes, at the last search

    def look(self) -> tuple[float, dict[int, _Process], int]:
        """Return the processor time of `first`, all processes below, and their hidden bytes."""
        everything = time.monotonic() > self._all_due
        if everything:
            self._all_due = time.monotonic() + SECONDS_BETWEEN_ALL
            self._others = set()
        found = processes(self._others)
        children: dict[int, list[int]] = {}
        for number, process in found.items():
            children.setdefault(process.parent, []).append(number)
        below = _below([self.first], children)
        # One whose parent has just ended is of neither kind: the next look tells.
        others = {*_below([0, *self._others], children)} - {self.first, *below}
        # The number of one that has ended can be that of a new one, below.
        self._others = (self._others & process_ids()) | others
        shared = _shared_memory()
        self._shared = min(self._shared, shared)
        if everything or shared > self._shared + LITTLE:
            self._hidden, self._shared = _hidden(below), shared
        seconds = found[self.first].cpu_seconds if self.first in found else 0.0
        return seconds, {number: found[number] for number in below}, self._hidden


def _below(roots: Iterable[int], children: Mapping[int, Iterable[int]]) -> list[int]:
    """Return the children of `roots`, the children of these, and so on."""
    found = [child for root in roots for child in children.get(root, [])]
    for number in found:  # grows
        found += children.get(number, [])
    return found


def _excess(inside: _Inside, limits: Limits, note: Callable[[int], None]) -> str:
    """Return what the processes inside use too much of; "" for nothing."""
    seconds, found, hidden = inside.look()
    if len(found) > limits.processes:
        return f"more than {limits.processes} processes"
    if sum(process.threads for process in found.values()) > limits.processes * THREADS_PER_PROCESS:
        return f"more than {limits.processes * THREADS_PER_PROCESS} threads"
    if seconds + sum(process.cpu_seconds for process in found.values()) > limits.cpu_seconds:
        return f"more than {limits.cpu_seconds} s of processor time"
    if _files(inside.first) > limits.disk_bytes // BYTES_PER_FILE:
        return f"more than {limits.disk_bytes // BYTES_PER_FILE} files"
    memory = hidden + sum(process.memory_bytes for process in found.values())
    note(memory)
    if memory > limits.memory_bytes:  # maybe: they may share pages, and hide less than before
        memory = _hidden(found) + sum(map(_share, found))
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


def _hidden(numbers: Iterable[int]) -> int:
    """Return the bytes in files that exist in memory only, which may count for no process."""
    sizes: dict[int, int] = {}  # by inode: forked processes have the same ones
    for number in numbers:
        with suppress(OSError):
            maps = Path(f"/proc/{number}/maps").read_text(errors="replace")
            for line in maps.splitlines() if any(name in maps for name in HIDDEN) else []:
                if any(name in line for name in HIDDEN):
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


def ended(pidfd: int, seconds: float) -> bool:
    """Wait for the end of a process, at most `seconds`."""
    poll = select.poll()  # unlike select(), takes any number of a file descriptor
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def nice(size: int) -> str:
    """Return a size in words: 2 GiB, 300 MiB."""
    unit, name = (2**30, "GiB") if size >= 2**30 else (2**20, "MiB")
    return f"{size / unit:.4g} {name}"
