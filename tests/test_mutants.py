"""The tests of the tests, by mutation and by repetition, on small pieces and small chapters."""

from __future__ import annotations

import ast
import re

import pytest
from conftest import CHAPTER, ROOT, SMALL, local_pool
from test_cli import autograder
from test_verify import ANSWERS

from autograder import mutants, operators, verify
from autograder.build import build
from autograder.course import Course, CourseError, read_exercises, read_script
from autograder.execute import MAX_RERUNS
from autograder.mutants import mutate, read_diff

# What an operator makes of a piece of code, and of nothing else in it.
TABLE: list[tuple[str, str, list[str]]] = [
    ("operator_exchanged", "a + b", ["a - b"]),
    ("operator_exchanged", "a - b", ["a + b"]),
    ("operator_exchanged", "a * b", ["a / b"]),
    ("operator_exchanged", "a / b", ["a * b"]),
    ("operator_exchanged", "a // b", ["a / b"]),
    ("operator_exchanged", "a % b", ["a // b"]),
    ("operator_exchanged", "a ** b", ["a * b"]),
    ("operator_exchanged", "a @ b", ["a * b"]),
    ("operator_exchanged", "a & b", ["a | b"]),
    ("operator_exchanged", "a | b", ["a & b"]),
    ("operator_exchanged", "a ^ b", ["a & b"]),
    ("operator_exchanged", "a << b", ["a >> b"]),
    ("operator_exchanged", "a >> b", ["a << b"]),
    ("operator_exchanged", "a and b", ["a or b"]),
    ("operator_exchanged", "a or b", ["a and b"]),
    ("operator_exchanged", "a < b", ["a <= b", "a >= b"]),
    ("operator_exchanged", "a <= b", ["a < b", "a > b"]),
    ("operator_exchanged", "a > b", ["a >= b", "a <= b"]),
    ("operator_exchanged", "a >= b", ["a > b", "a < b"]),
    ("operator_exchanged", "a == b", ["a != b"]),
    ("operator_exchanged", "a != b", ["a == b"]),
    ("operator_exchanged", "a is b", ["a is not b"]),
    ("operator_exchanged", "a is not b", ["a is b"]),
    ("operator_exchanged", "a in b", ["a not in b"]),
    ("operator_exchanged", "a not in b", ["a in b"]),
    ("operator_exchanged", "a == b != c", ["a != b != c", "a == b == c"]),
    ("operator_exchanged", "a += b", ["a -= b"]),
    ("operator_exchanged", "(a + b) * c", ["(a + b) / c", "(a - b) * c"]),
    ("operand_dropped", "a * b", ["a", "b"]),
    ("operand_dropped", "a * 2", ["a"]),
    ("operand_dropped", "a and b and c", ["b and c", "a and c", "a and b"]),
    ("operand_dropped", "not a", ["a"]),
    ("operand_dropped", "~a", ["a"]),
    ("operand_dropped", "-a", ["a"]),
    ("operands_swapped", "a - b", ["b - a"]),
    ("operands_swapped", "a @ b", ["b @ a"]),
    ("operands_swapped", "a + b", []),
    ("operands_swapped", "a - a", []),
    ("constant_changed", "1", ["2", "0"]),
    ("constant_changed", "0", ["1", "-1"]),
    ("constant_changed", "-1", ["-2", "-0"]),
    ("constant_changed", "0.9", ["1.9", "-0.1"]),
    ("constant_changed", "True", ["False"]),
    ("constant_changed", "x.sum(keepdim=True)", ["x.sum(keepdim=False)"]),
    ("constant_changed", "f('mean')", ["f('sum')"]),
    ("constant_changed", "f('ij,jk->ik')", ["f('ji,jk->ik')", "f('ij,kj->ik')", "f('ij,jk->ki')"]),
    ("constant_changed", "f('text', None)", []),
    ("arguments_swapped", "f(a, b, c)", ["f(b, a, c)", "f(a, c, b)"]),
    ("arguments_swapped", "f(a, *b)", []),
    ("arguments_swapped", "x.permute(0, 2, 1)", ["x.permute(2, 0, 1)", "x.permute(0, 1, 2)"]),
    ("arguments_swapped", "x.transpose(0, 1)", []),
    ("arguments_swapped", "torch.transpose(x, 0, 1)", ["torch.transpose(0, x, 1)"]),
    ("arguments_swapped", "torch.equal(a, b)", []),
    ("arguments_swapped", "x[i, j]", ["x[j, i]"]),
    ("arguments_swapped", "torch.zeros((n, m))", ["torch.zeros((m, n))"]),
    ("arguments_swapped", "x.sum(dim=(0, 1))", []),
    ("arguments_swapped", "x.sum((0, 1))", []),
    ("arguments_swapped", "a, b = c, d", ["a, b = (d, c)"]),
    ("argument_dropped", "f(a, dtype=b)", ["f(a)"]),
    ("argument_dropped", "f(device=b, dtype=c)", ["f(dtype=c)", "f(device=b)"]),
    ("argument_dropped", "x.sum(dim=0, keepdim=True)", ["x.sum(keepdim=True)"]),
    ("argument_dropped", "x.sum(0)", ["x.sum()"]),
    ("argument_dropped", "torch.sum(x, 0)", ["torch.sum(x)"]),
    ("argument_dropped", "f(a, **b)", []),
    ("argument_dropped", "f(a)", []),
    ("call_dropped", "y = x.detach()", ["y = x"]),
    ("call_dropped", "y = x.to(device).sqrt()", ["y = x.to(device)", "y = x.sqrt()"]),
    ("call_dropped", "y = torch.nn.functional.relu(x)", ["y = x"]),
    ("call_dropped", "y = self.layer(x)", ["y = x"]),
    ("call_dropped", "y = int(x)", ["y = x"]),
    ("call_dropped", "y = f(x)", []),
    ("call_dropped", "optimizer.zero_grad()", []),
    ("call_dropped", "x.zero_().add_(1)", ["x.zero_()", "x.add_(1)"]),
    ("function_exchanged", "x.sum(1)", ["x.mean(1)"]),
    ("function_exchanged", "torch.zeros(3)", ["torch.ones(3)"]),
    ("function_exchanged", "torch.ones(3)", ["torch.zeros(3)"]),
    ("function_exchanged", "x.reshape(2)", ["x.view(2)"]),
    ("function_exchanged", "torch.reshape(x, 2)", []),
    ("function_exchanged", "x.view(2)", []),
    ("function_exchanged", "x.detach()", ["x.clone()"]),
    ("function_exchanged", "x.detach().clone()", []),
    ("function_exchanged", "max(a, b)", ["min(a, b)"]),
    ("function_exchanged", "sum(a)", []),
    ("function_exchanged", "model.eval()", ["model.train()"]),
    ("function_exchanged", "torch.from_numpy(a)", ["torch.tensor(a)"]),
    ("relabeled", "x.permute(1, 0)", ["x.reshape(x.permute(1, 0).shape)"]),
    ("relabeled", "torch.t(x)", ["x.reshape(torch.t(x).shape)"]),
    ("relabeled", "x.T", ["x.reshape(x.T.shape)"]),
    ("relabeled", "x.t()", ["x.reshape(x.t().shape)"]),
    ("made_in_place", "lambda x: x.abs()", ["lambda x: x.abs_()"]),
    ("made_in_place", "lambda x: x[0].view(2).abs()", ["lambda x: x[0].view(2).abs_()"]),
    ("made_in_place", "lambda x: x - y", ["lambda x: x.sub_(y)"]),
    ("made_in_place", "lambda x: x.sum().abs()", []),
    ("made_in_place", "lambda x: y.abs()", []),
    (
        "made_in_place",
        "def f(a):\n    a = a + b",
        ["def f(a):\n    a += b", "def f(a):\n    a = a.add_(b)"],
    ),
    ("made_in_place", "def f(a):\n    a = b + a", []),
    ("made_in_place", "a = a + b", []),
    ("made_out_of_place", "x.add_(1)", ["x.add(1)"]),
    ("made_out_of_place", "x.requires_grad_()", []),
    ("made_out_of_place", "def f(a):\n    a += b", ["def f(a):\n    a = a + b"]),
    ("made_out_of_place", "for a in b:\n    a += c", ["for a in b:\n    a = a + c"]),
    ("made_out_of_place", "a += b", []),
    ("bound_dropped", "x[:n]", ["x[:]"]),
    ("bound_dropped", "x[1::2]", ["x[::2]", "x[1:]"]),
    ("statement_dropped", "optimizer.zero_grad()\na = b", ["a = b"]),
    ("statement_dropped", "a = b\na += c", ["a = b"]),
    ("statement_dropped", "a = b\na = c", ["a = b"]),
    ("statement_dropped", "x[0] = 1\ny.grad = None", ["y.grad = None", "x[0] = 1"]),
    ("statement_dropped", "for a in b:\n    c = a", ["pass"]),
    ("statement_dropped", '"""Text."""\na = b', []),
    ("branch_chosen", "if a:\n    b = c", ["b = c", "pass"]),
    ("branch_chosen", "if a:\n    b = c\nelse:\n    d = e", ["b = c", "d = e"]),
    ("branch_chosen", "b if a else c", ["b", "c"]),
    ("branch_chosen", "[x for x in y if a]", ["[x for x in y]"]),
    ("context_dropped", "with torch.no_grad():\n    a = b", ["a = b"]),
    ("context_dropped", "with a, b:\n    c = d", ["with b:\n    c = d", "with a:\n    c = d"]),
    ("context_dropped", "with a as b:\n    c = d", []),
    ("context_dropped", "try:\n    a = b\nexcept E:\n    c = d", ["a = b"]),
    ("context_dropped", "@f\ndef g():\n    a = b", ["def g():\n    a = b"]),
    ("loop_end_exchanged", "for a in b:\n    break", ["for a in b:\n    continue"]),
    ("loop_end_exchanged", "for a in b:\n    continue", ["for a in b:\n    break"]),
]


