"""Right and wrong answers to the exercises of 06_cifar10_cnn, as `autograder verify` grades them.

Each cell replaces the solution cell that its marker names.
A wrong answer also says which words the message of its first failing test must contain.
The imports below are here for the linter: the set-up cell of the exercises does them for all answers.
"""

import math
from pathlib import Path

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset


# %% counts the places right="output_size"
def output_size(size, kernel, stride, padding, dilation):
    return len(range(0, size + 2 * padding - dilation * (kernel - 1), stride))


# %% asks torch right="output_size"
def output_size(size, kernel, stride, padding, dilation):
    row = torch.zeros(1, 1, size)
    return F.conv1d(row, torch.zeros(1, 1, kernel), None, stride, padding, dilation).shape[2]


# %% rounds down with math.floor right="output_size"
def output_size(size, kernel, stride, padding, dilation):
    return math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)


# %% forgets the floor wrong="output_size" says="wrong type: float instead of int"
def output_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1


# %% rounds instead of cutting off wrong="output_size" says="wrong value: 5 instead of 4"
def output_size(size, kernel, stride, padding, dilation):
    return math.ceil((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1


# %% leaves out the dilation wrong="output_size" says="wrong value: 30 instead of 28"
def output_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - kernel) // stride + 1


# %% pads one side only wrong="output_size" says="wrong value: 31 instead of 32"
def output_size(size, kernel, stride, padding, dilation):
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


# %% multiplies the kernel by the dilation wrong="output_size" says="wrong value"
def output_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * kernel) // stride + 1


# %% forgets the first place wrong="output_size" says="wrong value: 27 instead of 28"
def output_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride


# %% divides before it subtracts wrong="output_size" says="wrong value"
def output_size(size, kernel, stride, padding, dilation):
    return (size + 2 * padding) // stride - dilation * (kernel - 1)


# %% loops over the places right="convolve"
def convolve(image, weight, bias, stride, padding):
    channels, height, width = image.shape
    out, _, kh, kw = weight.shape
    padded = torch.zeros(channels, height + 2 * padding, width + 2 * padding)
    padded[:, padding : padding + height, padding : padding + width] = image
    rows = (height + 2 * padding - kh) // stride + 1
    columns = (width + 2 * padding - kw) // stride + 1
    result = torch.zeros(out, rows, columns)
    for i in range(rows):
        for j in range(columns):
            window = padded[:, i * stride : i * stride + kh, j * stride : j * stride + kw]
            result[:, i, j] = (window * weight).sum(dim=(1, 2, 3)) + bias
    return result


# %% adds one shifted image for each weight right="convolve"
def convolve(image, weight, bias, stride, padding):
    x = np.pad(image.numpy(), ((0, 0), (padding, padding), (padding, padding)))
    kh, kw = weight.shape[2:]
    rows, columns = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    result = bias.view(-1, 1, 1).repeat(1, rows, columns)
    for i in range(kh):
        for j in range(kw):
            part = torch.from_numpy(x)[
                :, i : i + stride * rows : stride, j : j + stride * columns : stride
            ]
            result += torch.tensordot(weight[:, :, i, j], part[:, :rows, :columns], dims=1)
    return result


# %% one matrix product of all windows right="convolve"
def convolve(image, weight, bias, stride, padding):
    columns = F.unfold(image[None], weight.shape[2:], padding=padding, stride=stride)[0]
    rows = (image.shape[1] + 2 * padding - weight.shape[2]) // stride + 1
    return (weight.flatten(1) @ columns + bias[:, None]).unflatten(1, (rows, -1))


# %% flips the kernels, as mathematics does wrong="convolve" says="wrong values"
def convolve(image, weight, bias, stride, padding):
    return F.conv2d(image[None], weight.flip(2, 3), bias, stride, padding)[0]


# %% forgets the bias wrong="convolve" says="wrong values: 51 instead of 51.5"
def convolve(image, weight, bias, stride, padding):
    return F.conv2d(image[None], weight, None, stride, padding)[0]


# %% ignores the stride wrong="convolve" says="wrong shape: (1, 2, 2) instead of (1, 1, 1)"
def convolve(image, weight, bias, stride, padding):
    return F.conv2d(image[None], weight, bias, 1, padding)[0]


# %% repeats the border instead of zeros wrong="convolve" says="wrong values"
def convolve(image, weight, bias, stride, padding):
    if padding:
        image = F.pad(image[None], (padding,) * 4, mode="replicate")[0]
    return F.conv2d(image[None], weight, bias, stride)[0]


# %% uses the first input channel only wrong="convolve" says="wrong values: 1 instead of 301"
def convolve(image, weight, bias, stride, padding):
    return F.conv2d(image[None, :1], weight[:, :1], bias, stride, padding)[0]


# %% keeps the dimension of the batch wrong="convolve" says="wrong shape: (1, 1, 2, 2) instead of (1, 2, 2)"
def convolve(image, weight, bias, stride, padding):
    return F.conv2d(image[None], weight, bias, stride, padding)


