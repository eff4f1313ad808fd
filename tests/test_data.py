"""Every data file has a card, and is what its card says."""

import hashlib
import re
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"


def test_every_file_is_what_its_card_says() -> None:
    cards = dict(
        re.findall(
            r"^## (\S+)\n.*?\| sha256 \| ([0-9a-f]{64}) \|",
            (DATA / "README.md").read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )
    )
    files = {p.name: p for p in DATA.iterdir() if p.suffix != ".md" and not p.name.startswith(".")}
    assert cards.keys() == files.keys()
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == cards[name], name
