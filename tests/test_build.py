"""Building: the same scripts give the same bytes, and nothing leaks into a release."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHAPTER, SMALL

from autograder.build import build, check, find_leaks, make_notebook, render
from autograder.course import Course, CourseError
from autograder.notebook import read_notebook

ROOT = Path(__file__).parents[1]


def script(small: Course) -> Path:
    return small.root / "source" / f"{CHAPTER}.py"


def lecture(folder: Path, text: str) -> Path:
    path = folder / "lecture.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_committed_is_what_its_script_says(course: Course) -> None:
    assert check(course) == []


def test_building_twice_gives_the_same_bytes(course: Course) -> None:
    assert render(course) == render(course)


def test_building_again_changes_nothing(small: Course) -> None:
    assert build(small) == []


def test_plain_nbgrader_makes_the_same_release(small: Course) -> None:
    """The release is nbgrader's own: its command in this course gives the same bytes."""
    path = small.root / "release" / CHAPTER / f"{CHAPTER}.ipynb"
    ours = path.read_bytes()
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", CHAPTER, "--force"]
    done = subprocess.run(command, cwd=small.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == ours


def test_a_notebook_edited_by_hand_is_named_with_its_script(small: Course) -> None:
    path = small.root / "release" / CHAPTER / f"{CHAPTER}.ipynb"
    path.write_text(path.read_text().replace("## 2. Last", "## 2. First"))
    (line,) = check(small)
    assert f"release/{CHAPTER}/{CHAPTER}.ipynb" in line
    assert f"edit source/{CHAPTER}.py" in line
    build(small)
    assert check(small) == []


def test_an_edited_script_makes_its_notebooks_stale(small: Course) -> None:
    script(small).write_text(SMALL.replace("## 2. Last", "## 2. The last"))
    assert len(check(small)) == 2  # the source notebook and the release


def test_a_stray_file_is_named_and_removed(small: Course) -> None:
    stray = small.root / "release" / CHAPTER / "answers.txt"
    stray.write_text("42")
    (line,) = check(small)
    assert "answers.txt" in line
    build(small)
    assert not stray.exists()


def test_a_data_folder_of_a_chapter_is_refused(small: Course) -> None:
    """Where the course's own data/ lies in grading, it could not be found."""
    folder = small.root / "source" / CHAPTER / "data"
    folder.mkdir()
    (folder / "table.csv").write_text("1")
    with pytest.raises(CourseError, match=r"table\.csv: rename this folder"):
        build(small)


def test_a_script_in_the_released_folder_is_refused(small: Course) -> None:
    (small.root / "source" / CHAPTER / "helper.py").write_text("secret = 42\n")
    with pytest.raises(CourseError, match=r"helper\.py would be released"):
        render(small)


def test_a_support_file_is_released(small: Course) -> None:
    (small.root / "source" / CHAPTER / "table.csv").write_text("1,2\n")
    assert render(small)[f"release/{CHAPTER}/table.csv"] == b"1,2\n"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("### BEGIN HIDDEN TESTS", "### BEGIN HIDDEN TEST", "would leak"),
        ("### BEGIN HIDDEN TESTS", "### begin hidden tests", "would leak"),
        ("    return items[-1]\n    ### END SOLUTION", "    return items[-1]", "cannot release"),
        ('"last", "solution": true', '"last", "locked": true', "cannot release"),
        ('"grade_id": "last-values"', '"grade_id": "last"', "two cells have the grade_id"),
        ('"points": 2}', '"points": "two"}', "needs a number of points"),
        ('"points": 2}', '"points": 2', "mend the JSON of the cell marker"),
        (SMALL, "# %%\nx = 1\n", "has no exercise"),
        ('"grade_id": "last-values", ', "", "needs nbgrader="),
        ('"grade_id": "last-values"', '"grade_id": "last values"', "needs nbgrader="),
        ('nbgrader={"grade_id": "last", "solution": true}', 'nbgrader="last"', "needs nbgrader="),
    ],
    ids=[
        "misspelled marker", "lower-case marker",
        "no end of solution", "solution in a locked cell", "duplicate id", "points as text",
        "broken marker", "no exercise", "no grade_id", "odd grade_id", "no metadata",
    ],
)  # fmt: skip
def test_a_wrong_script_is_refused(small: Course, old: str, new: str, reason: str) -> None:
    assert old in SMALL
    script(small).write_text(SMALL.replace(old, new))
    with pytest.raises(CourseError, match=reason):
        render(small)