# %% exchanges height and width of the kernel wrong="convolve" says="wrong"
def convolve(image, weight, bias, stride, padding):
    return F.conv2d(image[None], weight.transpose(2, 3), bias, stride, padding)[0]


# %% strides only downwards wrong="convolve" says="wrong shape: (1, 1, 2) instead of (1, 1, 1)"
def convolve(image, weight, bias, stride, padding):
    return F.conv2d(image[None], weight, bias, (stride, 1), padding)[0]


# %% with a loop right="count_parameters"
def count_parameters(network):
    trainable = frozen = 0
    for p in network.parameters():
        if p.requires_grad:
            trainable += p.numel()
        else:
            frozen += p.numel()
    return trainable, frozen


# %% from the names and shapes right="count_parameters"
def count_parameters(network):
    counts = {True: 0, False: 0}
    for _, p in network.named_parameters():
        counts[p.requires_grad] += math.prod(p.shape)
    return counts[True], counts[False]


# %% counts the buffers too wrong="count_parameters" says="item 0: wrong value: 481 instead of 468"
def count_parameters(network):
    total = sum(x.numel() for x in network.state_dict().values())
    frozen = sum(p.numel() for p in network.parameters() if not p.requires_grad)
    return total - frozen, frozen


# %% counts tensors, not numbers wrong="count_parameters" says="item 0: wrong value: 4 instead of 468"
def count_parameters(network):
    trainable = [p for p in network.parameters() if p.requires_grad]
    return len(trainable), len(list(network.parameters())) - len(trainable)


# %% forgets the frozen ones wrong="count_parameters" says="wrong type: int instead of tuple"
def count_parameters(network):
    return sum(p.numel() for p in network.parameters())


# %% takes all for trainable wrong="count_parameters" says="item 0: wrong value: 468 instead of 12"
def count_parameters(network):
    return sum(p.numel() for p in network.parameters()), 0


# %% exchanges the two wrong="count_parameters" says="item 0: wrong value: 0 instead of 468"
def count_parameters(network):
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return sum(p.numel() for p in network.parameters()) - trainable, trainable


# %% looks at the layers of the first level only wrong="count_parameters" says="wrong value"
def count_parameters(network):
    counts = [0, 0]
    layers = list(network.children()) or [network]
    for layer in dict.fromkeys(layers):
        for p in layer.parameters(recurse=False):
            counts[not p.requires_grad] += p.numel()
    return tuple(counts)


# %% counts what is shared twice wrong="count_parameters" says="wrong value"
def count_parameters(network):
    counts = [0, 0]
    for _, p in network.named_parameters(remove_duplicate=False):
        counts[not p.requires_grad] += p.numel()
    return tuple(counts)


# %% keeps the file open and reads on demand right="Photos"
class Photos(Dataset):
    def __init__(self, path, split):
        self.file = h5py.File(path, "r")
        self.split = self.file[split]

    def __len__(self):
        return self.split["labels"].shape[0]

    def __getitem__(self, i):
        image = torch.tensor(self.split["images"][i], dtype=torch.float32)
        return image.movedim(2, 0) / 255.0, int(self.split["labels"][i])


# %% prepares everything at the start right="Photos"
class Photos(torch.utils.data.Dataset):
    def __init__(self, path, split):
        file = h5py.File(path)
        images = np.array(file[f"{split}/images"]).astype(np.float32) / 255
        self.x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        self.y = torch.from_numpy(np.array(file[f"{split}/labels"]))

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i].item()


# %% relabels the axes instead of moving them wrong="Photos" says="wrong values"
class Photos(Dataset):
    def __init__(self, path, split):
        with h5py.File(path) as file:
            self.images = torch.from_numpy(file[split]["images"][:])
            self.labels = file[split]["labels"][:].tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i].reshape(3, 32, 32) / 255, self.labels[i]


# %% keeps the channels last wrong="Photos" says="wrong shape: (32, 32, 3) instead of (3, 32, 32)"
class Photos(Dataset):
    def __init__(self, path, split):
        with h5py.File(path) as file:
            self.images = torch.from_numpy(file[split]["images"][:])
            self.labels = file[split]["labels"][:].tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i] / 255, self.labels[i]


# %% keeps the bytes wrong="Photos" says="wrong dtype: torch.uint8 instead of torch.float32"
class Photos(Dataset):
    def __init__(self, path, split):
        with h5py.File(path) as file:
            self.images = torch.from_numpy(file[split]["images"][:])
            self.labels = file[split]["labels"][:].tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i].permute(2, 0, 1), self.labels[i]


# %% does not scale wrong="Photos" says="wrong values"
class Photos(Dataset):
    def __init__(self, path, split):
        with h5py.File(path) as file:
            self.images = torch.from_numpy(file[split]["images"][:])
            self.labels = file[split]["labels"][:].tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i].permute(2, 0, 1).float(), self.labels[i]


# %% always reads the training split wrong="Photos" says="len(photos) is wrong"
class Photos(Dataset):
    def __init__(self, path, split):
        with h5py.File(path) as file:
            self.images = torch.from_numpy(file["train"]["images"][:])
            self.labels = file["train"]["labels"][:].tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i].permute(2, 0, 1) / 255, self.labels[i]