@pytest.mark.parametrize(
    ("operator", "before", "after"), TABLE, ids=[f"{row[0]}-{row[1]!r}" for row in TABLE]
)
def test_operator(
    monkeypatch: pytest.MonkeyPatch, operator: str, before: str, after: list[str]
) -> None:
    monkeypatch.setattr(mutants, "OPERATORS", [getattr(operators, operator)])
    assert sorted(mutant.code for mutant in mutate(before)) == sorted(after)


def test_every_operator_is_in_the_table() -> None:
    assert {operator.__name__ for operator in operators.OPERATORS} == {row[0] for row in TABLE}


def test_only_what_is_executed_and_not_released_is_mutated() -> None:
    source = '''\
LIMIT = 7

def f(x: list[1] = 2) -> tuple[3]:
    """Text."""
    y = 4
    ### BEGIN SOLUTION
    def inner(z: list[5]) -> tuple[6]:
        """More text."""
        raise ValueError(f"{z + 1}")
    return inner(y)
    ### END SOLUTION
'''
    assert mutate(source) == []
    (mutant,) = mutate(source.replace("inner(y)", "inner(not y)"))
    assert mutant.diff == "- return inner(not y)\n+ return inner(y)"


def test_a_mutant_compiles_and_is_not_the_reference() -> None:
    """`break` outside of its loop is no mutant, nor is what only looks different."""
    for source in ["for a in b:\n    break", "f(a, a)", "x = x[:]", "def f(a):\n    return (a)"]:
        for mutant in mutate(source):
            compile(mutant.code, "", "exec")
            assert ast.dump(ast.parse(mutant.code)) != ast.dump(ast.parse(source))
    codes = [mutant.code for mutant in mutate("for a in b:\n    break")]
    assert codes == ["pass", "for a in b:\n    continue"]
    assert mutate("f(a, a)") == mutate("f(a,a)") != []
    assert "f(a, a)" not in [mutant.code for mutant in mutate("f(a, a)")]


