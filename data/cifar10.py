"""CIFAR-10: find or download the official files, read them, make the small set of the course.

    python data/cifar10.py          find the full set, or download it (162 MB), and print its folder
    python data/cifar10.py --mini   make data/cifar10-mini.h5 from the full set

The environment variable CIFAR10_ROOT names a folder that already has the full set, as the binary
version or the Python version of https://www.cs.toronto.edu/~kriz/cifar.html, or its parent folder.
Where there is no full set, `load` reads the small one and says so.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tarfile
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pooch
import requests
from tqdm import tqdm

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE_HASH = "md5:c32a1d4ab5d03f1284b67883e8d87530"
BINARY, PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"
MINI = Path(__file__).with_name("cifar10-mini.h5")
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
NAMES = BATCHES["train"] + BATCHES["test"]
PER_CLASS = {"train": 500, "test": 100}  # of the small set
IMAGES = 10_000  # in a file
RECORD = 1 + 3 * 32 * 32  # bytes of an image: its label, then its red, green and blue plane
# Of the Python version, whose files are pickles: nothing else is unpickled.
PICKLES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
TRIES = 5  # each goes on where the last one stopped
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class CifarError(Exception):
    """The full set cannot be had. The text is one line for people."""


def find() -> Path | None:
    """Return the folder of the full set, or None when it is not on this machine.

    Raises CifarError when CIFAR10_ROOT is set and is no such folder.
    """
    root = os.environ.get("CIFAR10_ROOT")
    parent = Path(root).expanduser() if root else _cache()
    for folder in [parent, parent / BINARY, parent / PYTHON]:
        if _is_binary(folder) or all((folder / name).is_file() for name in NAMES):
            return folder
    if root:
        raise CifarError(f"CIFAR10_ROOT is {root}, and the six files of CIFAR-10 are not there")
    return None


def fetch() -> Path:
    """Return the folder of the full set; download it when it is not on this machine.

    Raises CifarError.
    """
    folder = find()
    if folder is not None:
        return folder
    cache = _cache()
    pooch.get_logger().setLevel("WARNING")
    try:
        archive = pooch.retrieve(
            URL, ARCHIVE_HASH, fname=URL.rpartition("/")[2], path=cache, downloader=_download
        )
    except ValueError:  # pooch has removed the file
        raise CifarError(f"what came from {URL} is not CIFAR-10: its checksum is wrong") from None
    except (OSError, requests.RequestException) as error:
        raise CifarError(f"the download of {URL} failed ({type(error).__name__})") from error
    return _unpack(Path(archive), cache / BINARY)


def read(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, 32, 32, 3) and labels (N,) of "train" or "test", both uint8.

    Raises CifarError for a file that is not the official one.
    """
    read_file = _read_binary if _is_binary(folder) else _read_pickle
    records = np.concatenate([read_file(folder, name) for name in BATCHES[split]])
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].copy()


def load(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return `read` of the full set; where there is none, the small set, and say so."""
    try:
        return read(fetch(), split)
    except CifarError as error:
        print(f"{error}; using the small set {MINI.name} instead")
    with h5py.File(MINI) as file:
        return file[split]["images"][:], file[split]["labels"][:]


def write_mini(folder: Path, path: Path) -> None:
    """Write the first images of each class, in their order, to the HDF5 file `path`."""
    with h5py.File(path, "w") as file:
        file.attrs["title"] = "CIFAR-10, the first 500 training and 100 test images of each class"
        file.attrs["source"] = URL
        file.attrs["citation"] = (
            "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009"
        )
        options = {"track_times": False}  # the same bytes at each call
        file.create_dataset("classes", data=np.array(CLASSES, "S"), **options)
        for split, count in PER_CLASS.items():
            images, labels = read(folder, split)
            firsts = [np.flatnonzero(labels == label)[:count] for label in range(len(CLASSES))]
            indices = np.sort(np.concatenate(firsts))
            group = file.create_group(split)
            group.create_dataset(
                "images",
                data=images[indices],
                chunks=(min(100, len(indices)), 32, 32, 3),
                compression="gzip",
                compression_opts=4,  # 9 saves no more than a thousandth
                **options,
            )
            group.create_dataset("labels", data=labels[indices], **options)
            # Where each image stands in the full set.
            group.create_dataset("indices", data=indices.astype(np.int32), **options)


def _cache() -> Path:
    return Path(pooch.os_cache("pytorch-course"))


def _is_binary(folder: Path) -> bool:
    paths = [folder / f"{name}.bin" for name in NAMES]
    return all(path.is_file() and path.stat().st_size == IMAGES * RECORD for path in paths)


def _download(url: str, output: str, _: object) -> None:
    """Write what is at `url` to the file `output`, as pooch wants it.

    What has come lies in a file beside it until it is complete, also when the program ends.
    Raises OSError or requests.RequestException.
    """
    part = Path(output).with_name(url.rpartition("/")[2] + ".part")
    for attempt in range(1, TRIES + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            _download_rest(url, part)
            break
        except BROKEN:
            if attempt == TRIES or not part.exists() or part.stat().st_size <= before:
                raise
    part.replace(output)


def _download_rest(url: str, part: Path) -> None:
    """Add to the file `part` what it lacks of what is at `url`."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with requests.get(url, headers=headers, stream=True, timeout=30) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # there is nothing after it; the checksum says whether it is right
        response.raise_for_status()
        goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if response.status_code != requests.codes.partial_content or not goes_on:
            have = 0  # a server may send all from the start
        total = have + int(response.headers.get("Content-Length", 0)) or None
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem) as bar,
        ):
            for chunk in response.iter_content(2**14):
                file.write(chunk)
                bar.update(len(chunk))


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack the six files into `folder`, all or none, and remove the archive."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        with tarfile.open(archive) as tar:
            for name in NAMES:
                member = tar.extractfile(f"{BINARY}/{name}.bin")
                assert member is not None
                (Path(temporary) / f"{name}.bin").write_bytes(member.read())
        folder.mkdir(exist_ok=True)
        for path in Path(temporary).iterdir():
            path.replace(folder / path.name)
    archive.unlink()
    return folder


def _read_binary(folder: Path, name: str) -> np.ndarray:
    return np.fromfile(folder / f"{name}.bin", np.uint8).reshape(IMAGES, RECORD)


def _read_pickle(folder: Path, name: str) -> np.ndarray:
    """Return a file of the Python version as records. A pickle is a program: first its checksum."""
    content = (folder / name).read_bytes()
    if hashlib.md5(content).hexdigest() != PICKLES[name]:
        raise CifarError(f"{folder / name} is not the official file: its checksum is wrong")
    batch = pickle.loads(content, encoding="bytes")
    labels = np.array(batch[b"labels"], np.uint8)
    return np.concatenate([labels[:, None], batch[b"data"]], axis=1)


def main() -> None:
    """Find or download the full set; with --mini make the small one."""
    try:
        folder = fetch()
        if sys.argv[1:] == ["--mini"]:
            write_mini(folder, MINI)
    except CifarError as error:
        sys.exit(f"{error}; the lessons go on with the small set {MINI.name}")
    print(folder)


if __name__ == "__main__":
    main()