# %% keeps the labels as NumPy numbers wrong="Photos" says="item 1: wrong type: "
class Photos(Dataset):
    def __init__(self, path, split):
        with h5py.File(path) as file:
            self.images = torch.from_numpy(file[split]["images"][:])
            self.labels = torch.from_numpy(file[split]["labels"][:])

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return self.images[i].permute(2, 0, 1) / 255, self.labels[i]


# %% begins again past the end wrong="Photos" says="an index past the end must raise an IndexError"
class Photos(Dataset):
    def __init__(self, path, split):
        with h5py.File(path) as file:
            self.images = torch.from_numpy(file[split]["images"][:])
            self.labels = file[split]["labels"][:].tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        i = i % len(self.labels)
        return self.images[i].permute(2, 0, 1) / 255, self.labels[i]


# %% uses a file that is closed wrong="Photos" says="__len__ raised"
class Photos(Dataset):
    def __init__(self, path, split):
        with h5py.File(path) as file:
            self.images = file[split]["images"]
            self.labels = file[split]["labels"]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return torch.from_numpy(self.images[i]).permute(2, 0, 1) / 255, int(self.labels[i])


# %% loops over the images right="augment"
def augment(images, padding):
    _, _, height, width = images.shape
    results = []
    for image in images:
        if torch.rand(()) < 0.5:
            image = image.flip(-1)
        image = F.pad(image, (padding, padding, padding, padding))
        i = torch.randint(0, 2 * padding + 1, ()).item()
        j = torch.randint(0, 2 * padding + 1, ()).item()
        results.append(image[:, i : i + height, j : j + width])
    return torch.stack(results)


# %% crops first, then mirrors in place right="augment"
def augment(images, padding):
    n, c, h, w = images.shape
    big = torch.zeros(n, c, h + 2 * padding, w + 2 * padding)
    big[:, :, padding : padding + h, padding : padding + w] = images
    result = torch.empty_like(images)
    for k, (i, j) in enumerate(torch.randint(2 * padding + 1, (n, 2)).tolist()):
        result[k] = big[k, :, i : i + h, j : j + w]
    mirrored = torch.randint(2, (n,)).bool()
    result[mirrored] = result[mirrored].flip(3)
    return result


# %% one place for the whole batch wrong="augment" says="equally often, image by image"
def augment(images, padding):
    n, _, h, w = images.shape
    flip = torch.rand(n, 1, 1, 1) < 0.5
    images = F.pad(torch.where(flip, images.flip(3), images), (padding,) * 4)
    i, j = torch.randint(0, 2 * padding + 1, (2,)).tolist()
    return images[:, :, i : i + h, j : j + w]


# %% mirrors all or none wrong="augment" says="about half of the images must be mirrored"
def augment(images, padding):
    h, w = images.shape[2:]
    if torch.rand(()) < 0.5:
        images = images.flip(3)
    results = []
    for image in F.pad(images, (padding,) * 4):
        i, j = torch.randint(0, 2 * padding + 1, (2,)).tolist()
        results.append(image[:, i : i + h, j : j + w])
    return torch.stack(results)


# %% mirrors up and down wrong="augment" says="must be as it was or mirrored left to right"
def augment(images, padding):
    h, w = images.shape[2:]
    results = []
    for image in F.pad(images, (padding,) * 4):
        if torch.rand(()) < 0.5:
            image = image.flip(1)
        i, j = torch.randint(0, 2 * padding + 1, (2,)).tolist()
        results.append(image[:, i : i + h, j : j + w])
    return torch.stack(results)


# %% never reaches the last place wrong="augment" says="equally often, image by image"
def augment(images, padding):
    h, w = images.shape[2:]
    results = []
    for image in F.pad(images, (padding,) * 4):
        if torch.rand(()) < 0.5:
            image = image.flip(2)
        i, j = torch.randint(0, max(2 * padding, 1), (2,)).tolist()
        results.append(image[:, i : i + h, j : j + w])
    return torch.stack(results)


# %% moves down and right by the same number wrong="augment" says="equally often, image by image"
def augment(images, padding):
    h, w = images.shape[2:]
    results = []
    for image in F.pad(images, (padding,) * 4):
        if torch.rand(()) < 0.5:
            image = image.flip(2)
        i = torch.randint(0, 2 * padding + 1, ()).item()
        results.append(image[:, i : i + h, i : i + w])
    return torch.stack(results)


# %% seeds the generator wrong="augment" says="do not seed the generator"
def augment(images, padding):
    torch.manual_seed(0)
    h, w = images.shape[2:]
    results = []
    for image in F.pad(images, (padding,) * 4):
        if torch.rand(()) < 0.5:
            image = image.flip(2)
        i, j = torch.randint(0, 2 * padding + 1, (2,)).tolist()
        results.append(image[:, i : i + h, j : j + w])
    return torch.stack(results)


# %% mirrors in the memory of the batch wrong="augment" says="changed its argument images: work on a copy"
def augment(images, padding):
    h, w = images.shape[2:]
    flip = torch.rand(len(images)) < 0.5
    images[flip] = images[flip].flip(3)
    results = []
    for image in F.pad(images, (padding,) * 4):
        i, j = torch.randint(0, 2 * padding + 1, (2,)).tolist()
        results.append(image[:, i : i + h, j : j + w])
    return torch.stack(results)


