"""Feedback says what happened, and nothing of hidden tests; what students wrote does not run."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CHAPTER, RIGHT, ROOT, SMALL, browse, grade_all
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.converters import GenerateFeedback
from traitlets.config import Config

from autograder import feedback, page
from autograder.build import build, load_chapter
from autograder.course import Course, read_answers
from autograder.feedback import write_feedback
from autograder.grade import folders_of
from autograder.limits import Limits
from autograder.notebook import fill_in, from_bytes, read_notebook, to_bytes
from autograder.outcome import Mark, Outcome
from autograder.words import cause, explain, tell

HandIn = Callable[..., Path]
TENSORS = "01_tensors"
WORSE = {**RIGHT, "twice": "def twice(x):\n    return 3 * x"}
HACK = "document.documentElement.setAttribute('hacked', 1)"
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
        "0000000d49444154789c6360f8cf500f0003860180349b3b6d0000000049454e44ae426082"
    )
).decode()
WRITTEN = (
    SMALL
    + """
# %% [markdown]
# ## 3. Explain
#
# Why is $a_1 * b_2 * c_3$ small? Show $$\\\\sum_{i<n} x_i$$

# %% [markdown] nbgrader={"grade_id": "why", "grade": true, "solution": true, "points": 4}
# Your answer here.
"""
)
ATTACKS = [
    f"<script>{HACK}</script>",
    f'<img src=x onerror="{HACK}">',
    f'<svg onload="{HACK}"></svg><svg><script>{HACK}</script></svg>',
    f'<details open ontoggle="{HACK}"><summary>x</summary>y</details>',
    f'<iframe srcdoc="<script>parent.{HACK}</script>"></iframe>',
    f'<math><mtext><table><mglyph><style><img src=x onerror="{HACK}">',
    f'![x](x" onerror="{HACK})',
    f"![x](data:text/html;base64,{base64.b64encode(f'<script>{HACK}</script>'.encode()).decode()})",
    f'$a<img src=x onerror="{HACK}">b$',
    f'```python\n</code></pre><img src=x onerror="{HACK}">\n```',
    f"```<img/src=x/onerror={HACK}>\nx\n```",
    f'</p></section></main><body onload="{HACK}">',
    f'<style onload="{HACK}">main {{ display: none }}</style>',
    '<a href="javascript:document.title=1">javascript</a> [x](javascript:document.title=1)',
    '<form action="https://evil.example"><input name="password"></form>',
    '![spy](https://evil.example/spy.png) <img src="//evil.example/spy.png">',
    '<div class="note" id="why" style="position:fixed">30 of 30 points</div>',
]


def pages(course: Course, chapter: str = CHAPTER, students: tuple[str, ...] = ()) -> dict[str, str]:
    """Write the feedback of a course; return the pages by student."""
    found: dict[str, str] = {}

    def read(outcome: Any, path: Path | None) -> None:
        if path:
            found[outcome.student] = path.read_text(encoding="utf-8")

    write_feedback(course, chapter, students, read)
    return found


def words(text: str) -> str:
    """What a reader of a page can read, with every run of blanks as one."""
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


def secrets(course: Course, chapter: str) -> set[str]:
    """Each line of a hidden test or a solution that stands nowhere in the release."""
    path = course.root / "release" / chapter / f"{chapter}.ipynb"
    released = " ".join("\n".join(cell.source for cell in read_notebook(path).cells).split())
    found, at = set(), ""
    for cell in load_chapter(course, chapter).cells:
        for line in cell.source.splitlines():
            if marker := re.fullmatch(r"\s*### (BEGIN|END) .*", line):
                at = marker[1]
            elif at == "BEGIN":
                found.add(" ".join(line.split()))
    return {line for line in found if len(line) >= 8 and line not in released}


@pytest.fixture(scope="session")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Chapter 1, with students who gave all the wrong answers there are, graded."""
    root = tmp_path_factory.mktemp("tensors")
    for name in ["source", "release", "data"]:
        shutil.copytree(ROOT / name, root / name)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    release = read_notebook(root / "release" / TENSORS / f"{TENSORS}.ipynb")
    wrong: dict[str, list[str]] = {}
    for answer in read_answers(ROOT / "tests" / "answers" / f"{TENSORS}.py"):
        if not answer.right:
            wrong.setdefault(answer.exercise, []).append(answer.code)
    for number in range(4):
        code = {name: codes[number % len(codes)] for name, codes in wrong.items()}
        path = root / "submitted" / f"wrong{number}" / TENSORS / f"{TENSORS}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(fill_in(release, code))
    course = Course(root)
    grade_all(course, TENSORS)
    return course


