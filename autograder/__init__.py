"""The grader of the PyTorch course: builds its notebooks, grades submissions, tests its tests."""

import os
import sys
import sysconfig

# nbgrader sets up a new gradebook by running `alembic` by name. It is installed beside this
# Python, whose folder need not be on the PATH of the person who types `.venv/bin/autograder`.
os.environ["PATH"] = os.pathsep.join(
    [sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)]
)

# nbformat loads jsonschema, and jsonschema loads this package if it can: compiling its grammar
# takes longer than all other imports together, for a kind of text that no notebook holds.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