# %% rolls around instead of zeros wrong="augment" says="no version of the image at the same place"
def augment(images, padding):
    results = []
    for image in images:
        if torch.rand(()) < 0.5:
            image = image.flip(2)
        i, j = torch.randint(-padding, padding + 1, (2,)).tolist()
        results.append(image.roll((i, j), (1, 2)))
    return torch.stack(results)


# %% mixes up the order of the batch wrong="augment" says="must be as it was or mirrored left to right"
def augment(images, padding):
    h, w = images.shape[2:]
    flip = torch.rand(len(images)) < 0.5
    images = torch.cat([images[flip].flip(3), images[~flip]])
    results = []
    for image in F.pad(images, (padding,) * 4):
        i, j = torch.randint(0, 2 * padding + 1, (2,)).tolist()
        results.append(image[:, i : i + h, j : j + w])
    return torch.stack(results)


# %% returns the larger images wrong="augment" says="wrong shape: "
def augment(images, padding):
    flip = torch.rand(len(images), 1, 1, 1) < 0.5
    return F.pad(torch.where(flip, images.flip(3), images), (padding,) * 4)


# %% like LeNet right="PhotoNet"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc3(F.relu(self.fc2(x)))


# %% with a ModuleList, dropout and a mean over the pixels right="PhotoNet"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        sizes = [(3, 24), (24, 48), (48, 96)]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in sizes)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(96, 10)

    def forward(self, x):
        for layer in self.layers:
            x = torch.nn.functional.gelu(layer(x))
        return self.head(self.dropout(x.mean(dim=(2, 3))))


# %% without convolutions right="PhotoNet"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3 * 32 * 32, 60)
        self.second = nn.Linear(60, 10)

    def forward(self, x):
        return self.second(torch.tanh(self.first(x.flatten(1))))


# %% tanh and average pooling right="PhotoNet"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 12, 5, bias=False),
            nn.BatchNorm2d(12),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(12, 24, 5, bias=False),
            nn.BatchNorm2d(24),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24 * 25, 10),
        )

    def forward(self, images):
        return self.layers(images)


# %% lazy layers and global pooling right="PhotoNet"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.LazyConv2d(32, 3)
        self.linear = nn.LazyLinear(10)

    def forward(self, images):
        return self.linear(self.conv(images).relu().amax((2, 3)))


# %% too large wrong="PhotoNet" says="at most 200000"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 16 * 16, 100)
        self.out = nn.Linear(100, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.out(F.relu(self.fc(x.flatten(1))))


# %% ends with softmax wrong="PhotoNet" says="look like the result of softmax"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return F.softmax(self.out(F.relu(self.conv(x)).mean((2, 3))), dim=1)


# %% ends with ReLU wrong="PhotoNet" says="raw scores have both signs"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return F.relu(self.out(F.relu(self.conv(x)).mean((2, 3))))


# %% layers in a plain list wrong="PhotoNet" says="PhotoNet must have parameters"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [
            nn.Conv2d(3, 16, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(16 * 15 * 15, 10),
        ]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


# %% some layers in a plain list wrong="PhotoNet" says="forward raised RuntimeError"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(3, 16, 3, stride=2), nn.ReLU()]
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.out(x.mean((2, 3)))


# %% flattens the batch too wrong="PhotoNet" says="forward raised RuntimeError"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.out = nn.Linear(16 * 15 * 15, 10)

    def forward(self, x):
        return self.out(torch.flatten(F.relu(self.conv(x))))


# %% makes a layer that it does not use wrong="PhotoNet" says="training cannot reach some parameters"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.norm = nn.BatchNorm2d(16)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return self.out(F.relu(self.conv(x)).mean((2, 3)))


# %% dropout that never ends wrong="PhotoNet" says="the scores of the second call in evaluation mode"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return self.out(F.dropout(F.relu(self.conv(x)), 0.3).mean((2, 3)))


# %% normalizes with the other photos of the batch wrong="PhotoNet" says="a photo alone in its batch"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        x = x - x.mean(dim=0)
        return self.out(F.relu(self.conv(x)).mean((2, 3))) + 0 * x.sum()


# %% nothing between the layers wrong="PhotoNet" says="the network is a linear function of the photo"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return self.out(self.conv(x).mean((2, 3)))


# %% looks at the middle of the photo only wrong="PhotoNet" says="some parts of a photo cannot change the scores"
class PhotoNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return self.out(F.relu(self.conv(x[:, :, 4:28, 4:28])).mean((2, 3)))


# %% gradients of the network are cleared right="train_step"
def train_step(network, optimizer, images, labels):
    network.train()
    network.zero_grad()
    scores = network(images)
    loss = nn.CrossEntropyLoss()(scores, labels)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


# %% cross-entropy from log-softmax right="train_step"
def train_step(network, optimizer, images, labels):
    network.train(True)
    for p in network.parameters():
        p.grad = None
    log_p = network(images).log_softmax(dim=1)
    loss = -log_p[torch.arange(len(labels)), labels].mean()
    loss.backward()
    optimizer.step()
    return loss.item()


# %% never clears the gradients wrong="train_step" says="step 2 of train_step"
def train_step(network, optimizer, images, labels):
    network.train()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% clears the gradients after the step only wrong="train_step" says="step 2 of train_step"
def train_step(network, optimizer, images, labels):
    network.train()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


# %% clears the gradients too late wrong="train_step" says="network.weight after the step"
def train_step(network, optimizer, images, labels):
    network.train()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


# %% forgets the step wrong="train_step" says="network.weight after the step"
def train_step(network, optimizer, images, labels):
    network.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    return loss.item()


# %% softmax before the cross-entropy wrong="train_step" says="network.weight after the step"
def train_step(network, optimizer, images, labels):
    network.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images).softmax(dim=1), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% returns the tensor wrong="train_step" says="wrong type: Tensor instead of float"
