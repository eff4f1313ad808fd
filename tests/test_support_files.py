"""Files that are released beside a notebook are what the exercise says."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch
from conftest import ROOT

PATH = ROOT / "source" / "06_cifar10_cnn" / "from-another-machine.pt"


def make_weights() -> bytes:
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


def test_weights_from_another_machine() -> None:
    made = torch.load(io.BytesIO(make_weights()), map_location="cpu", weights_only=True)
    kept = torch.load(PATH, map_location="cpu", weights_only=True)
    assert {name: tensor.tolist() for name, tensor in kept.items()} == {
        name: tensor.tolist() for name, tensor in made.items()
    }
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on"):
        torch.load(PATH, weights_only=True)


if __name__ == "__main__":
    PATH.write_bytes(make_weights())