def test_mutants_differ_and_their_names_too() -> None:
    script = read_script(ROOT / "source" / "01_tensors.py")
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in script.cells}
    for exercise in read_exercises(script):
        found = mutate(cells[exercise.name].source)
        assert len(found) >= 4
        assert len({mutant.code for mutant in found}) == len(found)
        assert len({mutant.diff for mutant in found}) == len(found)
        for mutant in found:
            assert read_diff(mutant.comment) == mutant.diff


def test_equal_changes_are_told_apart_by_the_lines_around_them() -> None:
    source = "def f(a, b):\n    a = g(a)\n    b = not a\n    a = h(a)\n    b = not a\n    return b"
    diffs = [mutant.diff for mutant in mutate(source) if "+ b = a" in mutant.diff]
    assert diffs == [
        "  a = g(a)\n- b = not a\n+ b = a\n  a = h(a)",
        "  a = h(a)\n- b = not a\n+ b = a\n  return b",
    ]


def test_in_a_long_line_each_argument_is_told_on_its_own() -> None:
    layers = ", ".join(f"nn.Linear({n}, {n + 9}), nn.ReLU('a, (b')" for n in range(11, 15))
    diffs = [mutant.diff for mutant in mutate(f"net = nn.Sequential({layers})")]
    assert "- nn.Linear(12, 21),\n+ nn.Linear(13, 21)," in diffs
    assert all(len(line) < 40 for diff in diffs for line in diff.splitlines())
    assert len(set(diffs)) == len(diffs)