def train_step(network, optimizer, images, labels):
    network.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss


# %% forgets the mode wrong="train_step" says="the network must be in training mode"
def train_step(network, optimizer, images, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


# %% trains in evaluation mode wrong="train_step" says="the running mean of the batch normalization"
def train_step(network, optimizer, images, labels):
    network.eval()
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    network.train()
    return loss.item()


# %% sums up the losses wrong="train_step" says="wrong value"
def train_step(network, optimizer, images, labels):
    network.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(network(images), labels, reduction="sum")
    loss.backward()
    optimizer.step()
    return loss.item()


# %% the loss after the step wrong="train_step" says="wrong value"
def train_step(network, optimizer, images, labels):
    network.train()
    optimizer.zero_grad()
    F.cross_entropy(network(images), labels).backward()
    optimizer.step()
    return F.cross_entropy(network(images), labels).item()


# %% fork_rng and inference_mode right="evaluate"
def evaluate(network, loader):
    was = [(m, m.training) for m in network.modules()]
    network.eval()
    hits = []
    with torch.random.fork_rng(), torch.inference_mode():
        for images, labels in loader:
            hits.append(network(images).argmax(1) == labels)
    for m, mode in was:
        m.training = mode
    return torch.cat(hits).double().mean().item()


# %% as a decorator, with max right="evaluate"
@torch.no_grad()
def evaluate(network, loader):
    modes = {name: m.training for name, m in network.named_modules()}
    state = torch.random.get_rng_state()
    network.train(False)
    guesses, truth = [], []
    for images, labels in loader:
        guesses += torch.max(network(images), 1).indices.tolist()
        truth += labels.tolist()
    for name, m in network.named_modules():
        m.training = modes[name]
    torch.random.set_rng_state(state)
    return sum(a == b for a, b in zip(guesses, truth, strict=True)) / len(truth)


# %% always the same random numbers wrong="evaluate" says="evaluate sets the random generator to the same state"
def evaluate(network, loader):
    torch.manual_seed(0)
    modes = [(layer, layer.training) for layer in network.modules()]
    network.eval()
    hits = []
    with torch.no_grad():
        for images, labels in loader:
            hits.append(network(images).argmax(1) == labels)
    for layer, mode in modes:
        layer.training = mode
    torch.manual_seed(0)
    return torch.cat(hits).float().mean().item()


# %% mean of the accuracies of the batches wrong="evaluate" says="wrong value: 0.75 instead of 0.666"
def evaluate(network, loader):
    modes = {m: m.training for m in network.modules()}
    state = torch.get_rng_state()
    network.eval()
    parts = []
    with torch.no_grad():
        for images, labels in loader:
            parts.append((network(images).argmax(1) == labels).float().mean().item())
    for m, mode in modes.items():
        m.training = mode
    torch.set_rng_state(state)
    return sum(parts) / len(parts)


# %% stays in training mode wrong="evaluate" says="wrong value"
def evaluate(network, loader):
    state = torch.get_rng_state()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(1) == labels).sum().item()
            total += len(labels)
    torch.set_rng_state(state)
    return right / total


# %% leaves the network in evaluation mode wrong="evaluate" says="[layer.training for layer in network] after evaluate"
def evaluate(network, loader):
    state = torch.get_rng_state()
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(1) == labels).sum().item()
            total += len(labels)
    torch.set_rng_state(state)
    return right / total


# %% train() at the end wrong="evaluate" says="[layer.training for layer in network] after evaluate"
def evaluate(network, loader):
    state = torch.get_rng_state()
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(1) == labels).sum().item()
            total += len(labels)
    network.train()
    torch.set_rng_state(state)
    return right / total


# %% gives all layers the mode of the network wrong="evaluate" says="[layer.training for layer in network] after evaluate"
def evaluate(network, loader):
    state, mode = torch.get_rng_state(), network.training
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(1) == labels).sum().item()
            total += len(labels)
    network.train(mode)
    torch.set_rng_state(state)
    return right / total


