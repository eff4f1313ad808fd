"""The grader of the PyTorch course: builds its notebooks, grades submissions, tests its tests."""

import sys
from types import ModuleType

# nbformat loads jsonschema, and jsonschema loads this package if it can: compiling its grammar
# takes longer than all other imports together, for a kind of text that no notebook holds.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

# nbgrader's package loads its extensions of Jupyter's server, which takes a second and is of no use
# here. In a server, or below `nbgrader` itself, they are there already, and stay.
if "nbgrader" not in sys.modules:
    for _name in ["", ".assignment_list", ".course_list", ".formgrader", ".validate_assignment"]:
        _empty = ModuleType(f"nbgrader.server_extensions{_name}")
        _empty.load_jupyter_server_extension = None  # type: ignore[attr-defined]
        sys.modules[_empty.__name__] = _empty