def test_a_name_stays_when_other_lines_change() -> None:
    source = "def f(a):\n    a = -a\n    return a"
    changed = "def f(a, b):\n    # a comment\n    if b:\n        print(b)\n    a = -a\n    return a"
    name = "- a = -a\n+ a = a"
    assert name in [mutant.diff for mutant in mutate(source)]
    assert name in [mutant.diff for mutant in mutate(changed)]


@pytest.fixture
def strong(small: Course) -> Course:
    """The small course, whose tests notice every mutant."""
    folder = small.root / "tests" / "answers"
    folder.mkdir(parents=True)
    (folder / f"{CHAPTER}.py").write_text(ANSWERS)
    return small


WEAK = SMALL[: SMALL.index("check(last([1, 2]), 2)")] + "check(last([2]), 2)\n"
FIRST = "- return items[-1]\n+ return items[-0]"  # survives in WEAK, whose list has one item


def write_tests(course: Course, source: str) -> None:
    assert source != SMALL
    (course.root / "source" / f"{CHAPTER}.py").write_text(source)
    build(course)


@pytest.fixture
def weak(strong: Course) -> Course:
    write_tests(strong, WEAK)
    return strong


def rows_of(course: Course) -> dict[str, verify.MutantRow]:
    rows = verify.verify_mutants(course, CHAPTER, local_pool())
    return {row.exercise.name: row for row in rows}


def survivors(course: Course) -> dict[str, list[str]]:
    return {
        name: [mutant.diff for mutant in row.survivors] for name, row in rows_of(course).items()
    }


def mark(course: Course, title: str, diff: str) -> None:
    comment = mutants.Mutant("", diff).comment
    path = course.root / "tests" / "answers" / f"{CHAPTER}.py"
    path.write_text(f"{path.read_text()}\n# %% {title}\n{comment}\n")


def test_strong_tests_kill_all(strong: Course) -> None:
    rows = rows_of(strong)
    assert [(row.killed, row.survivors, row.problems) for row in rows.values()] == [
        (4, [], []),
        (3, [], []),
    ]
    assert verify.share_killed(list(rows.values())) == 1