# %% remembers the layers of the first level only wrong="evaluate" says="a layer inside another layer"
def evaluate(network, loader):
    state, mode = torch.get_rng_state(), network.training
    modes = [m.training for m in network.children()]
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(1) == labels).sum().item()
            total += len(labels)
    network.training = mode
    for m, old in zip(network.children(), modes, strict=True):
        m.train(old)
    torch.set_rng_state(state)
    return right / total


# %% uses up random numbers wrong="evaluate" says="evaluate has used up random numbers"
def evaluate(network, loader):
    modes = {m: m.training for m in network.modules()}
    network.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(1) == labels).sum().item()
            total += len(labels)
    for m, mode in modes.items():
        m.training = mode
    return right / total


# %% records for gradients wrong="evaluate" says="evaluate records what it computes for gradients"
def evaluate(network, loader):
    modes = {m: m.training for m in network.modules()}
    state = torch.get_rng_state()
    network.eval()
    right = total = 0
    for images, labels in loader:
        right += (network(images).argmax(1) == labels).sum().item()
        total += len(labels)
    for m, mode in modes.items():
        m.training = mode
    torch.set_rng_state(state)
    return right / total


# %% clears the gradients wrong="evaluate" says="the gradient of"
def evaluate(network, loader):
    modes = {m: m.training for m in network.modules()}
    state = torch.get_rng_state()
    network.eval()
    network.zero_grad(set_to_none=False)
    right = total = 0
    with torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(1) == labels).sum().item()
            total += len(labels)
    for m, mode in modes.items():
        m.training = mode
    torch.set_rng_state(state)
    return right / total


# %% returns a tensor wrong="evaluate" says="wrong type: Tensor instead of float"
def evaluate(network, loader):
    modes = {m: m.training for m in network.modules()}
    network.eval()
    right, total = 0, 0
    with torch.random.fork_rng(), torch.no_grad():
        for images, labels in loader:
            right += (network(images).argmax(1) == labels).sum()
            total += len(labels)
    for m, mode in modes.items():
        m.training = mode
    return right / total


# %% one after the other right="confusion_matrix"
def confusion_matrix(predictions, labels, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for i, j in zip(labels.tolist(), predictions.tolist(), strict=True):
        matrix[i, j] += 1
    return matrix


def class_accuracy(matrix):
    return torch.tensor(
        [row[i] / sum(row) if sum(row) else math.nan for i, row in enumerate(matrix.tolist())]
    )


# %% one-hot vectors and a matrix product right="confusion_matrix"
def confusion_matrix(predictions, labels, classes):
    return F.one_hot(labels, classes).t() @ F.one_hot(predictions, classes)


def class_accuracy(matrix):
    matrix = matrix.float()
    return torch.diag(matrix) / matrix.sum(1)


# %% index_put with accumulate right="confusion_matrix"
def confusion_matrix(predictions, labels, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.long)
    return matrix.index_put_((labels, predictions), torch.ones_like(labels), accumulate=True)


def class_accuracy(matrix):
    return torch.stack([matrix[i, i] / matrix[i].sum() for i in range(len(matrix))])


# %% counts each pair once wrong="confusion_matrix" says="wrong values: 1 instead of 2"
def confusion_matrix(predictions, labels, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    matrix[labels, predictions] += 1
    return matrix


def class_accuracy(matrix):
    return matrix.diagonal() / matrix.sum(dim=1)


# %% exchanges rows and columns wrong="confusion_matrix" says="wrong values"
def confusion_matrix(predictions, labels, classes):
    cells = predictions * classes + labels
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes)


def class_accuracy(matrix):
    return matrix.diagonal() / matrix.sum(dim=1)


# %% forgets that the last class may be missing wrong="confusion_matrix" says="confusion_matrix raised RuntimeError"
def confusion_matrix(predictions, labels, classes):
    return torch.bincount(labels * classes + predictions).view(classes, classes)


def class_accuracy(matrix):
    return matrix.diagonal() / matrix.sum(dim=1)


# %% divides by the column wrong="confusion_matrix" says="class_accuracy returned the wrong values"
def confusion_matrix(predictions, labels, classes):
    cells = labels * classes + predictions
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes)


def class_accuracy(matrix):
    return matrix.diagonal() / matrix.sum(dim=0)


# %% divides by all wrong="confusion_matrix" says="class_accuracy returned the wrong values"
def confusion_matrix(predictions, labels, classes):
    cells = labels * classes + predictions
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes)


def class_accuracy(matrix):
    return matrix.diagonal() / matrix.sum()


# %% makes a missing class perfect wrong="confusion_matrix" says="class_accuracy returned the wrong values"
def confusion_matrix(predictions, labels, classes):
    cells = labels * classes + predictions
    return torch.bincount(cells, minlength=classes * classes).view(classes, classes)


def class_accuracy(matrix):
    return torch.nan_to_num(matrix.diagonal() / matrix.sum(dim=1), nan=1.0)


# %% counts with floats wrong="confusion_matrix" says="wrong dtype: torch.float32 instead of torch.int64"
def confusion_matrix(predictions, labels, classes):
    return F.one_hot(labels, classes).float().t() @ F.one_hot(predictions, classes).float()


def class_accuracy(matrix):
    return matrix.diagonal() / matrix.sum(dim=1)