def test_a_script_that_is_not_utf_8_is_named(small: Course) -> None:
    script(small).write_bytes(b"# %% [markdown]\n# caf\xe9\n")
    with pytest.raises(CourseError, match="is not UTF-8 text"):
        render(small)


def test_a_broken_config_is_named(small: Course) -> None:
    (small.root / "nbgrader_config.py").write_text("c = get_config(\n")
    with pytest.raises(CourseError, match=r"nbgrader_config\.py: SyntaxError"):
        render(small)


def test_a_solution_without_markers_is_removed_whole(small: Course) -> None:
    text = SMALL.replace(
        "    ### BEGIN SOLUTION\n    return items[-1]\n    ### END SOLUTION", "    return items[-1]"
    )
    script(small).write_text(text)
    released = render(small)[f"release/{CHAPTER}/{CHAPTER}.ipynb"]
    assert b"items[-1]" not in released


def test_leaks_are_found() -> None:
    notebook = read_notebook(ROOT / "release" / "01_tensors" / "01_tensors.ipynb")
    assert find_leaks(notebook) == []
    notebook.metadata["jupytext"] = {}
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    code.execution_count = 3
    code.metadata["collapsed"] = True
    code.source += "\n    ### END SOLUTION"
    assert len(find_leaks(notebook)) == 4


@pytest.mark.parametrize("path", sorted((ROOT / "release").glob("*/*.ipynb")), ids=lambda p: p.stem)
def test_no_hidden_line_is_released(path: Path) -> None:
    """No line of a solution or a hidden test stands in the release, unless it is visible too."""
    source = read_notebook(ROOT / "source" / path.stem / path.name)
    hidden, visible = set(), set()
    for cell in source.cells:
        inside = False
        for line in cell.source.splitlines():
            if "### BEGIN" in line:
                inside = True
            elif "### END" in line:
                inside = False
            else:
                (hidden if inside else visible).add(line.strip())
    released = {line.strip() for c in read_notebook(path).cells for line in c.source.splitlines()}
    assert len(hidden - visible) > 20
    assert not released & (hidden - visible)


def test_releases_hold_only_what_belongs_there(course: Course) -> None:
    """Notebooks, and what lies beside their sources: no script, which has the answers."""
    for path in (course.root / "release").rglob("*.*"):
        beside = course.root / "source" / path.relative_to(course.root / "release")
        is_support = path.suffix != ".py" and path.read_bytes() == beside.read_bytes()
        assert path.suffix == ".ipynb" or is_support, path


def test_cell_ids_are_stable_and_unique(tmp_path: Path) -> None:
    path = lecture(tmp_path, "# %%\nx = 1\n\n# %%\nx = 1\n\n# %% [markdown]\n# x = 1\n")
    ids = [cell.id for cell in make_notebook(path).cells]
    assert ids == [cell.id for cell in make_notebook(path).cells]
    assert len(set(ids)) == 3


def test_a_header_brings_no_jupytext_metadata(tmp_path: Path) -> None:
    """A script saved by JupyterLab may have a header; pairing must not get into the notebook."""
    header = "# ---\n# jupyter:\n#   jupytext:\n#     formats: ipynb,py:percent\n# ---\n\n"
    plain = "# %%\nx = 1\n"
    with_header = make_notebook(lecture(tmp_path, header + plain))
    assert with_header == make_notebook(lecture(tmp_path, plain))
    assert "jupytext" not in with_header.metadata


def test_metadata_are_completed_for_nbgrader(small: Course) -> None:
    cells = {cell.id: cell for cell in make_notebook(script(small)).cells}
    assert cells["last-values"].metadata == {
        "nbgrader": {
            "grade_id": "last-values", "grade": True, "points": 2,
            "solution": False, "locked": True, "task": False, "schema_version": 3,
        }
    }  # fmt: skip


def test_the_editor_keeps_nbgrader_metadata() -> None:
    """JupyterLab drops cell metadata on saving a script, unless this file says otherwise."""
    settings = (ROOT / "jupytext.toml").read_text()
    assert 'cell_metadata_filter = "nbgrader,tags,-all"' in settings
