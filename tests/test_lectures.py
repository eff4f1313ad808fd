"""Every lecture runs as a machine would run it; and the gate that says so can fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT
from headless import run_twice
from nbformat import NotebookNode

from autograder.build import make_notebook

SECONDS = {  # one pass on two cores
    "00_start_here": 30,
    "01_tensors": 60,
    "02_gpu": 60,
    "03_autograd": 60,
    "04_data_as_tensors": 60,
    "05_training": 60,
    "06_cifar10_cnn": 240,
}
HEAD = "# %% [markdown]\n# # Title\n\n# %%\n"
SHOW = """\
import matplotlib.pyplot as plt
plt.plot([1, 2])
"""


def images(notebook: NotebookNode) -> list[str]:
    """The alternative text of every image among the outputs; empty where there is none."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            html = data.get("text/html", "")
            found += [
                (re.findall(r'alt="([^"]*)"', tag) or [""])[0]
                for tag in re.findall(r"<img\b[^>]*>", html)
            ]
            found += ["" for kind in data if kind.startswith("image/")]
    return found


@pytest.mark.parametrize("script", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda p: p.stem)
def test_lecture_runs_twice_without_network_or_warnings(script: Path) -> None:
    executed = run_twice(make_notebook(script), script.parent, SECONDS[script.stem])
    figures = images(executed)
    assert len(figures) >= 2
    assert all(len(alt) > 20 for alt in figures), "a figure without alternative text"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import torch\ntorch.zeros(2).cuda()", "CUDA|NVIDIA driver"),
        ("import torch\ntorch.zeros(2, device='cuda')", "CUDA|NVIDIA driver"),
        ("import warnings\nwarnings.warn('old', DeprecationWarning)", "DeprecationWarning: old"),
        (
            "import urllib.request\nurllib.request.urlopen('http://example.org')",
            "must not use the network",
        ),
        ("import socket\nsocket.socket().connect(('192.0.2.1', 80))", "not use the network"),
        ("seen = 'seen' in globals()\nassert not seen", "on its second run"),
        ("import time\ntime.sleep(1.5)", "took 2 s, more than 1 s"),
    ],
    ids=[
        "error", "cuda()", "device=cuda", "warning", "download", "connection", "second run", "slow",
    ],
)  # fmt: skip
def test_a_broken_lecture_fails(tmp_path: Path, code: str, message: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(HEAD + code + "\n")
    with pytest.raises(AssertionError, match=message):
        run_twice(make_notebook(path), tmp_path, seconds=1 if "sleep" in code else 30)


def test_an_expected_error_does_not_fail(tmp_path: Path) -> None:
    path = tmp_path / "lesson.py"
    path.write_text('# %% tags=["raises-exception"]\n1 / 0\n\n# %%\nx = 1\n')
    assert run_twice(make_notebook(path), tmp_path, 30).cells[1].execution_count


def test_a_cell_that_trains_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headless.LONG", 0.5)
    path = tmp_path / "lesson.py"
    trains = "# %%\nimport time\nfirst = globals().get('first', 0) + 1\n\n# %%\ntime.sleep(1)\n"
    path.write_text(HEAD + trains + "assert first == 1\n\n# %%\nassert first == 1\n")
    assert run_twice(make_notebook(path), tmp_path, 30).cells[-2].metadata["seconds"] >= 1


@pytest.mark.parametrize(
    ("show", "alts"),
    [
        ("plt.show()", [""]),
        (
            "from IPython.display import HTML, display\nplt.close()\n"
            'display(HTML(\'<img alt="a line" src="data:,">\'))',
            ["a line"],
        ),
    ],
    ids=["bare figure", "with alternative text"],
)
def test_a_figure_without_alternative_text_is_found(
    tmp_path: Path, show: str, alts: list[str]
) -> None:
    path = tmp_path / "figure.py"
    path.write_text(HEAD + SHOW + show + "\n")
    assert images(run_twice(make_notebook(path), tmp_path, 30)) == alts