# %% through bytes in memory right="save_weights"
def save_weights(network, path):
    with Path(path).open("wb") as file:
        torch.save(dict(network.state_dict()), file)


def load_weights(network, path):
    with Path(path).open("rb") as file:
        state = torch.load(file, map_location=torch.device("cpu"), weights_only=True)
    network.load_state_dict(state)
    network.train(False)
    return network


# %% copies each tensor right="save_weights"
def save_weights(network, path):
    torch.save({name: value.clone() for name, value in network.state_dict().items()}, path)


def load_weights(network, path):
    state = torch.load(path, map_location="cpu")
    mine = network.state_dict()
    assert mine.keys() == state.keys()
    for name, value in state.items():
        mine[name].copy_(value)
    return network.eval()


# %% to where the tensors were wrong="save_weights" says="Attempting to deserialize object on"
def save_weights(network, path):
    torch.save(network.state_dict(), path)


def load_weights(network, path):
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


# %% trusts a stranger wrong="save_weights" says="load_weights must load nothing but weights"
def save_weights(network, path):
    torch.save(network.state_dict(), path)


def load_weights(network, path):
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=False))
    return network.eval()


# %% saves the parameters without the buffers wrong="save_weights" says="load_weights raised RuntimeError"
def save_weights(network, path):
    torch.save(dict(network.named_parameters()), path)


def load_weights(network, path):
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


# %% does without the buffers wrong="save_weights" says="1.running_mean of the loaded network: wrong values"
def save_weights(network, path):
    torch.save(dict(network.named_parameters()), path)


def load_weights(network, path):
    state = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(state, strict=False)
    return network.eval()


# %% forgets the evaluation mode wrong="save_weights" says="the network must be in evaluation mode"
def save_weights(network, path):
    torch.save(network.state_dict(), path)


def load_weights(network, path):
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network


# %% returns what load_state_dict returns wrong="save_weights" says="load_weights must return the network that it was given"
def save_weights(network, path):
    torch.save(network.state_dict(), path)


def load_weights(network, path):
    return network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))


# %% saves the whole object wrong="save_weights" says="load_weights raised UnpicklingError"
def save_weights(network, path):
    torch.save(network, path)


def load_weights(network, path):
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True).state_dict())
    return network.eval()


# %% loads and does nothing with it wrong="save_weights" says="wrong values"
def save_weights(network, path):
    torch.save(network.state_dict(), path)


def load_weights(network, path):
    torch.load(path, map_location="cpu", weights_only=True)
    return network.eval()


# %% keeps the weights in memory wrong="save_weights" says="wrong values"
def save_weights(network, path):
    save_weights.state = network.state_dict()


def load_weights(network, path):
    network.load_state_dict(save_weights.state)
    return network.eval()


# %% evaluates the network that is saved wrong="save_weights" says="save_weights must leave the network in the mode in which it was"
def save_weights(network, path):
    torch.save(network.eval().state_dict(), path)


def load_weights(network, path):
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval()


# %% a class, Adam and a loader right="train_classifier"
def train_classifier(images, labels):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 24, 5, stride=4, padding=2)
            self.conv2 = nn.Conv2d(24, 40, 3, padding=1)
            self.norm1, self.norm2 = nn.BatchNorm2d(24), nn.BatchNorm2d(40)
            self.fc = nn.Linear(40 * 4 * 4, 10)

        def forward(self, x):
            x = (x - 0.47) / 0.25
            x = F.relu(self.norm1(self.conv1(x)))
            x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
            return self.fc(x.flatten(1))

    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.003)
    data = torch.utils.data.TensorDataset(images, labels)
    loader = torch.utils.data.DataLoader(data, batch_size=64, shuffle=True)
    for _ in range(5):
        for x, y in loader:
            loss = nn.functional.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    return network


# %% smaller photos, mirrored at random right="train_classifier"
def train_classifier(images, labels):
    network = nn.Sequential(
        nn.AvgPool2d(2),
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 40, 3, padding=1, bias=False),
        nn.BatchNorm2d(40),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(640, 10),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.01)
    for epoch in range(5):
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * (1 - epoch / 5)
        for batch in torch.randperm(len(images)).split(50):
            x = images[batch]
            if torch.rand(()) < 0.5:
                x = x.flip(3)
            optimizer.zero_grad()
            nn.CrossEntropyLoss()(network(x), labels[batch]).backward()
            optimizer.step()
    return network.eval()


# %% does not train wrong="train_classifier" says="the network is not accurate enough"
def train_classifier(images, labels):
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)).eval()