def test_survivors_of_weak_tests_are_listed(weak: Course) -> None:
    rows = rows_of(weak)
    assert [mutant.diff for mutant in rows["last"].survivors] == [FIRST]
    assert (rows["last"].killed, rows["last"].equivalent, rows["last"].problems) == (2, [], [])
    assert rows["twice"].survivors == []
    assert verify.share_killed(list(rows.values())) == 6 / 7


@pytest.mark.parametrize("diff", [FIRST, "- return items[-1]\n+ ..."], ids=["one", "any"])
def test_an_equivalent_mutant_is_counted_as_such(weak: Course, diff: str) -> None:
    """A mark of all changes of a line takes none of those that are killed."""
    mark(weak, 'a list of one equivalent="last"', diff)
    rows = rows_of(weak)
    assert [mutant.diff for mutant in rows["last"].equivalent] == [FIRST]
    assert (rows["last"].killed, rows["last"].survivors, rows["last"].problems) == (2, [], [])
    assert verify.share_killed(list(rows.values())) == 1
    # Its mark is no answer, and needs none.
    assert all(not row.problems for row in verify.verify(weak, CHAPTER, local_pool())[:1])


def test_stale_marks_are_refused(strong: Course) -> None:
    mark(strong, 'noticed now equivalent="last"', FIRST)
    mark(strong, 'all noticed equivalent="last"', "- return items[-1]\n+ ...")
    mark(strong, 'from before equivalent="twice"', "- return x * 2\n+ return x")
    mark(strong, 'line from before equivalent="twice"', "- return x * 2\n+ ...")
    rows = rows_of(strong)
    loses, unknown = "loses points in a test", "does not exist"
    for name, problems in [
        ("last", {"noticed now": loses, "all noticed": loses}),
        ("twice", {"from before": unknown, "line from before": unknown}),
    ]:
        assert len(rows[name].problems) == 2
        for problem, (reason, fault) in zip(rows[name].problems, problems.items(), strict=True):
            assert f'the mutant marked as equivalent, "{reason}", {fault}: remove' in problem
    assert rows["twice"].killed == 4  # they are graded all the same


def test_a_mark_needs_an_exercise_and_a_reason(strong: Course) -> None:
    mark(strong, 'equivalent="last"', FIRST)
    with pytest.raises(CourseError, match='equivalent="last" gives no reason'):
        rows_of(strong)
    mark(strong, 'why equivalent="lost"', FIRST)
    path = strong.root / "tests" / "answers" / f"{CHAPTER}.py"
    path.write_text(path.read_text().replace('# %% equivalent="last"', '# %% b equivalent="last"'))
    with pytest.raises(CourseError, match="answers 'lost', but the exercises are last, twice"):
        rows_of(strong)


def test_a_reference_that_fails_is_said(strong: Course) -> None:
    write_tests(strong, SMALL.replace("check(twice(-3), -6)", "check(twice(-3), 6)"))
    rows = rows_of(strong)
    assert rows["twice"].problems == ["the reference fails: got -6, expected 6"]
    assert rows["last"].problems == []


ENDING = """\
    if x == 10**6:
        import os
        os._exit(1)
    return 2 * x
"""
HANGING = """\
    while x == 10**6:
        pass
    return 2 * x
"""
MORE_TESTS = """
# %% nbgrader={{"grade_id": "twice-{0}", "grade": true, "points": 1}}
check(twice({0}), 2 * {0})
"""


def test_a_mutant_that_ends_its_kernel_costs_no_other(weak: Course) -> None:
    """Not even when it ends more kernels than one notebook may have."""
    more = "".join(MORE_TESTS.format(number) for number in range(MAX_RERUNS + 1))
    source = WEAK.replace("    return 2 * x\n", ENDING).replace(
        "\n# %% [markdown]\n# ## 2. Last", f"{more}\n# %% [markdown]\n# ## 2. Last"
    )
    assert ENDING in source
    assert source.count("twice-") == 2 + MAX_RERUNS + 1
    write_tests(weak, source)
    found = survivors(weak)
    assert found["last"] == [FIRST]
    assert len(found["twice"]) > 0
    assert not [diff for diff in found["twice"] if "+ if x != 10 ** 6" in diff]