def test_no_line_of_a_hidden_test_or_of_a_solution_is_in_a_page(tensors: Course) -> None:
    hidden = secrets(tensors, TENSORS)
    assert len(hidden) > 100
    for student, text in pages(tensors, TENSORS).items():
        path = tensors.root / "submitted" / student / TENSORS / f"{TENSORS}.ipynb"
        own = " ".join("\n".join(cell.source for cell in read_notebook(path).cells).split())
        shown = words(text)
        assert "What happened" in shown
        assert not [line for line in hidden if line in shown and line not in own]
        assert "HIDDEN" not in text


def test_the_search_for_hidden_lines_finds_them_where_they_are(tensors: Course) -> None:
    """nbgrader's own page shows them: what finds nothing in ours finds them there."""
    config = tensors.nbgrader_config()
    del config.GenerateFeedback
    config.CourseDirectory.assignment_id = TENSORS
    config.CourseDirectory.student_id = "wrong0"
    config.CourseDirectory.feedback_directory = "plain"
    folders = folders_of(tensors, TENSORS)
    folders.update_config(Config(config))
    folders.student_id, folders.feedback_directory = "wrong0", "plain"
    GenerateFeedback(coursedir=folders, config=Config()).start()
    text = (tensors.root / "plain" / "wrong0" / TENSORS / f"{TENSORS}.html").read_text()
    shown, hidden = words(text), secrets(tensors, TENSORS)
    assert len([line for line in hidden if line in shown]) > 50


def test_a_page_says_what_was_asked_written_and_happened(small: Course, hand_in: HandIn) -> None:
    script = small.root / "source" / f"{CHAPTER}.py"
    hint = "# ## 1. Twice\n#\n# Doubles a *number*.\n#\n# <details><summary>Hint</summary>\n#\n"
    hint += "# - What is `x + x`?\n#\n# </details>\n"
    script.write_text(SMALL.replace("# ## 1. Twice\n", hint))
    build(small)
    hand_in("ada", RIGHT)
    hand_in("ben", {**WORSE, "last": "def last(items):\n    return items.pop_it()"})
    hand_in("cleo", {})
    grade_all(small)
    found = pages(small)
    ada, ben, cleo = (words(found[name]) for name in ["ada", "ben", "cleo"])
    assert "Feedback for ada Small 5 of 5 points Graded Every cell of your notebook was run." in ada
    assert "Doubles a number." in ada
    assert "What is x + x?" not in ada
    assert "0 of 5 points" in ben
    assert "failed small 0 of 1 point got 3, expected 2" in ben
    assert "failed negative 0 of 2 points got -9, expected -6" in ben
    assert "return 3 * x" in ben
    assert ben.count("What is x + x?") == 1
    # The student's own line is in the traceback, no line of the test.
    assert "return items.pop_it()" in ben.split("What happened")[2]
    assert "AttributeError: 'list' object has no attribute 'pop_it'" in ben
    assert "You left this cell as it was handed out." in cleo


