"""What a submission may use: the limits, their defaults, and their names in nbgrader_config.py."""

from __future__ import annotations

from traitlets import Bool, Float, Int, List, Unicode
from traitlets.config import Configurable

MIB = 2**20


class Limits(Configurable):
    """What one submission may use, and whether in a sandbox.

    Set them in nbgrader_config.py, as `c.Limits.cell_seconds = 60`.
    Raises traitlets.TraitError for a value that is no positive number.
    """

    sandbox = Bool(
        True, help="Run submissions in a sandbox. Without one they can do all that you can."
    ).tag(config=True)
    cell_seconds = Float(60, min=0.1, help="Seconds that one cell may run.").tag(config=True)
    notebook_seconds = Float(600, min=0.1, help="Seconds that all cells may run.").tag(config=True)
    call_seconds = Float(
        30, min=0.1, help="Seconds that a test waits for one call of a student's function."
    ).tag(config=True)
    cpu_seconds = Int(1200, min=1, help="Seconds of processor time, added up over all cores.").tag(
        config=True
    )
    memory_bytes = Int(
        2048 * MIB, min=MIB, help="Memory of all processes of a submission together."
    ).tag(config=True)
    disk_bytes = Int(256 * MIB, min=MIB, help="Files that a submission may write.").tag(config=True)
    processes = Int(64, min=1, help="Processes of a submission at one time.").tag(config=True)
    cell_output_bytes = Int(
        MIB, min=1, help="What one cell may print and show; the rest is cut off."
    ).tag(config=True)
    notebook_output_bytes = Int(
        8 * MIB, min=1, help="What all cells may print and show; the rest is cut off."
    ).tag(config=True)
    crossing_bytes = Int(
        256 * MIB, min=1, help="Data that go to or come from a student's function in one call."
    ).tag(config=True)
    crossing_items = Int(100_000, min=1, help="Values in the containers of one such call.").tag(
        config=True
    )
    crossing_depth = Int(32, min=1, help="Containers inside each other in such a call.").tag(
        config=True
    )

    preload = List(
        Unicode(),
        [
            "torch",
            "torch._dynamo",  # torch imports it, for two seconds, when it first makes an optimizer
            "numpy",
            "matplotlib.pyplot",
            "h5py",
            "imageio.v3",
            "ipywidgets",
            "tqdm.auto",
        ],
        help="Modules that take long to import: the kernels of all submissions start with them.",
    ).tag(config=True)

    @property
    def crossing(self) -> tuple[int, int, int]:
        """Bytes, values and depth that may cross in one message."""
        return self.crossing_bytes, self.crossing_items, self.crossing_depth

    def __repr__(self) -> str:
        values = ", ".join(
            f"{name}={value!r}"
            for name, value in self.trait_values().items()
            if self.trait_metadata(name, "config")
        )
        return f"Limits({values})"
