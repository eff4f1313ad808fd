"""Every data file has a card, and is what its card says."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import h5py
import imageio.v3 as iio
import pytest

DATA = Path(__file__).parents[1] / "data"
FIELDS = ["what", "shape", "origin", "licence", "citation", "bytes", "sha256"]


def read_cards() -> dict[str, dict[str, str]]:
    """The cards of data/README.md: name of the file -> field -> text."""
    sections = re.split(r"^## ", (DATA / "README.md").read_text(encoding="utf-8"), flags=re.M)
    return {
        section.splitlines()[0]: dict(re.findall(r"^\| (\w+) \| (.+) \|$", section, re.M))
        for section in sections[1:]
    }


CARDS = read_cards()


def shape_of(path: Path) -> list[int]:
    """The numbers that a card must give for the shape of a file."""
    if path.suffix == ".csv":
        delimiter = ";" if "wine" in path.name else ","
        with path.open(newline="", encoding="ascii") as file:
            header, *rows = csv.reader(file, delimiter=delimiter)
        assert all(len(row) == len(header) for row in rows)
        return [len(rows), len(header)]
    if path.suffix == ".txt":
        text = path.read_text(encoding="ascii")
        return [len(text), text.count("\n")]
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            train, test = file["train/images"], file["test/images"]
            assert train.shape[1:] == test.shape[1:]
            return [len(train), *test.shape]
    return list(iio.imread(path).shape)


def test_every_file_has_a_card() -> None:
    files = {p.name for p in DATA.iterdir() if p.is_file() and p.suffix not in (".md", ".py")}
    assert CARDS.keys() == files


@pytest.mark.parametrize("name", CARDS)
def test_file_is_what_its_card_says(name: str) -> None:
    path, card = DATA / name, CARDS[name]
    assert [field for field in FIELDS if not card.get(field, "").strip()] == []
    assert path.stat().st_size == int(card["bytes"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    assert [int(n) for n in re.findall(r"\b\d+\b", card["shape"])][: len(shape_of(path))] == (
        shape_of(path)
    )


@pytest.mark.parametrize(
    ("name", "delimiter"), [("winequality-white.csv", ";"), ("bike-sharing-hour.csv", ",")]
)
def test_the_card_names_every_column(name: str, delimiter: str) -> None:
    with (DATA / name).open(newline="", encoding="ascii") as file:
        columns = next(csv.reader(file, delimiter=delimiter))
    section = (DATA / "README.md").read_text(encoding="utf-8").split(f"\n## {name}\n")[1]
    table = section.split("| column |")[1].split("\n\n")[0]
    assert re.findall(r"^\| ([\w ]+?) \| [^-]", table, re.M) == columns
