"""Submissions that attack the grader, break it, or look as if they did: the whole list.

Each group is one class, graded by the real grader in a process of its own, beside honest
classmates. Besides the marks, the statuses and the reasons of all of them, every group proves that
no process is left, that nothing outside the private folders changed, that nobody called on a
listening socket, that no secret stands in an executed notebook, and that the grader's own
processes stayed small.

Where each row of the list of bad submissions is tested:

=====================================================  ===========================================
marks it should not give                               test_no_marks_that_are_not_earned
what it must not be able to read or reach              test_nothing_is_read_or_reached
a copied grade cell, schema_version 99, cells retyped  test_submission.py; all at once in
or deleted, duplicate ids, R kernelspec, nbformat 3    test_odd_notebooks
os.kill(os.getppid(), 9)                               test_faults_cost_their_own_question
grading killed with SIGKILL                            test_grade.py: test_a_killed_run_continues
os._exit, segfault, endless loops, ignored interrupts  test_faults_cost_their_own_question
memory, processes, disk, output without bound          test_bombs_end_with_their_reason
many slow cells                                        test_a_budget_for_the_notebook_and_...
50 MB of stored outputs                                test_odd_notebooks
input(), accept(), deadlock, zeros(10**12), NaN, CUDA  test_faults_cost_their_own_question
a right answer that warns, prints, shows a bar         test_honest_students_lose_nothing
abs = 2, default dtype, shadowed names                 test_honest_students_lose_nothing
empty, truncated, non-UTF-8, deep, keyless JSON        test_submission.py, test_grade.py
renamed, missing, extra notebooks                      test_submission.py, test_grade.py
a second submission that is worse, or dies             test_grade.py, ..._a_second_submission
two grading runs at once                               test_two_runs_at_once
student id =1+1                                        test_odd_notebooks
=====================================================  ===========================================
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from attacks import (
    CHAPTER,
    RIGHT,
    Case,
    Graded,
    grade_again,
    grade_class,
    hand_in,
    make_course,
    right,
)
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from nbgrader.api import Gradebook

from autograder.limits import MIB
from autograder.sandbox import why_unavailable

pytestmark = pytest.mark.skipif(bool(why_unavailable()), reason=why_unavailable() or "it works")
SMALL = {
    "cell_seconds": 8, "call_seconds": 3, "notebook_seconds": 60, "memory_bytes": 700 * MIB,
    "disk_bytes": 50 * MIB, "processes": 16, "cell_output_bytes": 20_000,
    "notebook_output_bytes": 100_000, "crossing_bytes": 64 * MIB,
}  # fmt: skip
LARGE = {"cell_seconds": 30, "call_seconds": 25, "notebook_seconds": 120}


def check(graded: Graded) -> None:
    """Report all that went wrong, by name."""
    assert not graded.failures, "\n".join(["", *graded.failures])


def bad_root(body: str, head: str = "") -> dict[str, str]:
    """An answer to the last question; the others are right."""
    body = "\n".join(f"    {line}" for line in dedent(body).strip().splitlines())
    return {"root": f"{dedent(head).strip()}\n\ndef root(x):\n{body}"}


# Marks it should not give


def skip_tags(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        cell.metadata["tags"] = ["skip-execution"]


ALWAYS_EQUAL = """
    class Yes:
        __hash__ = None
        def __eq__(self, other): return True
        def __lt__(self, other): return True
        def __bool__(self): return True
        def __getattr__(self, name): return self
        def __call__(self, *args, **options): return self
        def __sub__(self, other): return self
        def __mul__(self, other): return self
        def __abs__(self): return self
        def __float__(self): return 0.0
        def __iter__(self): return iter([])
"""
ALL_YES = {name: f"def {name}(x):\n    return Yes()" for name in RIGHT}
SHADOWS = """\
for name in ["check", "torch", "SETUP_LIST", "before", "want", "got", "third", "numbers", "zip",
             "hidden_factor", "assert_close", "isinstance", "abs", "map", "__builtins__"]:
    globals()[name] = Yes()
