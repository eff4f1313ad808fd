"""Figures of a report, as SVG that stands in the page and takes its colors."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from autograder.item_analysis import Item

INK = "#123456"  # stands for the color of text, which a page has light or dark
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "autograder", "font.size": 11,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    # A name of a student is no formula.
    "text.parse_math": False,
}  # fmt: skip
BLUE, YELLOW, RED = "#3f7fc1", "#e0ae2c", "#c8463f"  # told apart without red and green


def draw(width: float, height: float, alt: str, *parts: Callable[[Axes], None]) -> Markup:
    """Return a figure with one part for each function, which draws into its axes.

    `alt` says in words what is to be seen.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        for number, part in enumerate(parts, start=1):
            part(figure.add_subplot(1, len(parts), number))
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    title = html.escape(alt, quote=True)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1))


def totals(points: Sequence[float], total: float) -> Markup:
    """How many students have how many points."""
    edges = [total * k / 10 for k in range(11)]
    counts = [0] * 10
    for value in points:
        counts[min(9, max(0, math.floor(value / total * 10)))] += 1
    spoken = ", ".join(
        f"{edges[k]:g} to {edges[k + 1]:g} points: {count}" for k, count in enumerate(counts)
    )

    def part(axes: Axes) -> None:
        axes.bar(edges[:-1], counts, total / 10, align="edge", color=BLUE, edgecolor="none")
        axes.set(xlabel="points", ylabel="students", xlim=(0, total))
        axes.set_xticks(edges)
        _whole(axes)

    return draw(7, 2.8, f"Bar chart: number of students by total points. {spoken}.", part)


def shares(items: Sequence[Item]) -> Markup:
    """For each exercise, how many students have all, some and no points."""
    spoken = "; ".join(
        f"{item.exercise.title}: {item.full} all, {item.partial} some, {item.none} none"
        for item in items
    )

    def part(axes: Axes) -> None:
        names = [_short(item.exercise.title) for item in items]
        left = [0] * len(items)
        for label, color in [("full", BLUE), ("partial", YELLOW), ("none", RED)]:
            widths = [getattr(item, label) for item in items]
            words = {"full": "all points", "partial": "some", "none": "none"}[label]
            axes.barh(names, widths, left=left, color=color, label=words)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.set(xlabel="students")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)

    height = 1.2 + 0.3 * len(items)
    return draw(7, height, f"Bar chart: students by points for each exercise. {spoken}.", part)


def effort(seconds: Sequence[float], mebibytes: Sequence[float]) -> Markup:
    """How long submissions ran and how much memory they had."""
    said = [
        f"{name} from {min(values):.3g} to {max(values):.3g} {unit}"
        for name, unit, values in [("time", "s", seconds), ("memory", "MiB", mebibytes)]
        if values
    ]

    def histogram(values: Sequence[float], label: str) -> Callable[[Axes], None]:
        def part(axes: Axes) -> None:
            axes.hist(values, bins=min(20, max(5, len(values) // 2)), color=BLUE)
            axes.set(xlabel=label, ylabel="students")
            _whole(axes)

        return part

    parts = [histogram(seconds, "seconds")] if seconds else []
    parts += [histogram(mebibytes, "memory in MiB")] if mebibytes else []
    return draw(7, 2.6, f"Histograms: {' and '.join(said)}.", *parts)


def _whole(axes: Axes) -> None:
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _short(title: str) -> str:
    return title if len(title) <= 34 else f"{title[:33]}…"
