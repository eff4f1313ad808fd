"""The files that say what is installed agree with each other and with the notebooks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from autograder.notebook import read_notebook

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch"}  # where conda-forge's name differs
MODULES = {"IPython": "ipython"}  # where the name of the import differs

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def ranges(lines: list[str]) -> dict[str, str]:
    """Requirements by canonical name: the version range as text."""
    found = {}
    for line in lines:
        requirement = Requirement(line)
        found[canonicalize_name(requirement.name)] = str(requirement.specifier)
    return found


def environment() -> dict[str, str]:
    lines = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    found = ranges(lines)
    return {CONDA_NAMES.get(name, name): text for name, text in found.items()}


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def test_environment_has_the_ranges_of_pyproject() -> None:
    conda = environment()
    python = conda.pop("python")
    assert conda == ranges(EXTRAS["course"])
    assert PROJECT["requires-python"] in python.split(",")


@pytest.mark.parametrize("group", ["dependencies", "course", "cluster", "postgres", "dev"])
def test_lock_satisfies_pyproject(group: str) -> None:
    lines = PROJECT["dependencies"] if group == "dependencies" else EXTRAS[group]
    pins = locked()
    for line in lines:
        requirement = Requirement(line)
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"requirements.lock lacks {requirement.name}: run `make lock`"
        assert requirement.specifier.contains(version), f"{line}, but locked at {version}"


def test_torch_is_locked() -> None:
    assert locked()["torch"] == "2.13.0"


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("source/*/*.ipynb")]),
    ids=lambda path: f"{path.parent.parent.name}-{path.stem}",
)
def test_notebooks_import_only_what_students_have(path: Path) -> None:
    imported = set()
    for cell in read_notebook(path).cells:
        if cell.cell_type != "code":
            continue
        source = re.sub(r"^\s*[%!?].*$|^.*\?$", "pass", cell.source, flags=re.MULTILINE)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    names = {MODULES.get(name, name) for name in imported - sys.stdlib_module_names}
    assert names <= environment().keys()


def test_dependencies_give_reasons() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    names = "dependencies|course|cluster|postgres|dev"
    lists = re.findall(rf"^(?:{names}) = \[\n(.*?)^\]", text, re.M | re.S)
    assert len(lists) == 5
    for line in "".join(lists).splitlines():
        assert re.fullmatch(r'    "[^"]+",\s+# \S.+|    #.*', line), f"no reason: {line}"


def test_the_benchmark_runs() -> None:
    command = [sys.executable, ROOT / "benchmarks" / "grading.py", "--students", "1", "--sizes"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"nbgrader autograde +│ +[0-9.]+ +│", said)
    assert re.search(r"autograder grade +│ +[0-9.]+ +│", said)
    assert re.search(r"grading adds -?[0-9.]+", said)
