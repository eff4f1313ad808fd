"""What the documents for instructors say is so: their commands are run, their programs graded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, grade_all

from autograder.build import build
from autograder.course import Course
from autograder.demo import make_class
from autograder.feedback import read_chapter
from autograder.notebook import fill_in, read_notebook

TENSORS = "01_tensors"
WRITING = (ROOT / "docs" / "writing-exercises.md").read_text(encoding="utf-8")
STEPS = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands in the console blocks of a document, each with the output it shows."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line == ">" or line.startswith("> "):
                found[-1] = (f"{found[-1][0]}\n{line[2:]}", found[-1][1])
            elif line.strip():
                found[-1][1].append(line)
    return found


def shows(output: str, line: str) -> bool:
    """Whether a line of a document is in `output`: blanks count as one, `…` stands for anything."""
    wanted = ".*".join(re.escape(" ".join(part.split())) for part in line.split("…"))
    return any(
        re.search(wanted.replace(r"\ ", " "), " ".join(o.split())) for o in output.split("\n")
    )


def test_an_instructor_can_follow_the_steps_by_copy_and_paste(tmp_path: Path) -> None:
    """From a fresh copy to feedback, in the order of the page."""
    for name in ["source", "release", "data", "tests/answers"]:
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ["nbgrader_config.py", "environment.yml", "jupytext.toml"]:
        shutil.copy(ROOT / name, tmp_path)
    for student in make_class(Course(tmp_path), TENSORS):  # what `make demo` leaves, ungraded
        for name, content in student.files.items():
            path = tmp_path / "demo" / "submitted" / student.name / TENSORS / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    found = commands(STEPS)
    assert len(found) >= 10
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"HOME": str(tmp_path / "home"), "JUPYTER_CONFIG_DIR": str(tmp_path / "home")}
    clean = {"NO_COLOR": "1", "PYTHONWARNINGS": "ignore", "PATH": tools, **settings}
    for command, lines in found:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, **clean},
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert done.returncode in (0, 1), f"{command}\n{output}"
        if done.returncode:  # hal's file is broken on purpose, which grading says
            assert command.startswith("autograder grade"), f"{command}\n{output}"
            assert "1 unreadable" in output
        for line in lines:
            assert shows(output, line), f"{command}\ndoes not show\n{line}\nbut\n{output}"
    assert (tmp_path / "feedback" / "cleo" / TENSORS / f"{TENSORS}.html").is_file()


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("/x/extracted/all/ada_101_5551_01_tensors.ipynb", "ada"),
        ("/x/all/Ada Lovelace_1234_assignsubmission_file/01_tensors.ipynb", "Ada Lovelace"),
        ("/x/all/Ada Lovelace_1234_assignsubmission_file_/01_tensors.ipynb", "Ada Lovelace"),
    ],
)
def test_names_of_files_from_learning_platforms_are_understood(path: str, student: str) -> None:
    patterns = re.findall(r'r"(\.\*/\(\?P<student_id>[^"]+)"', STEPS)
    assert len(patterns) == 2
    found = [m for pattern in patterns if (m := re.match(pattern, path))]
    assert found
    assert (found[-1]["student_id"], found[-1]["file_id"]) == (student, "01_tensors.ipynb")


def test_what_a_document_shows_is_looked_for() -> None:
    """The check of the test above, on output that is not what a document says."""
    assert shows("  ada   graded  2\nben", "ada graded 2")
    assert shows("wrote 17 files", "wrote … files")
    assert not shows("ada graded 2", "ada graded 3")
    assert commands("```console\n$ cat <<E\n> a\n> E\na\n```\n```sh\n$ no\n```") == [
        ("cat <<E\na\nE", ["a"])
    ]


def blocks(kind: str) -> dict[str, str]:
    """Return the programs of writing-exercises.md that are marked as `kind`: name -> text."""
    pattern = rf"<!-- {kind}: ([\w -]+?) -->\n```python\n(.*?)^```"
    return dict(re.findall(pattern, WRITING, re.M | re.S))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course whose exercises are the examples of the page, with the checker of chapter 1."""
    root = tmp_path_factory.mktemp("writing")
    for name in ["notebooks", "source", "submitted"]:
        (root / name).mkdir()
    shutil.copy(ROOT / "nbgrader_config.py", root)
    setup = next(
        cell.source
        for cell in read_notebook(ROOT / "source" / TENSORS / f"{TENSORS}.ipynb").cells
        if cell.id == "setup"
    )
    right = blocks("answer")["right"].replace(
        "\n    return", "\n    ### BEGIN SOLUTION\n    return"
    )
    cells = [
        f'# %% nbgrader={{"grade_id": "setup", "locked": true}}\n{setup}',
        f'# %% nbgrader={{"grade_id": "center", "solution": true}}\n{right}    ### END SOLUTION',
    ]
    for name, text in blocks("test").items():
        meta = f'{{"grade_id": "center-{name}", "grade": true, "points": 1}}'
        cells.append(f"# %% nbgrader={meta}\n{text}")
    cells.append('# %% nbgrader={"grade_id": "crossing", "solution": true}\n### BEGIN SOLUTION\n'
                 '### END SOLUTION')  # fmt: skip
    for name in ["test", "wall"]:
        meta = f'{{"grade_id": "crossing-{name}", "grade": true, "points": 1}}'
        cells.append(f"# %% nbgrader={meta}\n{blocks('crossing')[name]}")
    (root / "source" / "01_writing.py").write_text("\n\n".join(cells), encoding="utf-8")
    course = Course(root)
    build(course)
    return course


def test_the_table_of_the_growing_test_is_what_grading_finds(course: Course) -> None:
    release = read_notebook(course.root / "release" / "01_writing" / "01_writing.ipynb")
    answers = blocks("answer")
    for name, text in answers.items():
        code = {"center": text, "crossing": blocks("crossing")["answer"]}
        path = course.root / "submitted" / name / "01_writing" / "01_writing.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(fill_in(release, code))
    results = grade_all(course, "01_writing")
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in WRITING.splitlines()
        if line.startswith("|")
    ]
    tests = head[1:]
    assert list(blocks("test")) == tests
    found = {
        name: ["passes" if r.verdicts[f"center-{t}"].points else "fails" for t in tests]
        for name, r in results.items()
    }
    assert found == {name: said for name, *said in rows}
    assert found.keys() == answers.keys()
    # What the page says of the wall.
    for result in results.values():
        for name in ["crossing-test", "crossing-wall"]:
            assert result.verdicts[name].points == 1, result.verdicts[name].reason
    names: dict[str, object] = {"torch": torch}
    exec(blocks("crossing")["answer"] + blocks("crossing")["test"], names)
    with pytest.raises(AssertionError, match="judged itself"):
        exec(blocks("crossing")["wall"], names)


def test_the_example_of_the_page_is_a_chapter(course: Course) -> None:
    assert [part.exercise.name for part in read_chapter(course, "01_writing").parts] == [
        "center", "crossing",
    ]  # fmt: skip


def test_links_between_documents_lead_somewhere() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (path.parent / link).exists(), f"{path.name} links to {link}"
