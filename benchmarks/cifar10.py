"""Two ways to train on CIFAR-10, side by side: a well-known first recipe, and a faster one.

usage: python benchmarks/cifar10.py

Given: LeNet as in the lecture on CIFAR-10, two epochs of SGD (learning rate 0.001, momentum 0.9)
in batches of 4 from a DataLoader. Ours: a compact network with batch normalization, batches by
index from one tensor, a one-cycle schedule, augmentation and label smoothing.

Both run in this process, on the CPU, with the same threads. Seconds are those of the training and
of all that prepares it; reading the files and measuring the accuracy are left out for both. The
full set must be on this machine, see data/cifar10.py. Let nothing else run meanwhile.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "data"))
from cifar10 import CifarError, find, read  # noqa: E402 - a program of this repository, not a package

SEED = 0
EPOCHS, BATCH, RATE, DECAY, SMOOTHING, SHIFT = 6, 128, 0.2, 5e-4, 0.1, 2


class LeNet(nn.Module):
    """The small network of the given recipe."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of photos."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class Photos(Dataset):
    """Photos from -1 to 1, each made when it is asked for, as transforms do."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return (self.images[i].float() / 255 - 0.5) / 0.5, int(self.labels[i])


def train_given(images: Tensor, labels: Tensor) -> nn.Module:
    """Train by the given recipe."""
    network = LeNet()
    loader = DataLoader(Photos(images, labels), batch_size=4, shuffle=True, num_workers=0)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    for epoch in range(2):
        for x, y in tqdm(loader, desc=f"given, epoch {epoch + 1} of 2", leave=False, mininterval=1):
            optimizer.zero_grad()
            loss = criterion(network(x), y)
            loss.backward()
            optimizer.step()
    return network


def make_network() -> nn.Module:
    """Return our network. Its first layer halves the photo, which saves most of the work."""

    def block(inputs: int, outputs: int, size: int, stride: int) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, size, stride, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *block(3, 32, 4, 2),
        *block(32, 64, 3, 1),
        nn.MaxPool2d(2),
        *block(64, 128, 3, 1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128 * 4 * 4, 10),
    )
