"""Forks warm kernels, within the walls of a nursery: `fork_server.py SOCKET DATA MODULES`.

It imports once what takes long, and then forks at each order of the grader's: a kernel, or a twin
of itself for another worker. A kernel gets walls of its own: a process id namespace, so that all of
its processes end together; a mount namespace with a new, empty folder to write to; its own shared
memory. A process of ours stands before it: the first one behind these walls, which finishes them,
waits for the kernel and tells the grader how it ended.

Here is the right to put up walls (CAP_SYS_ADMIN within the nursery's own namespaces). It is given
up for good before any code of a student's runs, and no user namespace that would bring it back can
be made. The server and the processes before a kernel cannot be traced or read by it.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import resource
import signal
import socket
import struct
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

# Beside this file lies the package; nothing else of the grader's machine is needed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
gc.disable()  # while so much is imported that stays

from autograder import kernel  # noqa: E402
from autograder.sandbox import ALL_DEVICES, HOME, SHARED_MEMORY, STAGE, WORK  # noqa: E402
from autograder.seccomp import refuse_calls  # noqa: E402
from autograder.watch import WRITABLE  # noqa: E402

# From unistd.h, sched.h, mount.h, prctl.h and capability.h of Linux.
SYS_CLONE3 = 435
WITH_NAMESPACES = 0x00020000 | 0x08000000 | 0x20000000 | 0x40000000  # mount, IPC, PID, network
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC = 1, 2, 4, 8, 4096, 16384
MS_REMOUNT = 32
MNT_DETACH = 2
PTS_OPTIONS = "newinstance,ptmxmode=0666,mode=620"
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
CAPABILITY_VERSION_3 = 0x20080522
MAX_DESCRIPTORS = 8
# What ipykernel imports when it starts.
WITH_EVERY_KERNEL = ["IPython.core.completerlib", "IPython.core.oinspect", "numpy.random"]
WITH_EVERY_KERNEL += ["IPython.extensions.storemagic", "tornado.platform.asyncio", "tornado.queues"]
WITH_EVERY_KERNEL += ["IPython.core.debugger", "torch.utils._device"]

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Import what is named on the command line, then fork a kernel for each order."""
    control = socket.socket(fileno=int(sys.argv[1]))
    data, modules = sys.argv[2], sys.argv[3:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # else a kernel could so end what is before it
    for name in [*modules, *WITH_EVERY_KERNEL]:
        with suppress(ImportError):  # then a student cannot use it either
            import_module(name)
    kept = _find_kept()
    gc.freeze()  # what is here stays: no kernel shall touch, and so copy, these pages
    gc.enable()
    _call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        control.send(b"one of the modules of c.Limits.preload starts threads: leave it out")
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes before kernels
    control.send(b"ready")
    while True:
        order, descriptors, _, _ = socket.recv_fds(control, 100, MAX_DESCRIPTORS)
        if not order:  # the grader is gone
            return
        if order == b"twin":
            if not os.fork():  # it goes on here, for another worker of the grader
                control.close()
                control = socket.socket(fileno=descriptors.pop())
                control.send(b"ready")
        elif not _fork_behind_walls():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            _leave(_init, data, kept, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _leave(run: Any, *args: Any) -> None:
    """End this process with what `run` returns: nothing of the server's goes on in it."""
    code = 1
    try:
        code = run(*args)
    finally:
        os._exit(code)


def _fork_behind_walls() -> int:
    """Fork a process into new namespaces, as `os.fork` does into those that are there.

    To leave the old ones before, in a process between, would take one more copy of torch's pages.
    """
    python = ctypes.PyDLL(None, use_errno=True)  # keeps the interpreter's lock, unlike `libc`
    arguments = (ctypes.c_uint64 * 8)(WITH_NAMESPACES, 0, 0, 0, signal.SIGCHLD)
    python.PyOS_BeforeFork()
    child = int(python.syscall(SYS_CLONE3, arguments, ctypes.sizeof(arguments)))
    if child:
        python.PyOS_AfterFork_Parent()
    else:
        python.PyOS_AfterFork_Child()
    if child < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"clone3: {os.strerror(number)}")
    return child


def _init(data: str, kept: list[Path], descriptors: list[int]) -> int:
    """Be the first process behind the walls: finish them, start the kernel, wait for its end."""
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # nothing outlives the nursery
    grader = socket.socket(fileno=descriptors[0])
    with grader.makefile("rb") as stream:
        settings = json.loads(stream.read(int.from_bytes(stream.read(8), "big")))
        _put_up_walls(data, kept, settings["disk_bytes"])
        _give_up_rights()
        refuse_calls()
        _write_files(stream, settings["files"])
    os.chdir(WORK)
    settings["sockets"] = dict(zip(settings["sockets"], descriptors[1:], strict=True))
    child = os.fork()
    if not child:
        grader.close()
        _leave(_run_kernel, settings)
    for descriptor in descriptors[1:]:
        os.close(descriptor)
    grader.send(b"+")
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            grader.send(bytes([code if code >= 0 else 128 - code]))
            return 0


def _put_up_walls(data: str, kept: list[Path], size: int) -> None:
    _mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, f"size={size},mode=0755")
    for path in kept:
        staged = Path(STAGE, path.relative_to(WRITABLE))
        staged.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            staged.symlink_to(path.readlink())
        else:
            staged.mkdir() if path.is_dir() else staged.touch()
            _mount(str(path), str(staged), "", MS_BIND | MS_REC)
    _mount(STAGE, WRITABLE, "", MS_BIND | MS_REC)
    _call("umount2", STAGE.encode(), MNT_DETACH)
    for folder in (WORK, HOME, SHARED_MEMORY):
        Path(folder).mkdir()
    if data:
        Path(WORK, "data").mkdir()
        _mount(data, f"{WORK}/data", "", MS_BIND)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
    _mount("devpts", f"{ALL_DEVICES}/pts", "devpts", MS_NOSUID | MS_NOEXEC, PTS_OPTIONS)
    for device in Path(ALL_DEVICES).iterdir():
        # They are those of the host: their modes and times must not be changed, as root could.
        if device.is_char_device() and not device.is_symlink():
            _mount("", str(device), "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID)
    _hide_processes()
    for file in Path("/proc").iterdir():  # what only root may read, and the names of keys
        if file.name in ("keys", "key-users") or (file.is_file() and not file.stat().st_mode & 4):
            _mount(f"{ALL_DEVICES}/null", str(file), "", MS_BIND)


def _hide_processes() -> None:
    try:
        _mount("proc", "/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        # Linux refuses this where bubblewrap has covered parts of /proc, as it does for root.
        me = Path("/proc/self").readlink().name
        for process in Path("/proc").glob("[0-9]*"):
            if process.name != me:
                with suppress(FileNotFoundError):  # it has ended
                    _mount("tmpfs", str(process), "tmpfs", MS_RDONLY)


def _find_kept() -> list[Path]:
    """Return what is mounted in the folder to write to: a Python that lies there, with its links.

    To look into what is mounted would take longer than a whole submission.
    """
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    paths = [Path(line.split()[4].encode().decode("unicode_escape")) for line in lines]
    kept = [path for path in paths if path.is_relative_to(WRITABLE) and path != Path(WRITABLE)]
    mounted = set(kept)
    for folder, folders, files in os.walk(WRITABLE):
        here = [Path(folder, name) for name in [*folders, *files]]
        kept += [path for path in here if path.is_symlink()]
        folders[:] = [name for name in folders if Path(folder, name) not in mounted]
    return kept


def _give_up_rights() -> None:
    """Give up all capabilities: for good, because bubblewrap has set `no_new_privs`."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _write_files(stream: BinaryIO, files: list[tuple[str, int]]) -> None:
    for name, size in files:
        path = Path(WORK, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stream.read(size))


def _run_kernel(settings: dict[str, Any]) -> int:
    # Not those of the server: locks and flags of an open file are seen by all that share it.
    nowhere = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.setsid()  # an interrupt reaches what the kernel has started, and nothing before it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    for name, limits in settings["rlimits"].items():
        resource.setrlimit(getattr(resource, name), tuple(limits))
    settings["connection"] = f"{HOME}/connection.json"
    Path(settings["connection"]).write_text(settings["connect"])
    kernel.run(settings)
    return 0


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    texts = [text.encode() for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), options.encode())


def _call(name: str, *args: Any) -> None:
    """Call a function of the C library. Raises OSError."""
    if getattr(libc, name)(*args):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
