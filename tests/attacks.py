"""A class of attackers, graded by the real grader in a process of its own, and what became of it.

Run as a script (`python attacks.py ORDER`), this is the process that grades.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.grade import grade
from autograder.job import Result
from autograder.limits import MIB, Limits
from autograder.notebook import fill_in, from_bytes, read_notebook, to_bytes
from autograder.pool import LocalPool

CHAPTER = "01_attacked"
MAX_WORKER_BYTES = 1500 * MIB  # of a grader's process: torch itself takes 400
# What attackers look for begins with this; it stands nowhere as one word in their code.
SECRET = "kept-secret-"
SECRETS = ["solution", "test", "text", "home", "scratch", "environment", "classmate", "gradebook"]

ATTACKED = f'''\
# %% [markdown]
# # Attacked
#
# Four questions, 10 points.

# %% nbgrader={{"grade_id": "setup", "locked": true}}
import torch

SETUP_LIST = [1, 2, 3]


def check(got, want):
    assert isinstance(got, torch.Tensor), f"got {{type(got).__name__}}, expected a tensor"
    assert got.shape == want.shape, f"got shape {{got.shape}}, expected {{want.shape}}"
    torch.testing.assert_close(got, want)

# %% [markdown]
# ## 1. Double

# %% nbgrader={{"grade_id": "double", "solution": true}}
def double(x):
    ### BEGIN SOLUTION
    return 2 * x  # {SECRET}solution
    ### END SOLUTION

# %% nbgrader={{"grade_id": "double-values", "grade": true, "points": 2}}
assert double(2) == 4
### BEGIN HIDDEN TESTS
hidden_factor = 2  # {SECRET}test
assert double(21) == 21 * hidden_factor and "{SECRET}text"
### END HIDDEN TESTS

# %% [markdown]
# ## 2. Rectify

# %% nbgrader={{"grade_id": "rectify", "solution": true}}
def rectify(x):
    ### BEGIN SOLUTION
    return x.clamp(min=0)
    ### END SOLUTION

# %% nbgrader={{"grade_id": "rectify-values", "grade": true, "points": 3}}
check(rectify(torch.tensor([-1.0, 2.0])), torch.tensor([0.0, 2.0]))
### BEGIN HIDDEN TESTS
x = torch.randn(1000, 200)
before, want = x.clone(), torch.relu(x)
got = rectify(x)
assert torch.equal(x, before), "the argument was changed"
assert torch.equal(got, want)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Shares

# %% nbgrader={{"grade_id": "shares", "solution": true}}
def shares(x):
    ### BEGIN SOLUTION
    return torch.softmax(x, dim=1)
    ### END SOLUTION

# %% nbgrader={{"grade_id": "shares-values", "grade": true, "points": 2}}
third = torch.full((2, 3), 1 / 3)
torch.testing.assert_close(shares(torch.zeros(2, 3)), third)
### BEGIN HIDDEN TESTS
x = torch.randn(5, 4)
want = torch.softmax(x, dim=1)
got = shares(x)
assert got.shape == (5, 4) and torch.allclose(got, want)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. Root

# %% nbgrader={{"grade_id": "root", "solution": true}}
def root(x):
    ### BEGIN SOLUTION
    return x ** 0.5
    ### END SOLUTION

# %% nbgrader={{"grade_id": "root-values", "grade": true, "points": 3}}
assert abs(root(4.0) - 2.0) < 1e-6
### BEGIN HIDDEN TESTS
numbers = torch.rand(5).tolist()
for number, y in zip(numbers, map(root, numbers)):
    assert abs(y * y - number) < 1e-6
### END HIDDEN TESTS
'''
RIGHT = {
    "double": "def double(x):\n    return x + x",
    "rectify": "def rectify(x):\n    return torch.maximum(x, torch.zeros_like(x))",
    "shares": "def shares(x):\n    e = torch.exp(x)\n    return e / e.sum(1, keepdim=True)",
    "root": "import math\n\ndef root(x):\n    return math.sqrt(x)",
}
WRONG = {
    "double": "def double(x):\n    return -1",
    "rectify": "def rectify(x):\n    return -torch.ones_like(x)",
    "shares": "def shares(x):\n    return -torch.ones_like(x)",
    "root": "def root(x):\n    return -1.0",
}
POINTS = {"double": 2.0, "rectify": 3.0, "shares": 2.0, "root": 3.0}


@dataclass(frozen=True)
class Case:
    """One submission, and what must become of it. Answers are wrong unless told otherwise."""

    answers: Mapping[str, str] = field(default_factory=dict)
    first: str = ""  # code of a cell before all others
    points: float | None = 0  # None: any number up to `most`
    most: float = 10
    seconds: float = 60  # that it may take, all in all
    status: str | None = "graded"  # None: any that is no failure of the grader
    says: tuple[str, ...] = ()  # patterns that are found among the reasons
    files: Mapping[str, bytes] = field(default_factory=dict)  # beside the notebook
    edit: Callable[[NotebookNode], None] | None = None  # of the notebook itself
    link: str = ""  # the notebook is a link to this, seen from submitted/
    shows: str = ""  # what the executed notebook must hold


def right(points: float | None = 10, **options: Any) -> Case:
    """A case with right answers, some of which `answers` replaces."""
    answers = {**RIGHT, **options.pop("answers", {})}
    return Case(answers, points=points, **options)


HONEST = right(answers={"double": f"def double(x):\n    return x + x  # {SECRET}classmate"})


@dataclass
class Graded:
    """What became of a class."""

    results: dict[str, dict[str, Any]]
    notebooks: dict[str, str]  # executed, without the cells of tests
    seconds: float
    failures: list[str]  # what is wrong with the class as a whole
    worker_bytes: int  # the most memory that one process of the grader had


def make_course(root: Path) -> Course:
    """Build the course of one chapter in `root`."""
    from conftest import ROOT

    from autograder.build import build
    from autograder.course import CONFIG_NAME

    for folder in ["notebooks", "source", "submitted"]:
        (root / folder).mkdir(parents=True)
    shutil.copy(ROOT / CONFIG_NAME, root)
    (root / "source" / f"{CHAPTER}.py").write_text(ATTACKED, encoding="utf-8")
    build(Course(root))
    return Course(root)


def hand_in(course: Course, student: str, case: Case) -> None:
    """Write the submission of `case`."""
    release = read_notebook(course.root / "release" / CHAPTER / f"{CHAPTER}.ipynb")
    notebook = from_bytes(fill_in(release, {**WRONG, **case.answers}))
    if case.first:
        notebook.cells.insert(0, new_code_cell(case.first))
    if case.edit:
        case.edit(notebook)
    folder = course.root / "submitted" / student / CHAPTER
    # Not by nbformat, which would put right what is odd.
    files = {f"{CHAPTER}.ipynb": json.dumps(notebook).encode(), **case.files}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if case.link:
        (folder / f"{CHAPTER}.ipynb").unlink()
        (folder / f"{CHAPTER}.ipynb").symlink_to(course.root / case.link)


def grade_class(
    folder: Path,
    cases: Mapping[str, Case],
    limits: Mapping[str, float],
    *,
    jobs: int = 2,
    seconds: float = 400,
) -> Graded:
    """Grade `cases` beside honest classmates; all failures of the class are collected.

    A path or an address in the code of an attack is written as {NAME}, like `{course}`, `{port}`.
    """
    course = make_course(folder / "course")
    home = folder / "home"
    home.mkdir()
    (home / "canary.txt").write_text(f"{SECRET}home")
    everyone = {**cases, "zzz-honest": HONEST}
    if len(cases) > 5:  # else one is enough
        everyone = {"aaa-honest": HONEST, **everyone}
    with ExitStack() as stack:
        # A short path: the names of sockets in it may not be long.
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attacked-")))
        (scratch / "canary.txt").write_text(f"{SECRET}scratch")
        listeners = stack.enter_context(_Listeners(scratch))
        words = {
            "course": str(course.root), "home": str(home), "scratch": str(scratch),
            "port": str(listeners.port), "udp": str(listeners.udp_port),
            "abstract": listeners.abstract, "grader": str(os.getpid()),
        }  # fmt: skip
        for student, case in everyone.items():
            hand_in(course, student, _spell(case, words))
        with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
            gradebook.add_student("zzz-honest", first_name=f"{SECRET}gradebook")
        before = _digests(course.root), _digests(home), (scratch / "canary.txt").read_bytes()
        ran, watch = _grade(course, home, scratch, limits, jobs, seconds)
        failures = [*ran.pop("failures"), *(f"a connection to {n}" for n in listeners.reached)]
        after = _digests(course.root), _digests(home), (scratch / "canary.txt").read_bytes()
        changed = {
            n for a, b in zip(before[:2], after[:2], strict=True) for n in a.keys() ^ b.keys()
        }
        changed |= {
            n for a, b in zip(before[:2], after[:2], strict=True) for n in a if a[n] != b.get(n)
        }
        failures += [f"changed: {name}" for name in sorted(changed)]
        if before[2] != after[2]:
            failures.append("the canary in the temporary folder changed")
        left = sorted(p.name for p in scratch.iterdir() if p.name.startswith("grading-"))
        failures += [f"left behind: {name}" for name in left]
    notebooks = {student: _shown(course, student) for student in everyone}
    graded = Graded(
        ran.get("results", {}), notebooks, ran.get("seconds", 0.0), failures, watch.peak
    )
    graded.failures += _compare(graded, everyone)
    return graded


def grade_again(
    root: Path, cases: Mapping[str, Case], limits: Mapping[str, float]
) -> tuple[Course, dict[str, Any]]:
    """Hand in `cases` in a course that was graded before, and grade it once more."""
    course = Course(root)
    for student, case in cases.items():
        hand_in(course, student, case)
    from conftest import grade_all

    results = grade_all(course, CHAPTER, limits=Limits(**limits))
    return course, {r.student: {**asdict(r), "points": r.points} for r in results.values()}


def _spell(case: Case, words: Mapping[str, str]) -> Case:
    def fill(code: str) -> str:
        for name, value in words.items():
            code = code.replace(f"{{{name}}}", value)
        return code

    return Case(**{
        **{name: getattr(case, name) for name in case.__dataclass_fields__},
        "answers": {name: fill(code) for name, code in case.answers.items()},
        "first": fill(case.first),
    })  # fmt: skip


def _compare(graded: Graded, everyone: Mapping[str, Case]) -> list[str]:
    """Return what is not as the cases say."""
    failures = []
    for student, case in everyone.items():
        result = graded.results.get(student)
        if result is None:
            failures.append(f"{student}: no result")
            continue
        verdicts = result["verdicts"]
        reasons = "\n".join([result["reason"], *(v["reason"] for v in verdicts.values())])
        earned = {name: v["points"] for name, v in verdicts.items()}
        if not result["status"] or case.status not in (None, result["status"]):
            failures.append(f"{student}: {result['status']}, not {case.status}; {reasons:.600}")
        elif case.points is not None and result["points"] != case.points:
            failures.append(f"{student}: {earned}, not {case.points} points; {reasons:.600}")
        elif result["points"] > case.most:
            failures.append(f"{student}: {earned} are more than {case.most} points")
        elif result["seconds"] > case.seconds:
            failures.append(f"{student}: took {result['seconds']} s")
        elif missing := [words for words in case.says if not re.search(words, reasons)]:
            failures.append(f"{student}: {missing} are not in {reasons!r:.600}")
        elif case.shows not in graded.notebooks[student]:
            failures.append(f"{student}: does not show {case.shows!r}")
        told = [word for word in SECRETS if SECRET + word in graded.notebooks[student]]
        if set(told) - {"classmate"} or (told and SECRET not in "".join(case.answers.values())):
            failures.append(f"{student}: could read {told}")
    return failures


def _shown(course: Course, student: str) -> str:
    """Return the executed notebook without the sources of our tests."""
    path = course.root / "autograded" / student / CHAPTER / f"{CHAPTER}.ipynb"
    if not path.is_file():
        return ""
    notebook = read_notebook(path)
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = ""
    return to_bytes(notebook).decode()


def _digests(folder: Path) -> dict[str, str]:
    """Return what lies below `folder`, apart from what grading writes: path -> digest."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
        if not {"autograded", "gradebook.db"} & set(path.relative_to(folder).parts[:1])
    }