def test_a_mutant_that_hangs_is_killed_soon(weak: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "MUTANT_SECONDS", 1)
    write_tests(weak, WEAK.replace("    return 2 * x\n", HANGING))
    limits = weak.limits()
    limits.cell_seconds = limits.notebook_seconds = 1000
    limits.call_seconds = 1000  # far longer than this test may run
    rows = verify.verify_mutants(weak, CHAPTER, local_pool(), limits=limits)
    found = {row.exercise.name: [mutant.diff for mutant in row.survivors] for row in rows}
    assert found["last"] == [FIRST]
    assert not [diff for diff in found["twice"] if "+ while x != 10 ** 6" in diff]
    assert limits.cell_seconds == 1000  # the caller's own are as they were


def test_too_few_killed_exit_with_1(weak: Course) -> None:
    """The command prints survivors as cells that can be copied into the answers file."""
    answers = ANSWERS.replace('says="got 1, expected 2"\ndef last', 'says="got 1"\ndef last')
    (weak.root / "tests" / "answers" / f"{CHAPTER}.py").write_text(answers)
    done = autograder(weak.root, "verify", "--mutants", "--jobs", "1")
    assert done.returncode == 1, done.stderr
    cell = '# %% REASON equivalent="last"\n# - return items[-1]\n# + return items[-0]\n'
    assert cell in done.stdout
    assert f"{CHAPTER}: 85.7% of the mutants are killed, at least 95% must be" in done.stdout


def test_all_killed_exits_with_0(strong: Course) -> None:
    done = autograder(strong.root, "verify", "--mutants", "--repeat", "2", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100.0%" in done.stdout
    assert "REASON" not in done.stdout


RUNS = 3  # each seed is fixed, so that a draw fails in some of these, or in none, for good
IN_SOME = re.compile(rf"\(in [1-{RUNS - 1}] of {RUNS} runs\)$")  # the random numbers differ


def repeated(course: Course) -> list[str]:
    rows = verify.verify(course, CHAPTER, local_pool(), repeat=RUNS)
    return [f"{row.exercise.name}: {problem}" for row in rows for problem in row.problems]


def test_what_is_right_whatever_the_random_numbers_is_accepted(strong: Course) -> None:
    assert repeated(strong) == []


@pytest.mark.parametrize(
    ("draw", "is_flaky"),
    [
        ("random.random()", True),
        ("torch.rand(1).item()", True),
        ("random.Random(1).random()", False),
    ],
)
def test_a_test_that_draws_without_a_seed_is_found(
    strong: Course, draw: str, is_flaky: bool
) -> None:
    """A test that fails every other time, by its own random numbers."""
    test = f"import random\nimport torch\ncheck(twice(-3), 0 if {draw} > 0.5 else -6)"
    write_tests(strong, SMALL.replace("check(twice(-3), -6)", test))
    found = repeated(strong)
    assert any("twice: the reference fails" in problem for problem in found) == is_flaky
    assert all(IN_SOME.search(problem) for problem in found)
    assert all(
        f'the right answer "{name}"' in " ".join(found) for name in ["sum", "shift"] if is_flaky
    )


def test_a_right_answer_that_fails_by_chance_is_found(strong: Course) -> None:
    """One random number is drawn when its cell runs, and decides."""
    path = strong.root / "tests" / "answers" / f"{CHAPTER}.py"
    right = "def twice(x):\n    return x + x"
    lucky = f"import random\nluck = random.random()\n\n{right} if luck < 0.5 else 0"
    assert right in ANSWERS
    path.write_text(ANSWERS.replace(right, lucky))
    (problem,) = repeated(strong)
    assert problem.startswith('twice: the right answer "sum" fails: got')
    assert IN_SOME.search(problem)