# %% an epoch of the given recipe wrong="train_classifier" says="the network is not accurate enough"
def train_classifier(images, labels):
    network = nn.Sequential(
        nn.Conv2d(3, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    for batch in torch.randperm(len(images)).split(4):
        optimizer.zero_grad()
        F.cross_entropy(network((images[batch] - 0.5) / 0.5), labels[batch]).backward()
        optimizer.step()
    return network.eval()


# %% leaves the network in training mode wrong="train_classifier" says="in evaluation mode"
def train_classifier(images, labels):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    optimizer = torch.optim.Adam(network.parameters())
    for batch in torch.randperm(len(images)).split(100):
        optimizer.zero_grad()
        F.cross_entropy(network(images[batch]), labels[batch]).backward()
        optimizer.step()
    return network


# %% a linear model only wrong="train_classifier" says="the network is not accurate enough"
def train_classifier(images, labels):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(10):
        for batch in torch.randperm(len(images)).split(100):
            optimizer.zero_grad()
            F.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    return network.eval()


# %% returns the loss wrong="train_classifier" says="train_classifier must return the network"
def train_classifier(images, labels):
    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))
    return F.cross_entropy(network(images), labels).item()


# %% forgets that labels move with the photos wrong="train_classifier" says="the network is not accurate enough"
def train_classifier(images, labels):
    network = nn.Sequential(
        nn.Conv2d(3, 16, 4, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10)
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    images = images[torch.randperm(len(images))]
    for batch in torch.arange(len(images)).split(50):
        optimizer.zero_grad()
        F.cross_entropy(network(images[batch]), labels[batch]).backward()
        optimizer.step()
    return network.eval()


# %% the array of a file is read anew, so that to copy it changes nothing equivalent="Photos"
# - self.images = torch.from_numpy(file[split]['images'][:])
# + self.images = torch.tensor(file[split]['images'][:])

# %% mirrored or not, half of the images are equivalent="augment"
# - mirrored = torch.rand(n, 1, 1, 1) < 0.5
# + mirrored = torch.rand(n, 1, 1, 1) <= 0.5

# %% mirrored or not, half of the images are equivalent="augment"
# - mirrored = torch.rand(n, 1, 1, 1) < 0.5
# + mirrored = torch.rand(n, 1, 1, 1) >= 0.5

# %% mirrored or not, half of the images are equivalent="augment"
# - padded = F.pad(torch.where(mirrored, images.flip(3), images), (padding,) * 4)
# + padded = F.pad(torch.where(mirrored, images, images.flip(3)), (padding,) * 4)

# %% another network that is as good: the layers are free equivalent="PhotoNet"
#   nn.Conv2d(3, 16, 3, padding=1),
# + nn.ReLU(),
#   nn.BatchNorm2d(16),
# - nn.ReLU(),
#   nn.MaxPool2d(2),

# %% another network that is as good: the layers are free equivalent="PhotoNet"
# + nn.MaxPool2d(2),
# - nn.MaxPool2d(2),

# %% another network that is as good: the layers are free equivalent="PhotoNet"
# + nn.Conv2d(16, 32, 3, padding=1),
# - nn.Conv2d(16, 32, 3, padding=1),

# %% another network that is as good: the layers are free equivalent="PhotoNet"
#   nn.Conv2d(16, 32, 3, padding=1),
# + nn.ReLU(),
#   nn.BatchNorm2d(32),
# - nn.ReLU(),
#   nn.MaxPool2d(4)

# %% another network that is as good: the layers are free equivalent="PhotoNet"
# - nn.ReLU(),
# - nn.MaxPool2d(4)
# + nn.MaxPool2d(4),
# + nn.ReLU()

# %% another network that is as good: the layers are free equivalent="PhotoNet"
# - nn.Conv2d(3, 16, 3, padding=1),
# + nn.Conv2d(3, 16, 2, padding=1),

# %% another network that is as good: the layers are free equivalent="PhotoNet"
# - nn.Conv2d(3, 16, 3, padding=1),
# + nn.Conv2d(3, 16, 3, padding=2),

# %% another network that is as good: the layers are free equivalent="PhotoNet"
# - nn.Conv2d(16, 32, 3, padding=1),
# + nn.Conv2d(16, 32, 2, padding=1),

# %% another network that is as good: the layers are free equivalent="PhotoNet"
# - nn.Conv2d(16, 32, 3, padding=1),
# + nn.Conv2d(16, 32, 3, padding=2),

# %% the largest of what is cut off at 0 is the largest, cut off at 0 equivalent="train_classifier"
#   nn.BatchNorm2d(16),
# + nn.MaxPool2d(2),
#   nn.ReLU(),
# - nn.MaxPool2d(2),
#   nn.Conv2d(16, 32, 3, padding=1),

# %% the largest of what is cut off at 0 is the largest, cut off at 0 equivalent="train_classifier"
#   nn.BatchNorm2d(32),
# + nn.MaxPool2d(2),
#   nn.ReLU(),
# - nn.MaxPool2d(2),
#   nn.Flatten(),

# %% the schedule sets the rate and the momentum of each step equivalent="train_classifier"
# - optimizer = torch.optim.SGD(
# -     network.parameters(),
# -     lr=0.1,
# -     momentum=0.9,
# -     nesterov=True
# - )
# + optimizer = torch.optim.SGD(network.parameters(), momentum=0.9, nesterov=True)

# %% the schedule sets the rate and the momentum of each step equivalent="train_classifier"
# - lr=0.1,
# + lr=1.1,

# %% the schedule sets the rate and the momentum of each step equivalent="train_classifier"
# - momentum=0.9,
# + momentum=1.9,