class _Listeners:
    """Sockets on which nobody may call."""

    def __init__(self, scratch: Path) -> None:
        self.reached: list[str] = []
        self.abstract = f"attacked-{uuid.uuid4().hex}"
        self._scratch, self._closed = scratch, threading.Event()
        self._sockets: dict[str, socket.socket] = {}

    def __enter__(self) -> _Listeners:
        tcp = self._sockets["TCP"] = socket.create_server(("127.0.0.1", 0))
        udp = self._sockets["UDP"] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        for name, address in [
            ("unix", str(self._scratch / "s")),
            ("abstract", "\0" + self.abstract),
        ]:
            self._sockets[name] = socket.socket(socket.AF_UNIX)
            self._sockets[name].bind(address)
            self._sockets[name].listen()
        self.port, self.udp_port = tcp.getsockname()[1], udp.getsockname()[1]
        for name, listener in self._sockets.items():
            listener.settimeout(0.2)
            threading.Thread(target=self._listen, args=(name, listener), daemon=True).start()
        return self

    def _listen(self, name: str, listener: socket.socket) -> None:
        while not self._closed.is_set():
            with suppress(TimeoutError, OSError):
                if name == "UDP":
                    listener.recv(1)
                else:
                    listener.accept()[0].close()
                self.reached.append(name)

    def __exit__(self, *args: object) -> None:
        time.sleep(0.3)
        self._closed.set()
        for listener in self._sockets.values():
            listener.close()