def test_messages_are_taken_apart() -> None:
    told = tell("f returned the wrong type: int\n  called    f(1)\n  got       2\n3\n  expected  x")
    assert told.problem == "f returned the wrong type: int"
    assert told.facts == [("called", "f(1)"), ("got", "2\n3"), ("expected", "x")]
    assert "you do not see" in tell("AssertionError").problem
    assert not tell("ValueError: the call ran longer than 3 s").outside


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("stopped: more than 60 s", "The time limit: the cell ran longer than 60 seconds."),
        ("stopped: more than 9 s for the whole notebook", "your notebook ran longer than 9"),
        ("stopped: more than 2 GiB of memory", "The memory limit: your notebook used more than 2"),
        ("stopped: more than 3 s of processor time", "The limit of processor time"),
        ("stopped: more than 64 processes", "more than 64 processes"),
        ("stopped: files of more than 256 MiB", "the files handed in are larger than 256 MiB"),
        ("stopped: the Python process ended by SIGSEGV", "The kernel died: the Python process"),
        ("stopped: broken messages (ValueError)", "was stopped: broken messages"),
        ("not run, because the notebook was stopped: more than 2 GiB of memory", "The memory"),
        ("f raised MemoryError: \n  called    f(1)", "The memory limit"),
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried", "The memory limit"),
        ("this test ran longer than 60 s", "The time limit: the test ran longer than 60"),
        (
            "f raised TimeoutError: the call ran longer than 10 s\n  called    f(1)",
            "The time limit",
        ),
    ],
)
def test_what_lies_outside_an_answer_is_said_plainly(reason: str, said: str) -> None:
    assert said in tell(reason).outside


def test_a_reason_is_taken_apart_where_its_parts_begin() -> None:
    reason = "stopped: more than 60 s in cell a under '1. Red; green'; graded my; file.ipynb"
    outcome = Outcome("ada", "graded in part", reason, {"a": Mark(0, 1)})
    assert explain(outcome, limited=True).more == [
        "The time limit: the cell ran longer than 60 seconds. "
        "That was in cell a under '1. Red; green'.",
        "The notebook that was graded is my; file.ipynb.",
    ]


def test_every_cause_of_a_stop_has_a_sentence_of_its_own() -> None:
    """Reasons that the grader gives and that no sentence is made for would show up here."""
    sources = "".join(path.read_text() for path in (ROOT / "autograder").glob("*.py"))
    given = re.findall(r'return f?"(more than [^"]+|files of more than [^"]+)"', sources)
    assert len(given) >= 6
    for reason in given:
        reason = re.sub(r"\{nice\([^}]*\}", "2 GiB", reason)
        reason = re.sub(r"\{[^}]*\}", "10", reason)
        assert "was stopped" not in cause(reason), reason