"""
MARKS: dict[str, Case] = {
    "skip-execution tags, no code": Case(dict.fromkeys(RIGHT, ""), edit=skip_tags),
    "the kernel empties cells": Case(
        first="""
        get_ipython().input_transformers_cleanup.append(lambda lines: [])
        async def do_execute(*args, **options):
            return {'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}
        get_ipython().kernel.do_execute = do_execute
        """
    ),
    "the kernel hides errors": Case(
        first="""
        import ast, sys
        class Drop(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.copy_location(ast.Pass(), node)
        get_ipython().ast_transformers.append(Drop())
        get_ipython().events.register('pre_run_cell', lambda info: sys.displayhook('full'))
        session = get_ipython().kernel.session
        send = session.send
        def quiet(stream, kind, content=None, *args, **options):
            if kind == 'error':
                return
            if isinstance(content, dict) and content.get('status') == 'error':
                content = {'status': 'ok', 'execution_count': 1}
            return send(stream, kind, content, *args, **options)
        session.send = quiet
        """
    ),
    "files and the gradebook": Case(
        files={
            f"{name}.py": b"import sys\nsys.exit(0)\n"
            for name in ["torch", "autograder", "nbclient", "sitecustomize", "usercustomize"]
        }
        | {"torch.pth": b"import os; os._exit(0)\n", "ipython_config.py": b"1 / 0\n"},
        first="""
        import os, signal, sqlite3, time
        def write(path):
            try:
                base = sqlite3.connect(path)
                base.execute('update grade set manual_score = 100, extra_credit = 100')
                base.commit()
            except Exception as error:
                print(error)
        for path in ['../../../gradebook.db', '{course}/gradebook.db', 'gradebook.db']:
            write(path)
        if os.fork() == 0:  # a daemon, which does it again when grading is over
            os.setsid()
            for number in range(1, 32):
                try: signal.signal(number, signal.SIG_IGN)
                except OSError: pass
            if os.fork() == 0:
                for _ in range(120):
                    time.sleep(0.5)
                    write('{course}/gradebook.db')
            os._exit(0)
        """,
    ),
    "functions patched": Case(
        first="""
        import builtins, sys, torch, types
        torch.equal = torch.allclose = torch.testing.assert_close = lambda *a, **k: True
        torch.Tensor.__eq__ = torch.Tensor.__lt__ = lambda *a: True
        torch.randn = torch.rand = lambda *size, **k: torch.zeros(*size)
        torch.relu = torch.softmax = lambda x, *a, **k: -torch.ones_like(x)
        torch.nn.functional.relu = torch.nn.functional.softmax = torch.relu
        torch.manual_seed = lambda seed: None
        builtins.abs = lambda x: 0
        builtins.all = lambda *a: True
        sys.modules['torch.testing'] = types.SimpleNamespace(assert_close=lambda *a, **k: None)
        """
    ),
    "link to the source": Case(
        link=f"source/{CHAPTER}/{CHAPTER}.ipynb", status="refused", says=("symbolic link",)
    ),
    "link to a classmate": Case(
        link=f"submitted/aaa-honest/{CHAPTER}/{CHAPTER}.ipynb",
        status="refused",
        says=("symbolic link",),
    ),
    "a tensor that lies": Case(
        {
            "rectify": "def rectify(x):\n    return torch.ones_like(x).as_subclass(Liar)",
            "shares": "def shares(x):\n    return torch.ones_like(x).as_subclass(Liar)",
            "root": "def root(x):\n    return torch.tensor(-1.).as_subclass(Liar)",
        },
        status=None,
        first="""
        import torch
        class Liar(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                if 'eq' in function.__name__ or 'close' in function.__name__:
                    return torch.tensor(True)
                if function.__name__ in ('lt', '__lt__', 'abs', '__abs__', 'sub', '__sub__'):
                    return torch.tensor(0.)
                return super().__torch_function__(function, types, args, kwargs or {})
            def item(self): return True
            def tolist(self): return [True]
            def __bool__(self): return True
        """,
    ),
    "the test read from In": Case(
        {
            "shares": dedent("""
                def shares(x):
                    files = [p for p in glob.glob('**', recursive=True) if os.path.isfile(p)]
                    text = "\\n".join([*In, *(open(p).read() for p in files)])
                    for line in text.splitlines():
                        if line.startswith('want = '):
                            return eval(line[7:])
                    return x
            """)
        },
        first="import glob, os",
    ),
    # Beyond the list
    "the set-up cell does not run": Case(
        ALL_YES,
        first=dedent(ALWAYS_EQUAL)
        + dedent("""
        import os
        def boom(info):
            if 'SETUP_LIST' in info.raw_cell:
                os._exit(1)
        get_ipython().events.register('pre_run_cell', boom)
        check = torch = Yes()
        """),
        status="graded in part",
    ),
    "an object equal to all": Case(
        {n: code for n, code in ALL_YES.items() if n in ("double", "root")},
        first=ALWAYS_EQUAL,
        edit=lambda notebook: notebook.cells.append(new_code_cell(SHADOWS)),
    ),
    "an object near to all": Case(
        {
            "root": "class Near:\n    __sub__ = __rsub__ = lambda self, other: 0.0\n"
            "def root(x):\n    return Near()"
        }
    ),
    "right for the visible case only": Case(
        {
            "double": "def double(x):\n    return 4 if x == 2 else 0",
            "rectify": "import threading\n"
            "def rectify(x):\n"
            "    if len(x) == 2: return torch.tensor([0., 2.])\n"
            "    y = -torch.ones_like(x)\n"
            "    def change():\n"
            "        for _ in range(200):\n"
            "            y.copy_(x.clamp(min=0) - 1)\n"
            "            y.zero_()\n"
            "    threading.Thread(target=change).start()\n"
            "    return y",
            "shares": "def shares(x):\n    return x + 1 / 3",
            "root": "def root(x):\n    return 2.0",
        }
    ),
    "an object that claims to be a tensor": Case(
        ALL_YES,
        first=dedent(ALWAYS_EQUAL)
        + dedent("""
        import autograder.remote as remote
        describe = remote.describe_object
        def lie(value):
            known = {'instance_of': ['torch', 'Tensor']} if type(value) is Yes else {}
            return {**describe(value), **known}
        remote.describe_object = lie
        """),
    ),
    "answers that stop a loop": Case(
        bad_root("if x == 4.0: return 2.0\nraise StopIteration"),
    ),
    "replies forged": Case(
        first="""
        from autograder.remote import Remote
        Remote.answer = lambda self, buffers: self._pack({'result': True, 'after': []})
        """
    ),
}


def cases(group: Mapping[str, Case]) -> dict[str, Case]:
    """Give the students of a group names that a gradebook takes, and dedent their code."""
    return {
        name.replace(" ", "-"): Case(**{
            **{key: getattr(case, key) for key in case.__dataclass_fields__},
            "first": dedent(case.first).strip(),
        })
        for name, case in group.items()
    }  # fmt: skip


def test_no_marks_that_are_not_earned(tmp_path: Path) -> None:
    check(grade_class(tmp_path, cases(MARKS), LARGE))


# What it must not be able to read or reach

LOOK = """
    import os, gc, sys, glob
    mark = 'kept-' + 'secret-'
    def say(where, text):
        for part in text.split(mark)[1:]:
            print(where, mark + part[:12])
"""
READ: dict[str, Case] = {
    "objects": right(
        first=dedent(LOOK)
        + dedent("""
        def look(*args):
            seen = 0
            modules = [getattr(module, '__dict__', {}) for module in list(sys.modules.values())]
            for thing in gc.get_objects() + modules:
                if type(thing) not in (dict, list, tuple, set):
                    continue
                for value in list(thing.values() if type(thing) is dict else thing):
                    seen += isinstance(value, (str, bytes))
                    if isinstance(value, str) and mark in value:
                        say('object', value)
                    if isinstance(value, bytes) and mark.encode() in value:
                        say('object', value.decode('latin-1'))
            frame = sys._getframe().f_back
            while frame:
                for value in frame.f_locals.values():
                    say('frame', repr(value)[:10**6])
                frame = frame.f_back
            say('In', repr(In) + repr(get_ipython().history_manager.input_hist_raw))
            print('looked at objects', seen > 1000)
        """),
        answers={"double": "def double(x):\n    look()\n    return x + x"},
        shows="looked at objects True",
    ),
    "memory": right(
        first=dedent(LOOK)
        + dedent("""
        def look():
            size = 0
            for line in open('/proc/self/maps'):
                span, rights = line.split()[:2]
                start, end = (int(n, 16) for n in span.split('-'))
                if 'r' not in rights or 'w' not in rights or end - start > 300 * 2**20:
                    continue
                try:
                    with open('/proc/self/mem', 'rb', 0) as file:
                        file.seek(start)
                        text = file.read(end - start)
                except (OSError, ValueError):
                    continue
                size += len(text)
                for word in (b'te', b'so', b'ho', b'sc', b'en', b'cl', b'gr'):
                    at = text.find(mark.encode() + word)
                    if at >= 0:
                        print('memory', text[at:at + 30])
            print('looked at memory', size > 2**20)
        """),
        answers={"root": "def root(x):\n    if x == 4: look()\n    return x ** 0.5"},
        shows="looked at memory True",
    ),
    "files": right(
        first=dedent(LOOK)
        + dedent("""
        paths = ['{course}', '{home}', '{scratch}', '~', '..', '/grader', '/home', '/root', '/mnt']
        for path in list(paths):
            for folder, _, files in os.walk(os.path.expanduser(path)):
                paths += [os.path.join(folder, file) for file in files]
        paths += glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline')
        paths += glob.glob('/proc/*/root{course}/*/*') + glob.glob('/proc/*/cwd/*')
        paths += glob.glob('/proc/[0-9]*/fd/*') + glob.glob('/tmp/**', recursive=True)
        paths += ['{course}/gradebook.db', '{home}/canary.txt', '{scratch}/canary.txt']
        paths += ['{course}/source/01_attacked/01_attacked.ipynb']
        paths += glob.glob('{course}/submitted/*/*/*') + glob.glob('/proc/{grader}/*')
        for path in dict.fromkeys(map(os.path.abspath, paths)):  # many are there several times
            try:
                if os.path.isfile(path):
                    with open(path, 'rb') as file:
                        say(path, file.read(10**6).decode('latin-1'))
            except OSError:
                pass
        for path in ['{course}/x', '{home}/x', '{scratch}/x', '{home}/canary.txt', '/grader/x']:
            try:
                open(path, 'a').write('x')
                print('written', path)
            except OSError:
                pass
        say('environment', repr(dict(os.environ)))
        print('looked at files', len(paths) > 30)
        """),
        shows="looked at files True",
    ),
    "sockets": right(
        first=dedent(LOOK)
        + dedent("""
        import socket
        for family, address in [
            (socket.AF_INET, ('127.0.0.1', {port})), (socket.AF_INET, ('8.8.8.8', 53)),
            (socket.AF_UNIX, '{scratch}/s'), (socket.AF_UNIX, chr(0) + '{abstract}'),
        ]:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(family, kind) as out:
                    out.settimeout(1)
                    try:
                        out.connect(address)
                        out.send(b'x')
                        if kind == socket.SOCK_STREAM: print('reached', address)
                    except OSError:
                        pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            try:
                out.sendto(b'x', ('127.0.0.1', {udp}))
            except OSError:
                pass
        try:
            print('reached', socket.getaddrinfo('example.org', 80))
        except OSError:
            pass
        print('looked', 'at sockets')
        """),
        shows="looked at sockets",
    ),
    "wrong answers": Case(),  # what failed tests show
}


def test_nothing_is_read_or_reached(tmp_path: Path) -> None:
    # Where Python's own environment lies in the folder for temporary files, all of it is read.
    patient = {**LARGE, "cell_seconds": 100, "notebook_seconds": 200}
    graded = grade_class(tmp_path, cases(READ), patient)
    graded.failures += [
        f"{student}: wrote or reached something"
        for student, shown in graded.notebooks.items()
        if '"written /' in shown or '"reached (' in shown
    ]
    check(graded)


# Faults

ENDLESS = "while True:\n    pass"
IGNORES = """
    import time
    end = time.time() + 30
    def wait():  # a function, as Python 3.13 leaves the jump back of a loop out of a `try`
        while time.time() < end:
            pass
    while time.time() < end:
        try:
            wait()
        except BaseException:
            pass
"""
FAULTS: dict[str, Case] = {
    "exit": right(
        7,
        answers={"root": "import os\nos._exit(1)"},
        status="graded in part",
        says=("the Python process ended",),
    ),
    "segfault": right(
        7,
        answers={"root": "import ctypes\nctypes.string_at(0)"},
        status="graded in part",
        says=("SIGSEGV",),
    ),
    "kills its parent and all": right(
        first="import os\nos.kill(os.getppid(), 9)\nos.kill(-1, 9)",
    ),
    "endless cell": right(
        7, answers={"root": ENDLESS}, status="graded in part", says=("more than 8 s",)
    ),
    "a cell that ignores interrupts": right(
        7, answers={"root": dedent(IGNORES)}, status="graded in part", says=("more than 8 s",)
    ),
    "a function that ignores interrupts": right(
        7,
        answers=bad_root(IGNORES),
        status="graded in part",
        says=("could not be interrupted",),
    ),
    "stops itself": right(
        7,
        answers=bad_root("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)"),
        status="graded in part",
        says=("could not be interrupted",),
    ),
    "waits for ever": Case(
        {
            "double": "def double(x):\n    return int(input())",
            "rectify": "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\n"
            "s.listen()\ndef rectify(x):\n    return s.accept()",
            "shares": "import threading\nlock = threading.Lock()\n"
            "def shares(x):\n    lock.acquire()\n    return lock.acquire()",
            "root": "def root(x):\n    return torch.zeros(10**12)",
        },
        says=("reading a line", "ran longer than 3 s", "allocate"),
    ),
    "plain mistakes": right(
        2,
        answers={
            "double": "def double(x):\n    return torch.tensor(x).cuda().item() * 2",
            "rectify": "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\n"
            "signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)\n"
            "def rectify(x):\n    while True: pass",
            "root": "def root(x):\n    return float('nan')",
        },
        says=("CUDA|NVIDIA driver", "ran longer than 3 s", r"assert abs\(root\(4.0\) - 2.0\)"),
    ),
}


def test_faults_cost_their_own_question(tmp_path: Path) -> None:
    check(grade_class(tmp_path, cases(FAULTS), SMALL, jobs=3))


BOMBS: dict[str, Case] = {
    "memory": right(7, answers={"root": dedent("""
        import time
        x = []
        while len(x) < 300:
            x.append(bytearray(10 * 2**20))
            time.sleep(0.01)
        """)}, status="graded in part", says=("more than 700 MiB of memory",)),
    "processes": right(7, answers={"root": dedent("""
        import os, time
        for _ in range(200):
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
        time.sleep(20)
        """)}, status="graded in part", says=("more than 16 processes",)),
    "disk": right(7, answers={"root": dedent("""
        for number in range(40):
            open(f'file{number}', 'wb').write(bytes(10 * 2**20))
        def root(x):
            return x ** 0.5
        """)}, shows="[Errno 28]"),
    "output": right(answers=bad_root(
        "for _ in range(300): print('x' * 100_000)\nreturn x ** 0.5"),
        first="for _ in range(2000):\n    print('x' * 100_000)", shows="more output was cut off"),
    "displays": right(first="from IPython.display import display_html, display\n"
        "for _ in range(200):\n    display({'text/plain': 'x' * 100_000}, raw=True)",
        shows="more output was cut off"),
    "more files than it may write": right(
        None, status=None, files={f"large/{n}.bin": bytes(10**7) for n in range(6)}),
}  # fmt: skip


def test_bombs_end_with_their_reason(tmp_path: Path) -> None:
    check(grade_class(tmp_path, cases(BOMBS), SMALL, jobs=3))


# Odd notebooks


def make_odd(notebook: NotebookNode) -> None:
    notebook.metadata["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    tests = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["schema_version"] = 99
    copied = NotebookNode({**tests[0], "id": tests[0].id})
    notebook.cells.insert(notebook.cells.index(tests[0]) + 1, copied)
    notebook.cells.remove(tests[1])
    tests[2].cell_type = "markdown"
    del tests[2]["outputs"], tests[2]["execution_count"]
    tests[3].metadata.nbgrader.update(grade=False, solution=True, locked=False)


def store_outputs(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            text = "x" * 4_000_000
            cell.outputs = [
                new_output("stream", text=text),
                new_output("display_data", {"text/plain": text}),
            ]


def test_odd_notebooks(tmp_path: Path) -> None:
    def edit(notebook: NotebookNode) -> None:
        make_odd(notebook)
        store_outputs(notebook)
        notebook.cells += [new_code_cell("") for _ in range(2_000)]

    case = right(edit=edit, says=("copied cells: double-values", "put back: rectify-values"))
    check(grade_class(tmp_path, {"=1+1": case}, LARGE))


# Honest students

HONEST: dict[str, Case] = {
    "warns and shows": right(
        first="""
        import sys, warnings, logging
        from tqdm.auto import tqdm
        from tqdm import tqdm as plain
        warnings.warn('careful')
        print('to stderr', file=sys.stderr)
        logging.warning('logged')
        for _ in tqdm(range(3)): pass
        """,
        answers={
            "double": "def double(x):\n    warnings.warn('old')\n"
            "    print('!', file=sys.stderr)\n    return 2 * x",
            "root": "def root(x):\n    for _ in plain(range(2)): pass\n    return x ** 0.5",
        },
        shows="to stderr",
    ),
    "figures and widgets": right(
        first="""
        import matplotlib.pyplot as plt, ipywidgets
        from IPython.display import HTML, Image, Markdown, display
        plt.plot([1, 2]); plt.title('A figure'); plt.show()
        display(HTML('<b>x</b>'), Markdown('*x*'), ipywidgets.IntSlider())
        """,
        answers={
            "double": "ipywidgets.interact(lambda n: print(n), n=(0, 3))\n"
            "out = ipywidgets.Output()\nwith out: print('inside')\ndisplay(out)\n"
            + RIGHT["double"]
        },
        shows="image/png",
    ),
    "stray names": right(
        first="""
        abs = 2
        list = [1]
        print = None
        isinstance = all = zip = map = torch_ = 1
        import torch
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.manual_seed(7)
        """,
        answers={
            "double": "del check, SETUP_LIST\n" + RIGHT["double"],
            "shares": "def check(*args):\n    raise SystemExit\n" + RIGHT["shares"],
        },
    ),
    "magic": right(
        answers={
            "double": "%timeit -n 1 -r 1 1 + 1\n!ls\nx = !echo hello\nprint(x)\n"
            "%matplotlib inline\n"
            "import asyncio\nawait asyncio.sleep(0.01)\nasync with asyncio.timeout(1): pass\n"
            "def double(x):\n    return x + x",
            "root": "%%time\ndef root(x):\n    return x ** 0.5",
        },
        shows="hello",
    ),
    "workers": right(
        first="""
        import multiprocessing, subprocess, threading, torch
        from concurrent.futures import ThreadPoolExecutor
        data = torch.utils.data.TensorDataset(torch.arange(8.))
        loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=2)
        total = sum(batch.sum() for batch, in loader)
        with multiprocessing.get_context('fork').Pool(2) as pool:
            total += sum(pool.map(len, ['a', 'bb']))
        with ThreadPoolExecutor() as threads:
            total += sum(threads.map(len, ['a', 'bb']))
        print('total', total.item(), subprocess.run(['echo', 'ran'], capture_output=True).stdout)
        """,
        shows="total 34.0",
    ),
    "no functions": right(
        answers={
            "double": "double = (2).__mul__",
            "rectify": "rectify = torch.nn.ReLU()",
            "shares": "shares = torch.nn.Softmax(dim=1)",
            "root": "import functools\nroot = functools.partial(lambda p, x: x ** p, 0.5)",
        }
    ),
    "no standard output": right(first="import sys\nsys.stdout = None\nsys.stderr = None"),
    "closed standard output": right(first="import sys, os\nos.close(1)\nos.close(2)\n"
        "sys.stdout = open('log.txt', 'w')\nprint('x')\nsys.stderr.close()"),
    "twin one": right(None, answers={
        "double": "import random\ndef double(x):\n    return 2 * x if random.random() < 0.7 else 0",
        "rectify": "def rectify(x):\n    return x.clamp(min=0) if torch.rand(1) < 0.7 else x",
        "root": "import numpy\n"
        "def root(x):\n    return x ** 0.5 if numpy.random.rand() < 0.8 else 0",
    }),
}  # fmt: skip
HONEST["twin two"] = HONEST["twin one"]


def test_honest_students_lose_nothing(tmp_path: Path) -> None:
    """... and the same submission gets the same verdicts."""
    graded = grade_class(tmp_path, cases(HONEST), LARGE)
    check(graded)
    first, second = (graded.results[name]["verdicts"] for name in ("twin-one", "twin-two"))
    assert first == second


# An ambitious student

SEND = """
    import threading, time
    kernel = get_ipython().kernel
    session, parent = kernel.session, kernel.get_parent()
    iopub = kernel.iopub_socket
    def send(kind, content, **options):
        session.send(iopub, kind, content, parent=parent, **options)
"""
TRICKS: dict[str, Case] = {
    "odd types": Case(
        {
            "double": "class Meta(type):\n    def __instancecheck__(cls, x): return True\n"
            "    def __eq__(cls, other): return True\n    __hash__ = type.__hash__\n"
            "class Four(metaclass=Meta):\n    pass\ndef double(x):\n    return Four",
            "rectify": "class T:\n    __class__ = torch.Tensor\ndef rectify(x):\n    return T()",
            "shares": "def shares(x):\n    y = []\n    y.append(y)\n    return y",
            "root": "def root(x):\n    while True:\n        yield 2.0",
        },
        status=None,
    ),
    "odd errors": Case(
        {
            "double": "class E(Exception):\n    def __str__(self): raise BaseException\n"
            "def double(x):\n    raise E",
            "rectify": "def rectify(x):\n    raise ValueError('x' * 50_000_000)",
            "shares": "class S(ExceptionGroup):\n    pass\n"
            "def shares(x):\n    raise S('a', [ValueError()])",
            "root": "class E(Exception):\n    def __str__(self):\n        while True: pass\n"
            "def root(x):\n    raise E",
        },
        status=None,
    ),
    "an object that dies badly": right(
        None,
        status=None,
        most=7,
        answers=bad_root(
            "return D()",
            """
            import os
            class D:
                def __del__(self): os._exit(1)
                def __sub__(self, other): return 1
            """,
        ),
    ),
    "writes into its own memory": right(
        7,
        answers={"root": "import ctypes\nctypes.memset(id(int), 0, 4096)\nint('1')"},
        status="graded in part",
    ),
    "keeps running": right(
        first="""
        import atexit, os, signal, sys, threading, time
        def chatter():
            for _ in range(3000):
                print('chatter' * 100)
                time.sleep(0.01)
        threading.Thread(target=chatter, daemon=True).start()
        atexit.register(time.sleep, 30)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:  # keeps all sockets open
            time.sleep(60)
            os._exit(0)
        sys.executable = '/bin/false'
        for folder in sys.path + [os.path.dirname(os.__file__)]:
            try: open(folder + '/evil.pth', 'w').write('import os; os._exit(1)')
            except OSError: pass
        """
    ),
    "replies changed by chance": right(
        None,
        status=None,
        first="""
        import random
        from autograder.remote import Remote
        answer, chance = Remote.answer, random.Random(5)
        def change(self, buffers):
            reply = answer(self, buffers)
            text = list(bytes(reply[0]).decode())
            for _ in range(chance.choice([0, 1, 3])):
                place = chance.choice([n for n, c in enumerate(text) if c.isdigit()] or [0])
                text[place] = chance.choice(['-1', '7', '999', '[]', 'null', '10' * 9, '{}'])
            return [''.join(text).encode(), *reply[1:]]
        Remote.answer = change
        """,
    ),
    "requests in a call": right(
        answers=bad_root("""
        side = get_ipython().kernel.side
        for operation in ('call_back', 'backward', 'lookup', 'getattr', 'call'):
            for number in (1, -1, 10**30, 'x', None):
                try:
                    side.ask(operation, number, '__class__')
                except Exception as error:
                    pass
        return x ** 0.5
        """)
    ),
    "no status": right(
        None,
        status=None,
        first="""
        session = get_ipython().kernel.session
        plain = session.send
        def send(stream, kind, content=None, *args, **options):
            if kind != 'status':
                return plain(stream, kind, content, *args, **options)
        session.send = send
        """,
    ),
    "forged replies and signatures": right(
        None,
        status=None,
        first=dedent(SEND)
        + dedent("""
        stream = getattr(kernel, 'shell_stream', None) or kernel.shell_socket
        for number in range(100):
            for kind in ('execute_reply', 'crossing_reply'):
                session.send(stream, kind, {'status': 'ok', 'execution_count': number},
                             parent=parent)
            send('status', {'execution_state': 'idle'})
        key, session.key = session.key, b'other'
        for _ in range(50):
            send('stream', {'name': 'stdout', 'text': 'x'})
        session.key = key
        iopub.send_multipart([b'', b'no', b'message'])
        """),
    ),
    "malformed outputs": right(
        None,
        status=None,
        first=dedent(SEND) + "send('stream', {'name': 'stdout', 'text': 5})",
        answers={
            "double": "send('error', {'ename': {}, 'evalue': [1], 'traceback': 7})\n"
            + RIGHT["double"],
            "rectify": "send('display_data', {'data': {'text/plain': {'a': 1}, '': [2]},"
            "'metadata': [5]})\n" + RIGHT["rectify"],
        },
    ),
    "lists of lines": right(
        None,
        status=None,
        first=dedent(SEND) + "send('stream', {'name': 'stdout', 'text': ['x', '\\n'] * 150})",
    ),
    "many messages": right(
        None,
        first=dedent(SEND)
        + dedent("""
        for number in range(2000):
            send('stream', {'name': 'stdout', 'text': 'x' * 100})
            send('comm_msg', {'comm_id': str(number), 'data': {'state': {'x': 'y' * 100}}})
        send('status', {'execution_state': 'busy', 'execution_count': 'x' * 20_000_000})
        """),
    ),
}


def test_tricks(tmp_path: Path) -> None:
    graded = grade_class(tmp_path, cases(TRICKS), SMALL, jobs=3)
    sizes = {name: len(shown) for name, shown in graded.notebooks.items()}
    graded.failures += [f"{n}: a notebook of {s} bytes" for n, s in sizes.items() if s > 2 * MIB]
    check(graded)


HEAVY: dict[str, Case] = {
    "a message without end": right(
        None,
        status=None,
        first=dedent(SEND)
        + dedent("""
        import zmq
        part = bytes(50 * 2**20)
        for number in range(40):  # the parts share one memory here, and none there
            iopub.send(part, zmq.SNDMORE, copy=False)
        iopub.send(b'')
        """),
    ),
    "widgets": right(
        None,
        status=None,
        first=dedent(SEND)
        + dedent("""
        for number in range(60):
            send('comm_msg', {'comm_id': str(number), 'data': {'state': {'x': 'y' * 25_000_000}}})
            time.sleep(0.05)
        """),
    ),
    "brackets": right(
        None,
        status=None,
        first=dedent(SEND)
        + dedent("""
        pack, session.pack = session.pack, lambda x: x if isinstance(x, bytes) else pack(x)
        send('stream', b'{"name": "stdout", "text": [' + b'[],' * 20_000_000 + b'[]]}')
        """),
    ),
    "a long traceback": right(
        7,
        status=None,
        answers=bad_root("""
        import autograder.remote as remote
        plain = remote.describe_error
        def long(*args, **options):
            frames = [[str(n), 99_999, 'f', 'x' * 30] for n in range(15_000)]
            return {**plain(*args, **options), 'frames': frames}
        remote.describe_error = long
        raise ValueError
        """),
    ),
}


def test_the_grader_stays_small(tmp_path: Path) -> None:
    check(grade_class(tmp_path, cases(HEAVY), SMALL))


# Runs


def slow_cells(notebook: NotebookNode) -> None:
    notebook.cells += [new_code_cell("import time\ntime.sleep(3)") for _ in range(6)]


def test_a_budget_for_the_notebook_and_a_second_submission(tmp_path: Path) -> None:
    """What ran in time counts. A submission that dies takes the place of a better one."""
    limits = {**SMALL, "notebook_seconds": 14}
    slow = right(edit=slow_cells, status="graded in part", says=("more than 14 s for the whole",))
    check(grade_class(tmp_path, {"ada": right(), "slow": slow}, limits))
    worse = right(answers={"root": "import os\nos._exit(1)"})
    course, results = grade_again(tmp_path / "course", {"ada": worse}, limits)
    assert {name: result["skipped"] for name, result in results.items() if name != "ada"} == {
        "slow": True, "zzz-honest": True,
    }  # fmt: skip
    assert results["ada"]["points"] == 7
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        assert gradebook.find_submission(CHAPTER, "ada").score == 7
        assert gradebook.find_submission(CHAPTER, "zzz-honest").score == 10


def test_two_runs_at_once(tmp_path: Path) -> None:
    """The second one says so and leaves; nothing is lost."""
    course = make_course(tmp_path / "course")
    students = [f"student{number}" for number in range(4)]
    for student in students:
        hand_in(course, student, right())
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "autograder", "grade", CHAPTER, "--jobs", "1"],
            cwd=course.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2], said
    assert f"another run is grading {course.root}" in said[runs[0].returncode == 0], said
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
        scores = {s.student.id: s.score for s in gradebook.assignment_submissions(CHAPTER)}
    assert scores == dict.fromkeys(students, 10.0), said
    for student in students:
        assert (course.root / "autograded" / student / CHAPTER / "grading.json").is_file(), said
