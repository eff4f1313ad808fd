"""Runs a lecture as a machine would: no display, no GPU, no network, warnings as errors, twice.

From the command line: `python tests/headless.py notebooks/01_tensors.py` prints the slowest cells.
"""

from __future__ import annotations

import os
import sys
import time
from copy import deepcopy
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.build import make_notebook

LONG = 8  # seconds

# Runs first in the kernel. Only loopback addresses may be reached, and a warning stops the cell.
GUARD = """
import socket
import warnings

def _guard():
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def is_local(host):
        return host in ("localhost", "127.0.0.1", "::1", "", None)

    def guarded_connect(self, address):
        if isinstance(address, tuple) and not is_local(address[0]):
            raise OSError(f"a lecture must not use the network: {address[0]}")
        return connect(self, address)

    def guarded_getaddrinfo(host, *args, **kwargs):
        if not is_local(host):
            raise OSError(f"a lecture must not use the network: {host}")
        return getaddrinfo(host, *args, **kwargs)

    socket.socket.connect, socket.getaddrinfo = guarded_connect, guarded_getaddrinfo
    warnings.simplefilter("error")

if socket.socket.connect.__name__ != "guarded_connect":
    _guard()
"""


def run_twice(notebook: NotebookNode, folder: Path, seconds: float) -> NotebookNode:
    """Run all cells twice in one kernel, in `folder`; return the notebook of the first pass.

    The second pass ends before the first cell that took longer than `LONG`, which trains a network.

    Raises AssertionError that names the cell and its error when a cell fails, or when one pass
    takes longer than `seconds`. Cells carry their seconds in `metadata.seconds`.
    """
    first, second = deepcopy(notebook), deepcopy(notebook)
    for cell in second.cells:
        cell.id += "-again"
    both = deepcopy(notebook)
    both.cells = [new_code_cell(GUARD, id="guard"), *first.cells, *second.cells]
    started = [0.0]

    def on_start(cell: NotebookNode, cell_index: int) -> None:
        started[0] = time.monotonic()

    def on_done(cell: NotebookNode, cell_index: int, execute_reply: object) -> None:
        cell.metadata["seconds"] = round(time.monotonic() - started[0], 2)
        if cell.metadata["seconds"] > LONG and not cell.id.endswith("-again"):
            for again in second.cells[first.cells.index(cell) :]:
                again.source = ""

    # A GPU of this machine is hidden: an unguarded CUDA cell must fail here as on a laptop.
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    client = NotebookClient(
        both,
        timeout=int(2 * seconds),
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=on_start,
        on_cell_executed=on_done,
    )
    # nbclient's stand-in for output widgets can wait for ever; plain outputs do as well.
    client.comm_open_handlers = {}
    try:
        client.execute()
    except CellExecutionError as error:
        failed = next(
            c
            for c in both.cells
            if c.cell_type == "code"
            and any(o.output_type == "error" for o in c.outputs)
            and "raises-exception" not in c.metadata.get("tags", [])
        )
        again = " on its second run" if failed.id.endswith("-again") else ""
        raise AssertionError(
            f"this cell fails{again}:\n{failed.source}\n\n{error.ename}: {error.evalue}"
        ) from None
    for name, cells in [("first", first.cells), ("second", second.cells)]:
        took = sum(c.metadata.get("seconds", 0) for c in cells)
        assert took <= seconds, f"the {name} pass took {took:.0f} s, more than {seconds:.0f} s"
    executed = deepcopy(notebook)
    executed.cells = first.cells
    return executed


def main() -> None:
    """Run the lecture named on the command line and print its slowest cells."""
    script = Path(sys.argv[1])
    cells = run_twice(make_notebook(script), script.parent, 60).cells
    print(f"{sum(c.metadata.get('seconds', 0) for c in cells):.1f} s a pass")
    for cell in sorted(cells, key=lambda c: -c.metadata.get("seconds", 0))[:5]:
        print(f"{cell.metadata.get('seconds', 0):6.2f} s  {cell.source.splitlines()[0]}")


if __name__ == "__main__":
    main()
