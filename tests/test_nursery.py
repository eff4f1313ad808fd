"""Warm kernels: nothing of one is seen by the next, and none can touch what is around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder import nursery
from autograder.launch import Ended, start_kernel
from autograder.limits import MIB, Limits
from autograder.nursery import (
    Nursery,
    NurseryError,
    drop_nursery,
    get_nursery,
    start_origin,
)
from autograder.sandbox import HOME, WORK, why_unavailable
from autograder.seccomp import REFUSED
from autograder.watch import ended

pytestmark = pytest.mark.skipif(bool(why_unavailable()), reason=why_unavailable() or "it works")
LIMITS = Limits(cell_seconds=20, preload=["torch", "numpy", "matplotlib.pyplot"])


@pytest.fixture(autouse=True, scope="module")
def end_nursery() -> Iterator[None]:
    yield
    drop_nursery()


def run(
    *cells: str,
    files: Mapping[str, bytes] | None = None,
    data: Path | None = None,
    limits: Limits = LIMITS,
) -> str:
    """Run code in a kernel of its own and return what it shows."""
    notebook = new_notebook(cells=[new_code_cell(dedent(source)) for source in cells])
    with (
        tempfile.TemporaryDirectory() as folder,
        start_kernel(notebook, files or {}, data, Path(folder), limits) as kernel,
    ):
        for number in range(len(cells)):
            kernel.run_cell(number, limits.cell_seconds)
    return "".join(
        output.get("text", "") + "\n".join(output.get("traceback", []))
        for cell in notebook.cells
        for output in cell.outputs
    )


# What a submission can leave, and how the next one would see it.
TRACES = {
    "files": (
        "open('x', 'w').write('1'); open('/tmp/home/x', 'w').write('1')\n"
        "open('/tmp/x', 'w').write('1'); open('/dev/shm/x', 'w').write('1')",
        "import glob\n"
        "print([*glob.glob('/tmp/work/*'), *glob.glob('/tmp/x'), *glob.glob('/dev/shm/*'),"
        " *glob.glob('/tmp/home/x')])",
    ),
    "environment": (
        "import os; os.environ['LEFT'] = '1'",
        "import os; print('LEFT' in os.environ)",
    ),
    "modules": (
        "import sys, types, torch; sys.modules['left'] = types.ModuleType('left')\n"
        "torch.left = 1; import wave; sys.path.append('/left')",
        "import sys, torch\n"
        "print({'left', 'wave'} & {*sys.modules}, hasattr(torch, 'left'), '/left' in sys.path)",
    ),
    "random numbers": (
        "import random, numpy, torch; random.random(); numpy.random.rand(); torch.rand(1)",
        "import random, numpy, torch; print(random.random(), numpy.random.rand(), torch.rand(1))",
    ),
    "settings": (
        "import torch, matplotlib.pyplot as plt\n"
        "plt.rcParams['lines.linewidth'] = 77; plt.figure()\n"
        "torch.set_default_dtype(torch.float64); torch.set_num_threads(3)",
        "import torch, matplotlib.pyplot as plt; print(plt.rcParams['lines.linewidth'],"
        " plt.get_fignums(), torch.get_default_dtype(), torch.get_num_threads())",
    ),
    "processes": (
        "import os, time\n"
        "if (child := os.fork()) == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(60)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)",
        "import glob\n"
        "lines = [open(path, 'rb').read() for path in glob.glob('/proc/[0-9]*/cmdline')]\n"
        "print(sum(b'fork_server' in line for line in lines))",
    ),
    "sockets": (
        "import socket, subprocess, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.bind('\\0left'); s.listen()",
        "import socket; t = socket.socket(socket.AF_UNIX); print(t.connect_ex('\\0left'))",
    ),
    "ports": (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 5555))\n"
        "socket.create_connection(('127.0.0.1', 5555)).close(); server.accept()[0].close()",
        "import socket\n"
        "s = socket.socket(); print(s.connect_ex(('127.0.0.1', 5555)))\n"
        "try: s = socket.socket(); s.bind(('127.0.0.1', 5555)); print('free')\n"
        "except OSError as error: print(error)\n"
        "print(open('/proc/net/dev').read())",
    ),
    "terminals": (
        "import os; os.chmod('/devices/pts', 0)",
        "import os\ntry: print(len(os.openpty()))\nexcept OSError as error: print(error)",
    ),
    "open files": (
        "import fcntl, os; fcntl.flock(0, fcntl.LOCK_EX)\n"
        "fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_APPEND)",
        "import fcntl, os; print(fcntl.fcntl(0, fcntl.F_GETFL))\n"
        "for name in ('null', 'zero'):\n"
        "    fcntl.flock(os.open(f'/dev/{name}', os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)",
    ),
}


@pytest.mark.parametrize(("leave", "look"), TRACES.values(), ids=TRACES)
def test_nothing_of_one_submission_is_seen_by_the_next(leave: str, look: str) -> None:
    """What the next one sees in the same nursery is what a first one would have seen."""
    first = run(look)
    server = get_nursery(None, LIMITS.preload)
    assert run(leave, look) != first
    assert run(look) == first
    assert get_nursery(None, LIMITS.preload) is server


def test_a_kernel_starts_in_a_moment() -> None:
    run("1")
    started = time.monotonic()
    run("import torch, numpy, matplotlib.pyplot")
    assert time.monotonic() - started < 6  # to import them takes longer, on a busy machine too


def test_a_kernel_has_no_rights_and_sees_no_process_around_it() -> None:
    """It is alone with the process that waits for it, which it cannot read."""
    shown = run(
        """
        import ctypes, glob, os
        status = open("/proc/self/status").read()
        print("rights", [line for line in status.splitlines() if line.startswith("Cap")
              and line.split()[1].strip("0") and not line.startswith("CapBnd")])
        libc = ctypes.CDLL(None)
        for flag in (0x10000000, 0x00020000, 0x20000000):
            print("unshare", libc.unshare(flag))
        print("mount", libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None))
        print("umount", libc.umount2(b"/tmp", 2))
        readable = []
        for path in glob.glob("/proc/[0-9]*"):
            try:
                open(f"{path}/mem", "rb").close()
                readable.append(os.path.basename(path))
            except OSError:
                pass
        print("mine", readable == [os.path.basename(os.readlink("/proc/self"))])
        print("files", os.listdir())
        for target in (1, -1):
            try:
                os.kill(target, 9)
            except OSError as error:
                print("kill", type(error).__name__)
        """
    )
    assert "rights []\n" in shown
    assert shown.count("unshare -1\n") == 3
    assert "mount -1\n" in shown
    assert "umount -1\n" in shown
    assert "mine True\n" in shown
    assert "files []\n" in shown


def test_calls_that_nothing_else_bounds_are_refused() -> None:
    shown = run(
        """
        import ctypes, os
        from autograder.seccomp import MACHINES, REFUSED
        libc = ctypes.CDLL(None, use_errno=True)
        for name, numbers in REFUSED.items():
            libc.syscall(numbers[MACHINES[os.uname().machine][0]], 0, 0, 0, 0, 0)
            print(name, os.strerror(ctypes.get_errno()))
        print(os.getpid() > 0, libc.syscall(0x40000000 + 39), len(open("/proc/keys").read()))
        """
    )
    *refused, last = shown.splitlines()
    assert len(refused) == len(REFUSED)
    assert all(line.endswith("Function not implemented") for line in refused)
    assert last == "True -1 0"


def test_devices_of_the_host_cannot_be_changed() -> None:
    shown = run(
        """
        import os
        for name in ("null", "zero", "full", "random", "urandom", "tty"):
            for change in (lambda: os.chmod(f"/devices/{name}", 0o666),
                           lambda: os.utime(f"/devices/{name}")):
                try:
                    change()
                except OSError as error:
                    print("refused")
        print(open("/dev/null", "w").write("x"), len(open("/dev/zero", "rb").read(3)))
        """
    )
    assert shown == "refused\n" * 12 + "1 3\n"


def test_files_data_and_limits_reach_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("1,2")
    limits = Limits(disk_bytes=5 * MIB, preload=[])
    shown = run(
        """
        import os
        print(os.getcwd(), open("sub/own.txt").read(), open("data/values.csv").read())
        open("sub/own.txt", "a").write("more")
        for path in ("data/new", "/grader/data/new", "/grader/autograder/kernel.py"):
            try:
                open(path, "a")
            except OSError as error:
                print(error.strerror)
        try:
            open("large", "wb").write(bytes(6 * 2**20))
        except OSError as error:
            print(error.strerror)
        """,
        files={"sub/own.txt": b"mine"},
        data=tmp_path,
        limits=limits,
    )
    lines = shown.splitlines()
    assert lines[:4] == [f"{WORK} mine 1,2", *["Read-only file system"] * 3]
    assert lines[4] in ("File too large", "No space left on device")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os._exit(3)", "the Python process ended"),
        ("import os; os.abort()", "the Python process ended by SIGABRT"),
        ("import ctypes; ctypes.string_at(0)", "the Python process ended by SIGSEGV"),
        ("x = b'x' * (700 * 2**20); import time; time.sleep(9)", "more than 600 MiB of memory"),
        ("while True: pass", "more than 5 s of processor time"),
    ],
)
def test_a_kernel_that_ends_says_why(code: str, reason: str) -> None:
    limits = Limits(memory_bytes=600 * MIB, cpu_seconds=5, preload=LIMITS.preload)
    with pytest.raises(Ended, match=f"^{reason}$"):
        run(code, limits=limits)
    assert run("print(1)") == "1\n"


def test_a_nursery_that_died_is_replaced() -> None:
    run("1")
    server = get_nursery(None, LIMITS.preload)
    os.kill(server._process.pid, signal.SIGKILL)
    assert run("print(1)") == "1\n"
    assert get_nursery(None, LIMITS.preload) is not server


def test_a_nursery_that_misbehaves_is_replaced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run("1")
    server = get_nursery(None, LIMITS.preload)
    server._control.close()
    assert run("print(1)") == "1\n"
    assert get_nursery(None, LIMITS.preload) is not server

    def fail(*args: object) -> None:
        raise NurseryError("no luck")

    monkeypatch.setattr(Nursery, "fork", fail)
    with pytest.raises(NurseryError, match="no luck"):
        run("print(1)")


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nursery]:
    """A nursery whose twins all others of this process are, as it is in forked workers."""
    drop_nursery()
    monkeypatch.setattr(nursery, "_origin", None)
    start_origin(None, LIMITS.preload)
    assert nursery._origin
    nursery._origin.wait()
    yield nursery._origin
    drop_nursery()
    nursery._origin.close()


def test_kernels_of_twins_do_not_see_each_other(
    origin: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = f"""
        import glob, os
        print(len(glob.glob("/proc/[0-9]*/mem")), os.listdir(), os.listdir("{HOME}"))
        open("x", "w").close(); open("{HOME}/x", "w").close(); open("/dev/shm/x", "w").close()
        """
    first = run(look)
    notebook = new_notebook(cells=[new_code_cell(dedent(look))])
    with (
        tempfile.TemporaryDirectory() as folder,
        start_kernel(notebook, {}, None, Path(folder), LIMITS) as kernel,
    ):
        kernel.run_cell(0, LIMITS.cell_seconds)
        assert notebook.cells[0].outputs[0].text == first
        twin = get_nursery(None, LIMITS.preload)
        with monkeypatch.context() as as_in_another_worker:
            as_in_another_worker.setattr(nursery._of_thread, "nursery", None)
            assert run(look) == run(look) == first
            assert get_nursery(None, LIMITS.preload) is not twin
            drop_nursery()
        assert kernel.is_alive()
    assert get_nursery(None, LIMITS.preload) is twin
    assert origin.is_alive()


def test_a_twin_that_is_lost_ends_its_kernel_and_no_other(origin: Nursery) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        start_kernel(new_notebook(), {}, None, Path(folder), LIMITS) as kernel,
    ):
        twin = get_nursery(None, LIMITS.preload)
        assert twin is not origin
        assert twin._process is None
        assert twin._pidfd
        signal.pidfd_send_signal(twin._pidfd, signal.SIGKILL)
        assert ended(kernel.process._pidfd, 5)
        assert not kernel.is_alive()
    assert origin.is_alive()
    assert run("print(1)") == "1\n"
    assert not get_nursery(None, LIMITS.preload)._process  # another twin
    assert origin._process
    origin._process.kill()
    assert run("print(1)") == "1\n"
    assert get_nursery(None, LIMITS.preload)._process  # the twins have ended, too


def test_a_module_that_is_not_installed_is_no_problem() -> None:
    assert run("print(1)", limits=Limits(preload=["no_such_module"])) == "1\n"


def test_what_is_mounted_in_the_folder_to_write_to_is_not_looked_into(tmp_path: Path) -> None:
    """A whole Python may lie there: to walk through it takes longer than a submission."""
    code = """
        import sys
        from pathlib import Path
        from autograder import fork_server
        folder = fork_server.WRITABLE = sys.argv[1]
        for name in ["mounted", "own"]:
            Path(folder, name).mkdir()
            Path(folder, name, "link").symlink_to("somewhere")
        Path(folder, "link").symlink_to("mounted")
        table = [f"1 2 8:1 / {place} rw" for place in ("/", folder, f"{folder}/mounted")]
        Path.read_text = lambda path: "\\n".join(table)
        print(*sorted(str(path.relative_to(folder)) for path in fork_server._find_kept()))
    """
    command = [sys.executable, "-c", dedent(code), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "link mounted own/link\n"
