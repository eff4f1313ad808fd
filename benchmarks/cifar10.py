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

import os
import sys
import time
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
# Our recipe.
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


def scale(images: Tensor) -> Tensor:
    """Return bytes as floats from -1 to 1."""
    return (images.float() / 255 - 0.5) / 0.5


class Photos(Dataset):
    """Photos that are scaled when they are asked for, as transforms do."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return scale(self.images[i]), int(self.labels[i])


def train_given(images: Tensor, labels: Tensor) -> nn.Module:
    """Return a network that was trained by the given recipe."""
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
    """Return the wide network of the lecture. Its first layer halves the photo: most work is saved.

    It pools before it normalizes, which changes little but the time.
    """
    return nn.Sequential(
        nn.Conv2d(3, 16, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 10),
    )


def train_ours(images: Tensor, labels: Tensor) -> nn.Module:
    """Return a network that was trained by our recipe."""
    network = make_network().to(memory_format=torch.channels_last)
    padded = F.pad(scale(images), (SHIFT,) * 4, mode="reflect")
    padded = padded.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        network.parameters(), lr=RATE, momentum=0.9, nesterov=True, weight_decay=DECAY
    )
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        RATE,
        total_steps=steps,
        pct_start=0.25,
        anneal_strategy="linear",
        cycle_momentum=False,
        div_factor=5,
        final_div_factor=1000,
    )
    for epoch in range(EPOCHS):
        batches = torch.randperm(len(images))[: len(images) // BATCH * BATCH].split(BATCH)
        title = f"ours, epoch {epoch + 1} of {EPOCHS}"
        for batch in tqdm(batches, desc=title, leave=False, mininterval=1):
            i, j = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
            x = padded[batch, :, i : i + 32, j : j + 32]
            # The batch is in random order, so this mirrors a random half of the photos.
            x = torch.cat([x[: BATCH // 2].flip(3), x[BATCH // 2 :]])
            x = x.contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x), labels[batch], label_smoothing=SMOOTHING)
            loss.backward()
            optimizer.step()
            schedule.step()
    return network


def measure_accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the accuracy in percent."""
    network.eval()
    with torch.no_grad():
        guesses = torch.cat([network(scale(x)).argmax(1) for x in images.split(1000)])
    return 100 * (guesses == labels).float().mean().item()


def main() -> None:
    """Train by both recipes and print what they reach."""
    try:
        folder = find()
    except CifarError as error:
        sys.exit(str(error))
    if folder is None:
        sys.exit("the full CIFAR-10 is not on this machine: python data/cifar10.py downloads it")
    splits = {}
    for split in ("train", "test"):
        images, labels = (torch.from_numpy(array) for array in read(folder, split))
        splits[split] = images.permute(0, 3, 1, 2).contiguous(), labels.long()
    title = f"{torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} at the start"
    table = Table("recipe", "parameters", "test accuracy", "seconds", title=title)
    seconds = []
    for name, train in {"given": train_given, "ours": train_ours}.items():
        torch.manual_seed(SEED)
        start = time.perf_counter()
        network = train(*splits["train"])
        seconds.append(time.perf_counter() - start)
        accuracy = measure_accuracy(network, *splits["test"])
        count = sum(p.numel() for p in network.parameters())
        table.add_row(name, f"{count:,}", f"{accuracy:.1f} %", f"{seconds[-1]:.1f}")
    console = Console()
    console.print(table)
    console.print(f"ours takes {seconds[1] / seconds[0]:.2f} of the time of the given recipe")


if __name__ == "__main__":
    main()
