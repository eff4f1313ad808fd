"""What the points of a class say about its exercises: classical item analysis.

Every figure is a number, or a text that says why it is not defined. Sources:

- [CA] L. Crocker, J. Algina, *Introduction to Classical and Modern Test Theory* (1986), chapter 14.
- [H] S. Henrysson, "Correction of item-total correlations in item analysis", *Psychometrika* 28
  (1963) 211-218.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean, median, stdev

from autograder.course import Exercise
from autograder.outcome import Outcome

Figure = float | str  # a text says why there is no number
ONE = "one student"
NOBODY = "nobody graded"
MIN_STUDENTS = 5  # below, a correlation says nothing about an exercise


@dataclass(frozen=True)
class Item:
    """What a class got for one exercise."""

    exercise: Exercise
    full: int  # students with all points
    partial: int
    none: int
    difficulty: Figure
    discrimination: Figure

    @property
    def count(self) -> int:
        """How many students were graded."""
        return self.full + self.partial + self.none


def analyze(exercises: Sequence[Exercise], graded: Sequence[Outcome]) -> list[Item]:
    """Return an item for each exercise; `graded` are the students who have points."""
    points = [[earned(outcome, exercise) for exercise in exercises] for outcome in graded]
    items = []
    for number, exercise in enumerate(exercises):
        mine = [row[number] for row in points]
        others = [sum(row) - row[number] for row in points]
        full = sum(value >= exercise.total for value in mine)
        none = sum(value <= 0 for value in mine)
        items.append(
            Item(
                exercise, full, len(mine) - full - none, none,
                difficulty(mine, exercise.total), discrimination(mine, others),
            )
        )  # fmt: skip
    return items


def earned(outcome: Outcome, exercise: Exercise) -> float:
    """Return the points of a student for an exercise, before any penalty."""
    tests = [outcome.tests[name] for name in exercise.points if name in outcome.tests]
    return sum((test.points or 0) + test.extra for test in tests)


def difficulty(points: Sequence[float], total: float) -> Figure:
    """Return the item difficulty: the mean of the points, as a share of what could be had.

    [CA] calls it p: 1 when everybody gets everything, 0 when nobody gets anything, so that a
    *larger* number is an easier exercise.
    """
    if not points:
        return NOBODY
    return fmean(points) / total if total else "no points"


def discrimination(points: Sequence[float], others: Sequence[float]) -> Figure:
    """Return how well an exercise tells strong students from weak ones, from -1 to 1.

    It is Pearson's correlation of the points for this exercise with the points for all `others`:
    where an exercise gives all or nothing, that is the point-biserial correlation [CA]. The
    exercise itself is left out of the total, which would make the number too large [H]. It is not
    defined for one student, nor when everybody has the same points.
    """
    if not points:
        return NOBODY
    if len(points) == 1:
        return ONE
    return correlation(points, others)


def correlation(xs: Sequence[float], ys: Sequence[float]) -> Figure:
    """Return Pearson's product-moment correlation, or why there is none."""
    # Exact sums: equal points must give a variance of exactly nothing.
    a, b = ([Fraction(value) for value in values] for values in (xs, ys))
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    var_a, var_b = sum((x - mean_a) ** 2 for x in a), sum((y - mean_b) ** 2 for y in b)
    if not var_a:
        return "all got the same"
    if not var_b:
        return "all got the same elsewhere"
    both = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    return float(both) / math.sqrt(float(var_a)) / math.sqrt(float(var_b))


@dataclass(frozen=True)
class Spread:
    """How the numbers of a class lie: the sample standard deviation has n - 1 below the line."""

    count: int
    mean: Figure
    median: Figure
    deviation: Figure
    least: Figure
    most: Figure


def spread(values: Sequence[float]) -> Spread:
    """Return how `values` lie."""
    if not values:
        return Spread(0, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY)
    deviation: Figure = stdev(values) if len(values) > 1 else ONE
    return Spread(len(values), fmean(values), median(values), deviation, min(values), max(values))


def remarks(item: Item, hidden_reached: int | None) -> list[str]:
    """Return why an exercise deserves a look; nothing for most.

    `hidden_reached` is how many students came to a hidden test of it; None when it has none, or
    when an older grading run did not note it.
    """
    found = []
    if item.count and item.none == item.count:
        found.append("nobody gets a point")
    elif item.count >= MIN_STUDENTS and item.full == 0:
        found.append("nobody gets all points")
    if (
        item.count >= MIN_STUDENTS
        and not isinstance(item.discrimination, str)
        and item.discrimination < 0
    ):
        found.append("who is good elsewhere fails here, and who is weak passes")
    if item.count and hidden_reached == 0:
        found.append("nobody reaches a hidden test: all fail before, in the visible part")
    return found


def tally(values: Sequence[str]) -> list[tuple[str, int]]:
    """Return how often each value occurs, the most frequent first, then by name."""
    return sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0]))