def test_limits_that_cost_points_are_on_the_page(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", {**RIGHT, "last": "import os\nos._exit(1)"})
    hand_in("ben", {**RIGHT, "last": "def last(items):\n    while True: pass"})
    hand_in("cleo", {**RIGHT, "last": "x = bytearray(3 * 2**30)\ndef last(items):\n    return x"})
    hog = "x = bytearray(b'x') * (400 * 2**20)"
    hand_in("dan", {**RIGHT, "last": f"import os, time\nos.fork()\n{hog}\ntime.sleep(20)"})
    limits = Limits(cell_seconds=4, call_seconds=2, memory_bytes=600 * 2**20)
    results = grade_all(small, limits=limits)
    found = {name: words(text) for name, text in pages(small).items()}
    assert "Graded in part Something outside your answers cost points." in found["ada"]
    assert "The kernel died: the Python process of your notebook ended." in found["ada"]
    assert "That was in cell last under '2. Last'" in found["ada"]
    assert "A limit on time or memory cost points" in found["ben"]
    assert "one call of your function ran longer than 2 seconds" in found["ben"]
    assert "A limit on time or memory cost points" in found["cleo"]
    assert "The memory limit: your code asked for more memory than it may have." in found["cleo"]
    assert "The memory limit: your notebook used more than 600 MiB" in found["dan"]
    for text in found.values():
        assert text.count("This cost points, not a wrong result.") == 1
    # What was measured is kept, and is what the limit is compared with.
    assert results["dan"].memory_bytes > 600 * 2**20
    assert 10 * 2**20 < results["ben"].memory_bytes < 600 * 2**20


def test_who_has_no_points_has_a_page_that_says_why(small: Course, hand_in: HandIn) -> None:
    right = hand_in("ada", RIGHT).read_bytes()
    hand_in("ben", right[:300])
    hand_in("cleo", right).unlink()
    link = small.root / "submitted" / "cleo" / CHAPTER / f"{CHAPTER}.ipynb"
    link.symlink_to("/etc/passwd")
    link.with_name("submission_secret.txt").symlink_to("/etc/passwd")
    (small.root / "submitted" / "dan" / CHAPTER).mkdir(parents=True)
    hand_in("eva", b'{"cells": [], "nbformat": 4}', name="essay")
    grade_all(small)
    found = {name: words(text) for name, text in pages(small).items()}
    assert "no points Unreadable Your notebook was handed in, but it cannot be read" in found["ben"]
    assert "its JSON is broken or cut off" in found["ben"]
    assert "Refused" in found["cleo"]
    assert "01_small.ipynb is a symbolic link" in found["cleo"]
    assert (
        "root:"
        not in (small.root / "feedback/cleo" / CHAPTER / "submission_secret.txt").read_text()
    )
    assert "Missing There is no submission of yours." in found["dan"]
    assert "no cell of this chapter in essay.ipynb" in found["eva"]
    for name in ["ben", "cleo", "dan", "eva"]:
        assert "of 5 points" not in found[name]


def test_what_is_not_graded_yet_has_no_page(small: Course, hand_in: HandIn) -> None:
    hand_in("ada", RIGHT)
    hand_in("ben", RIGHT)
    grade_all(small, students=["ada"])
    command = [sys.executable, "-m", "autograder", "feedback", CHAPTER]
    done = subprocess.run(command, cwd=small.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "ben: no page, because it is not graded yet" in done.stdout
    assert "1 page written" in done.stdout
    assert not (small.root / "feedback" / "ben").exists()


@pytest.fixture
def written(small: Course) -> Course:
    """The small course with an answer in words, which a person grades."""
    (small.root / "source" / f"{CHAPTER}.py").write_text(WRITTEN, encoding="utf-8")
    build(small)
    return small


def test_what_a_person_gave_is_on_the_page(written: Course, hand_in: HandIn) -> None:
    with (written.root / "nbgrader_config.py").open("a") as config:
        config.write("\nc.LateSubmissionPlugin.penalty_method = 'zero'\n")
    path = hand_in("ada", {**WORSE, "why": "Because of *rounding*."})
    hand_in("ben", {**RIGHT, "why": "As $a_1 * b_2 * c_3$."})
    path.with_name("timestamp.txt").write_text("2026-03-01 12:30:00 UTC")
    with Gradebook(f"sqlite:///{written.root / 'gradebook.db'}") as gradebook:
        gradebook.add_assignment(CHAPTER, duedate="2026-03-01 11:00:00 UTC")
    grade_all(written)
    ada = words(pages(written)["ada"])
    assert "0 of 9 points" in ada
    assert "Handed in 1.5 hours late: 2 points were taken off." in ada
    assert "Some answers still wait for a person" in ada
    assert "Because of rounding." in ada
    with Gradebook(f"sqlite:///{written.root / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade("why", CHAPTER, CHAPTER, "ben")
        grade.manual_score, grade.extra_credit = 3.5, 0.25
        gradebook.find_comment("why", CHAPTER, CHAPTER, "ben").manual_comment = "Good <b>idea</b>"
        gradebook.db.commit()
    ben = pages(written)["ben"]
    assert "8.75 of 9 points" in words(ben)
    assert "given by a person" in words(ben)
    assert "Comment: Good <b>idea</b>" in words(ben)
    assert "wait for a person" not in ben
    # Formulas are readable as they were written, and no underscore became emphasis.
    assert '<code class="math">$a_1 * b_2 * c_3$</code>' in ben


def test_pasted_pictures_are_shown_and_nothing_is_fetched(written: Course, hand_in: HandIn) -> None:
    release = read_notebook(written.root / "release" / CHAPTER / f"{CHAPTER}.ipynb")
    notebook = from_bytes(fill_in(release, {**RIGHT, "why": "![my plot](attachment:plot%201.png)"}))
    cell = next(cell for cell in notebook.cells if cell.id == "why")
    cell.attachments = {
        "plot 1.png": {"image/png": PIXEL},
        "evil.svg": {"image/svg+xml": "<svg onload='x'/>"},
    }
    hand_in("ada", to_bytes(notebook))
    hand_in("ben", {**RIGHT, "why": "![spy](https://evil.example/spy.png) ![no](attachment:x)"})
    grade_all(written)
    found = pages(written)
    assert f'<img src="data:image/png;base64,{PIXEL}" alt="my plot">' in found["ada"]
    assert "svg" not in (written.root / f"autograded/ada/{CHAPTER}/{CHAPTER}.ipynb").read_text()
    assert "[picture: spy]" in found["ben"]
    for text in found.values():
        assert not re.search(r"<(script|link|iframe|object)|src=.(?!data:)|url\(|@import", text)


def ran(seen: str) -> bool:
    """Whether a script of an attack ran in a page that a browser opened."""
    return bool(re.search(r"<html[^>]* hacked=", seen))


def hostile(written: Course, hand_in: HandIn) -> str:
    """The page of a student who puts every attack wherever a student can put text."""
    outputs = "\n".join(f"display(HTML({attack!r}))" for attack in ATTACKS)
    code = f"from IPython.display import HTML, display\n{outputs}\nprint({ATTACKS[1]!r})\n"
    code += f"def twice(x):\n    raise ValueError({ATTACKS[1]!r})"
    name = f"<img src=x onerror={HACK.replace(' ', '')}>"
    (written.root / "submitted" / name).mkdir(parents=True)
    essay = "\n\n".join(ATTACKS)
    content = json.loads(hand_in("spare", {**RIGHT, "twice": code, "why": essay}).read_bytes())
    for attack in ATTACKS:
        content["cells"].append({"cell_type": "markdown", "source": attack, "metadata": {}})
        content["cells"].append({"cell_type": "code", "source": attack, "metadata": {}})
    hand_in(name, json.dumps(content).encode(), name=name)
    grade_all(written, students=[name])
    with Gradebook(f"sqlite:///{written.root / 'gradebook.db'}") as gradebook:
        gradebook.find_comment("why", CHAPTER, CHAPTER, name).manual_comment = "<b>bold</b>"
        gradebook.db.commit()
    return pages(written, students=(name,))[name]


def test_what_a_student_wrote_does_not_run(
    written: Course, hand_in: HandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = hostile(written, hand_in)
    policy = re.search(r"<meta http-equiv[^>]*>", shown)
    assert policy
    assert not ran(browse(shown.replace(policy[0], ""), tmp_path))
    # The same page, were it not cleaned: the attacks are real, and the page's policy stops them.
    monkeypatch.setattr(page, "clean", page.Markup)
    broken = pages(written, students=(next(iter((written.root / "feedback").iterdir())).name,))
    (text,) = broken.values()
    assert ran(browse(text.replace(policy[0], ""), tmp_path))
    assert not ran(browse(text, tmp_path))


def test_a_page_cannot_be_made_to_look_like_another(written: Course, hand_in: HandIn) -> None:
    shown = hostile(written, hand_in)
    assert len(re.findall(r'<[^<>]*id="why"', shown)) == 1
    assert "position:fixed" not in re.sub(r"<pre.*?</pre>", "", shown, flags=re.DOTALL)
    assert not re.search(r"<[^<>]*src=.(?!data:image)", shown)
    for tag in ["<form", "<input", "<iframe", "<svg", "<math", "<[^<>]*=.javascript:"]:
        assert not re.search(tag, re.sub(r"<pre.*?</pre>", "", shown, flags=re.DOTALL))
    assert shown.count("<main") == shown.count("</main>") == 1
    assert shown.count("<section") == shown.count("</section>")


@pytest.mark.parametrize("text", ["[" * 6000, "*a" * 3000, "> " * 3000, "$" * 6000, "<a" * 3000])
def test_markdown_that_no_parser_was_made_for_is_still_shown(text: str) -> None:
    assert page.markdown(text)


def test_a_page_is_small(small: Course, hand_in: HandIn) -> None:
    long = "\n".join(f"x{number} = {number}  # a line" for number in range(50_000))
    code = {**RIGHT, "twice": f"{long}\n{RIGHT['twice']}", "last": f"print('<&>' * 10**5)\n{long}"}
    content = json.loads(hand_in("ada", code).read_bytes())
    for _ in range(50):
        content["cells"].append({"cell_type": "markdown", "source": "<b>&" * 2000, "metadata": {}})
    hand_in("ada", json.dumps(content).encode())
    grade_all(small)
    text = pages(small)["ada"]
    assert len(text.encode()) < 300_000
    assert "The rest of this cell is not shown here" in text


def test_pages_of_the_demo_chapter_are_small(tensors: Course) -> None:
    assert max(len(text.encode()) for text in pages(tensors, TENSORS).values()) < 150_000


def test_nbgrader_writes_and_releases_the_same_pages(
    small: Course, hand_in: HandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nbgrader's generate_feedback and release_feedback, and formgrader's button."""
    exchange = tmp_path / "exchange"
    exchange.mkdir(mode=0o777)
    exchange.chmod(0o777)
    for name in ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "HOME"]:
        monkeypatch.setenv(name, str(tmp_path / "settings"))
    with (small.root / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.Exchange.root = {str(exchange)!r}\n")
        config.write(f"c.Exchange.cache = {str(tmp_path / 'cache')!r}\n")
    path = hand_in("ada", WORSE)
    path.with_name("timestamp.txt").write_text("2026-03-01 12:30:00.000000 UTC")
    path.with_name("submission_secret.txt").write_text("a secret of the exchange")
    (small.root / "submitted" / "ben" / CHAPTER).mkdir(parents=True)  # handed in nothing
    hand_in("cleo", b"broken")
    grade_all(small)
    ours = pages(small)
    shutil.rmtree(small.root / "feedback")

    def nbgrader(*arguments: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("nbgrader"), *arguments],
            cwd=small.root, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr

    nbgrader("generate_feedback", CHAPTER)
    written = {
        name: (small.root / "feedback" / name / CHAPTER / f"{CHAPTER}.html").read_text()
        for name in ["ada", "ben", "cleo"]
    }
    assert written == ours
    assert "Releasing feedback for student 'ada'" in nbgrader("release_feedback", CHAPTER)
    released = list((exchange / "pytorch" / "feedback").glob("*.html"))
    assert len(released) == 3
    # The exchange has it under the name that only who knows the secret can find.
    from nbgrader.utils import notebook_hash

    name = notebook_hash(secret="a secret of the exchange", notebook_id=CHAPTER)
    assert (exchange / "pytorch" / "feedback" / f"{name}.html").read_text() == ours["ada"]

    shutil.rmtree(small.root / "feedback")
    monkeypatch.chdir(small.root)
    config = small.nbgrader_config()
    folders = folders_of(small, CHAPTER)
    button = NbGraderAPI(folders, config=config)
    answer = button.generate_feedback(CHAPTER, "ada")
    assert answer["success"], answer
    assert (small.root / "feedback/ada" / CHAPTER / f"{CHAPTER}.html").read_text() == ours["ada"]
    hand_in("dan", RIGHT)
    answer = button.generate_feedback(CHAPTER)
    assert not answer["success"]
    assert "dan: no feedback, because it is not graded yet" in answer["log"]


def test_a_course_without_the_setting_has_nbgraders_own_feedback(small: Course) -> None:
    from nbgrader.converters import BaseConverter

    from autograder import nbgrader_hook

    started: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseConverter, "start", lambda self: started.append("nbgrader"))
        patch.setattr(nbgrader_hook, "write_feedback", lambda *_: started.append("ours"))
        GenerateFeedback(coursedir=folders_of(small, CHAPTER), config=Config()).start()
        config = small.nbgrader_config()
        GenerateFeedback(coursedir=folders_of(small, CHAPTER), config=config).start()
    assert started == ["nbgrader", "ours"]


def test_the_templates_are_part_of_the_package() -> None:
    import tomllib

    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folder = Path(feedback.__file__).parent
    (pattern,) = tool["package-data"]["autograder"]
    listed = {path.name for path in folder.glob(pattern)}
    assert {"base.html", "style.css", "feedback.html"} <= listed
