"""PostgreSQL behind nbgrader: the demo class gets the same gradebook as in SQLite."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import grade_all, local_pool, rows

from autograder.course import CONFIG_NAME, Course
from autograder.demo import run_demo

pytest.importorskip("psycopg")

PACKAGE = "postgresql"


def programs() -> Path | None:
    """The folder of the server's programs; Debian keeps it out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = shutil.which("initdb")
    return found[-1].parent if found else Path(path).parent if path else None


def install() -> None:
    """Install Debian's package where this can be done without asking anybody."""
    if programs() or os.geteuid() or not shutil.which("apt-get") or "CI" not in os.environ:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in [["update"], ["install", "--yes", "--no-install-recommends", PACKAGE]]:
        subprocess.run(["apt-get", "-qq", *command], env=environment, check=False, timeout=600)


@pytest.fixture
def db_url(tmp_path: Path) -> Iterator[str]:
    """The address of a new, empty database on a server of its own."""
    install()
    folder = programs()
    if folder is None:
        pytest.skip("needs a PostgreSQL server: install Debian's package postgresql")
    # The server refuses to run as root, and its socket needs a short path.
    home = Path(f"/tmp/pg-{os.getpid()}")
    home.mkdir()
    as_user = []
    if not os.geteuid():
        user = next(u for u in ("postgres", "nobody") if u in {p.pw_name for p in pwd.getpwall()})
        shutil.chown(home, user)
        as_user = ["setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid),
                   "--clear-groups"]  # fmt: skip

    def command(name: str, *arguments: str) -> list[str]:
        return [*as_user, str(folder / name), *arguments]

    data = str(home / "data")
    try:
        subprocess.run(
            command("initdb", "-D", data, "-U", "grader", "-A", "trust", "--no-sync"),
            check=True, capture_output=True, cwd=home,
        )  # fmt: skip
        server = subprocess.Popen(
            command("postgres", "-D", data, "-k", str(home), "-c", "listen_addresses="),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home,
        )  # fmt: skip
        try:
            create = command("createdb", "-h", str(home), "-U", "grader", "course")
            deadline = time.monotonic() + 30
            while subprocess.run(create, capture_output=True, cwd=home, check=False).returncode:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.2)
            yield f"postgresql+psycopg://grader@/course?host={home}"
        finally:
            server.terminate()
            server.wait(timeout=30)
    finally:
        shutil.rmtree(home)


def test_the_demo_class_has_the_same_gradebook_in_postgresql(
    course: Course, db_url: str, tmp_path: Path
) -> None:
    root, chapter = tmp_path / "demo", "01_tensors"
    limits = course.limits()
    run_demo(course, chapter, root, local_pool(), limits=limits)
    in_sqlite = rows(Course(root), chapter)

    config = root / CONFIG_NAME
    # The limits of the demo, by which its endless loop ends soon.
    seconds = f"c.Limits.cell_seconds = {limits.cell_seconds}"
    config.write_text(f"{config.read_text()}\nc.CourseDirectory.db_url = {db_url!r}\n{seconds}\n")
    # What has no points is nothing new: the truncated file is known from the demo.
    for known in (1, 10):
        results = grade_all(Course(root), chapter)
        assert sum(result.skipped for result in results.values()) == known
        assert rows(Course(root), chapter, db_url) == in_sqlite
    assert in_sqlite["ada"][0] == 30
