"""A class: every submission of a chapter, graded side by side into nbgrader's gradebook.

Submissions are executed in a pool (`pool.py`, `cluster.py`). This process alone writes:
`autograded/`, the gradebook, and last `grading.json`, atomically, which says that a submission
is done. It keeps none of them: a class may be large. A run that was ended at any moment
continues when it is started again. One submission's failure never touches another's.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from autograder.build import load_chapter, make_template
from autograder.course import Course, CourseError, read_files
from autograder.gradebook import Scores, all_students, register
from autograder.job import Job, Result, Verdict
from autograder.limits import Limits
from autograder.notebook import from_bytes, to_bytes
from autograder.pool import Pool, map_jobs
from autograder.submission import (
    RefusedError,
    read_folder,
    with_support,
)


def grade(
    course: Course,
    chapter: str,
    pool: Pool,
    on_result: Callable[[Result], None],
    *,
    students: Sequence[str] = (),
    force: bool = False,
    limits: Limits | None = None,
    on_start: Callable[[int], None] = lambda total: None,
) -> None:
    """Grade what lies in `submitted/STUDENT/chapter`; call `on_result` for every student.

    Results come as they are done, and are not kept here: a class may be large. `pool` executes.
    `students` limits the run to some. A submission is skipped when an earlier run is done with it,
    the gradebook agrees, and nothing has changed that the result depends on: the submission, the
    chapter and its support files, data/ and the limits. `force` skips none. `on_start` is called
    with the number of students.

    Raises CourseError when the chapter or a named student does not exist, when the chapter's
    script was edited after the last build, when nbgrader_config.py sets no valid limits, or when
    another run is grading the course.
    """
    folders = folders_of(course, chapter)
    limits = limits or course.limits()
    template = to_bytes(make_template(load_chapter(course, chapter)))
    support = course.support_files(chapter)
    # A result holds as long as nothing that it depends on has changed.
    given = {**_under("support", support), **_under("data", read_files(course.data))}
    setting = _digest({**given, "": template}) + repr(limits)
    digests: dict[str, str] = {}

    def jobs() -> Iterator[Job]:
        """The submissions that have to be executed; all others are done on the way."""
        for student in names:
            try:
                files = read_folder(course.root / "submitted" / student / chapter)
            except RefusedError as error:
                refused = Result(student, "refused", str(error), {}, 0.0)
                on_result(_save(folders, scores, refused, digest=""))
                continue
            if not files:
                on_result(Result(student, "missing", "nothing was handed in", {}, 0.0))
                continue
            digest = _digest({**_under("files", files), "": setting.encode()})
            earlier = None if force else read_record(record_path(folders, student), digest)
            if earlier and (student in in_gradebook) == bool(earlier.verdicts):
                on_result(earlier)
                continue
            digests[student] = digest
            yield Job(student, chapter, template, files, support, course.data, limits)

    with _alone(course):
        pool.prepare(course.data, limits)  # it starts while this process goes on
        names = choose(all_students(folders), students, chapter)
        register(course, chapter, folders.db_url)
        on_start(len(names))
        with Gradebook(folders.db_url, folders.course_id) as gradebook:
            scores = Scores(gradebook, folders)
            in_gradebook = scores.graded_students()
            for job, executed in map_jobs(jobs(), pool):
                digest = digests.pop(job.student)
                if isinstance(executed, str):
                    on_result(Result(job.student, None, executed, {}, 0.0))
                    continue
                result = Result(
                    job.student,
                    executed.status,
                    executed.reason,
                    executed.verdicts,
                    executed.seconds,
                    executed.memory_bytes,
                )
                files = with_support(job.files, job.support)
                on_result(_save(folders, scores, result, digest, executed.notebook, files))


@contextmanager
def _alone(course: Course) -> Iterator[None]:
    """Keep other runs out, which would grade the same submissions into the same gradebook."""
    path = course.root / "autograded" / ".lock"
    path.parent.mkdir(exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout:
        text = f"another run is grading {course.root}: wait for its end, or stop it"
        raise CourseError(text) from None


def folders_of(course: Course, chapter: str) -> CourseDirectory:
    """Return where nbgrader has the folders and the gradebook of a chapter."""
    config = course.nbgrader_config()
    config.CourseDirectory.assignment_id = chapter
    return CourseDirectory(config=config)


def choose(everybody: list[str], students: Sequence[str], chapter: str) -> list[str]:
    """Return those of `everybody` whom `students` names, or all. Raises CourseError."""
    for student in students:
        if student not in everybody:
            raise CourseError(f"no submission of {student!r} in submitted/{student}/{chapter}")
    return list(dict.fromkeys(students)) or everybody


def _under(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def record_path(folders: CourseDirectory, student: str) -> Path:
    """The file that says that a submission is done."""
    chapter = folders.assignment_id
    return Path(folders.root, "autograded", student, chapter, "grading.json")


def executed_path(folders: CourseDirectory, student: str) -> Path:
    """The executed notebook of a submission, beside its record."""
    return record_path(folders, student).with_name(f"{folders.assignment_id}.ipynb")


def read_record(record: Path, digest: str | None = None) -> Result | None:
    """Return the result that an earlier run wrote to `record`, or None.

    With `digest`, only when it was of the same files.
    """
    try:
        saved = json.loads(record.read_text(encoding="utf-8"))
        if digest not in (None, saved["digest"]):
            return None
        return Result(
            student=saved["student"],
            status=saved["status"],
            reason=saved["reason"],
            verdicts={name: Verdict(**verdict) for name, verdict in saved["verdicts"].items()},
            seconds=saved["seconds"],
            memory_bytes=saved.get("memory_bytes", 0),
            skipped=True,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _save(
    folders: CourseDirectory,
    scores: Scores,
    result: Result,
    digest: str,
    notebook: bytes = b"",
    files: Mapping[str, bytes] | None = None,
) -> Result:
    """Write what became of a submission: notebook, gradebook, and last its record.

    Returns `result`, or one without a status when it could not be saved: the class goes on.
    """
    record = record_path(folders, result.student)
    draft = record.with_suffix(".tmp")
    executed = executed_path(folders, result.student)
    try:
        if record.parent.exists():
            shutil.rmtree(record.parent)
        record.parent.mkdir(parents=True)
        if notebook:
            for name, content in (files or {}).items():
                path = record.parent / name
                ours = {record, draft, executed} & {path, *path.parents}
                if path.suffix != ".ipynb" and not ours:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            executed.write_bytes(notebook)
        if notebook:
            timestamp, note = _timestamp(folders, record.parent)
            scores.save(result.student, from_bytes(notebook), timestamp)
            result = replace(result, reason="; ".join(filter(None, [result.reason, note])))
        else:
            scores.remove(result.student)
        saved = {**asdict(result), "points": result.points, "digest": digest}
        del saved["skipped"]
        draft.write_text(json.dumps(saved, indent=1), encoding="utf-8")
        draft.replace(record)
    except Exception as error:  # whatever it is, it must not cost the others their grades
        return Result(result.student, None, f"not graded: {error!r}", {}, result.seconds)
    return result


def _timestamp(folders: CourseDirectory, submission: Path) -> tuple[datetime | None, str]:
    """Return when a submission was handed in, and a note for people if nobody knows."""
    try:
        return folders.get_existing_timestamp(str(submission)), ""
    except Exception:  # nbgrader fails in several ways on a file that holds no date
        return None, "timestamp.txt holds no date: counted as handed in on time"