class _Watch(threading.Thread):
    """Watches how much memory the grader's own processes have, until it is stopped."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session, self.peak, self.ended = session, 0, threading.Event()
        self.large: list[tuple[float, int]] = []  # when there was too much, and how much

    def run(self) -> None:
        """Look every tenth of a second; too much memory ends the grader before the machine."""
        while not self.ended.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/stat"):
                with suppress(OSError, IndexError, ValueError):
                    values = path.read_text(errors="replace").rpartition(")")[2].split()
                    if int(values[3]) != self.session:
                        continue
                    size = int(values[21]) * os.sysconf("SC_PAGE_SIZE")
                    self.peak = max(self.peak, size)
                    if size > MAX_WORKER_BYTES:
                        self.large.append((time.time(), size))
                    if size > 4 * MAX_WORKER_BYTES:
                        os.kill(int(path.parent.name), signal.SIGKILL)


def _grade(
    course: Course,
    home: Path,
    scratch: Path,
    limits: Mapping[str, float],
    jobs: int,
    seconds: float,
) -> tuple[dict[str, Any], _Watch]:
    """Grade in a process of its own; return what it wrote, and what became of the machine."""
    order = {"root": str(course.root), "limits": dict(limits), "jobs": jobs}
    with (scratch / "errors").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(order)],
            cwd=course.root, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=errors,
            env={**os.environ, "HOME": str(home), "TMPDIR": str(scratch),
                 "GRADER_TOKEN": f"{SECRET}environment"},
        )  # fmt: skip
    watch = _Watch(process.pid)
    watch.start()
    failures = []
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        failures.append(f"grading the class took more than {seconds:g} s")
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
    watch.ended.set()
    time.sleep(0.3)
    left = processes_with(scratch.name)
    failures += [f"process left: {line}" for line in left.values()]
    for number in left:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    if process.returncode:
        said = (scratch / "errors").read_text(errors="replace").strip()[-1500:]
        failures.append(f"the grader ended with {process.returncode}: {said}")
        return {"failures": failures}, watch
    ran = json.loads(output.splitlines()[-1])
    blame: dict[str, int] = {}
    for when, size in watch.large:
        names = [n for n, (start, end) in ran["spans"].items() if start <= when <= end + 1]
        key = " and ".join(names)
        blame[key] = max(size, blame.get(key, 0))
    for names_, size in blame.items():
        failures.append(f"a process of the grader had {size / MIB:.0f} MiB of memory: {names_}")
    return {"failures": failures, **ran}, watch


def processes_with(mark: str) -> dict[int, str]:
    """Return the processes that have `mark` in their command line or in one of their mounts."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if mark in line or mark in (path / "mountinfo").read_text(errors="replace"):
                found[int(path.name)] = line
    return found


def main() -> None:
    """Grade a class as the order on the command line says; print what became of it."""
    order = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    started = time.time()
    spans, rows = {}, {}

    def done(result: Result) -> None:
        now = time.time()
        rows[result.student] = {**asdict(result), "points": result.points}
        spans[result.student] = (now - (result.seconds or now - started), now)

    limits = Limits(**order["limits"])
    with LocalPool(order["jobs"]) as pool:
        grade(Course(Path(order["root"])), CHAPTER, pool, done, limits=limits)
    seconds = round(time.time() - started, 1)
    print(json.dumps({"results": rows, "seconds": seconds, "spans": spans}))


if __name__ == "__main__":
    main()
