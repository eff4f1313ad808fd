"""Files that are released beside a notebook are what the exercise says."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import ChainMap

import pytest
import torch
from conftest import ROOT

FOLDER = ROOT / "source" / "06_cifar10_cnn"
ELSEWHERE, STRANGER = FOLDER / "from-another-machine.pt", FOLDER / "from-a-stranger.pt"


def make_elsewhere() -> bytes:
    """The weights of a small layer, as they are saved where its tensors are on GPU number 63."""
    norm = torch.nn.BatchNorm2d(2)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2.0]))
    here, there = io.BytesIO(), io.BytesIO()
    torch.save(norm.state_dict(), here)
    with zipfile.ZipFile(here) as old, zipfile.ZipFile(there, "w") as new:
        for name in old.namelist():
            # In the pickle, a text comes after its length.
            content = old.read(name).replace(b"X\x03\0\0\0cpu", b"X\x07\0\0\0cuda:63")
            new.writestr(zipfile.ZipInfo(name), content)
    return there.getvalue()


def make_stranger() -> bytes:
    """The weights of a small layer, in an object that is more than data."""
    file = io.BytesIO()
    torch.save(ChainMap(torch.nn.BatchNorm2d(2).state_dict()), file)
    return file.getvalue()


def test_weights_from_another_machine() -> None:
    made = torch.load(io.BytesIO(make_elsewhere()), map_location="cpu", weights_only=True)
    kept = torch.load(ELSEWHERE, map_location="cpu", weights_only=True)
    assert {name: tensor.tolist() for name, tensor in kept.items()} == {
        name: tensor.tolist() for name, tensor in made.items()
    }
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on"):
        torch.load(ELSEWHERE, weights_only=True)


def test_only_who_trusts_a_stranger_can_load_the_weights() -> None:
    for content in [make_stranger(), STRANGER.read_bytes()]:
        norm = torch.nn.BatchNorm2d(2)
        norm.load_state_dict(torch.load(io.BytesIO(content), weights_only=False))
        with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
            torch.load(io.BytesIO(content), weights_only=True)


if __name__ == "__main__":
    ELSEWHERE.write_bytes(make_elsewhere())
    STRANGER.write_bytes(make_stranger())
