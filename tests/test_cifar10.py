"""data/cifar10.py and a server of our own: cut, forged and missing downloads; and its readers."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import pickle
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import h5py
import numpy as np
import pytest
from conftest import ROOT

SCRIPT = ROOT / "data" / "cifar10.py"
IMAGES = 40  # in a file of these tests
ROOT_NAMED = os.environ.get("CIFAR10_ROOT")


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with an empty cache and small files."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("cifar10", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv("CIFAR10_ROOT", raising=False)
    monkeypatch.setattr(module, "IMAGES", IMAGES)
    monkeypatch.setattr(module, "_cache", lambda: tmp_path / "cache")
    return module


@pytest.fixture
def folder(cifar10: ModuleType, tmp_path: Path) -> Path:
    """Six files in the official binary format, of random pixels."""
    generator = np.random.default_rng(4)
    folder = tmp_path / "full" / cifar10.BINARY
    folder.mkdir(parents=True)
    for name in cifar10.NAMES:
        records = generator.integers(0, 256, (IMAGES, cifar10.RECORD), dtype=np.uint8)
        records[:, 0] = generator.permutation(np.arange(IMAGES) % 10)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return folder


class Server(ThreadingHTTPServer):
    """Sends one file. What it does wrong can be changed between requests."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.cuts: list[int] = []  # bytes after which the next answers break off
        self.knows_ranges = True
        self.ranges: list[str | None] = []  # what was asked for

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/cifar-10-binary.tar.gz"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        content, start = self.server.content, 0
        if asked and self.server.knows_ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            end = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.wfile.write(content[start : start + cut])

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(cifar10: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(folder, arcname=cifar10.BINARY)
    content = buffer.getvalue()
    server = Server(content)
    monkeypatch.setattr(cifar10, "URL", server.url)
    monkeypatch.setattr(cifar10, "ARCHIVE_HASH", "md5:" + hashlib.md5(content).hexdigest())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def same_files(left: Path, right: Path) -> bool:
    names = sorted(path.name for path in left.iterdir())
    return names == sorted(path.name for path in right.iterdir()) and all(
        (left / name).read_bytes() == (right / name).read_bytes() for name in names
    )


def test_downloads_once(cifar10: ModuleType, folder: Path, server: Server, tmp_path: Path) -> None:
    got = cifar10.fetch()
    assert same_files(got, folder)
    assert list((tmp_path / "cache").iterdir()) == [got]  # no archive, no part of one
    assert cifar10.fetch() == got
    assert server.ranges == [None]


def test_goes_on_after_a_cut(cifar10: ModuleType, folder: Path, server: Server) -> None:
    server.cuts = [200_000]
    assert same_files(cifar10.fetch(), folder)
    first, second = server.ranges
    assert first is None
    assert second is not None
    assert 150_000 < int(second.removeprefix("bytes=").removesuffix("-")) <= 200_000


def test_goes_on_in_the_next_run(cifar10: ModuleType, folder: Path, server: Server) -> None:
    server.cuts = [200_000, 0]  # the second try gets nothing, so there is no third
    with pytest.raises(cifar10.CifarError, match="the download of http"):
        cifar10.fetch()
    assert cifar10.find() is None
    assert len(server.ranges) == 2
    assert same_files(cifar10.fetch(), folder)
    assert server.ranges[1] == server.ranges[2] is not None


def test_gives_up_when_every_connection_breaks(cifar10: ModuleType, server: Server) -> None:
    server.cuts = [50_000] * 5
    with pytest.raises(cifar10.CifarError):
        cifar10.fetch()
    assert len(server.ranges) == cifar10.TRIES


def test_a_server_may_start_anew(cifar10: ModuleType, folder: Path, server: Server) -> None:
    server.cuts, server.knows_ranges = [200_000], False
    assert same_files(cifar10.fetch(), folder)
    assert len(server.ranges) == 2


def test_a_complete_part_is_enough(
    cifar10: ModuleType, folder: Path, server: Server, tmp_path: Path
) -> None:
    """The program ended between the last byte and the checksum."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "cifar-10-binary.tar.gz.part").write_bytes(server.content)
    assert same_files(cifar10.fetch(), folder)


@pytest.mark.parametrize("forged", ["download", "part"])
def test_a_wrong_checksum_leaves_nothing(
    cifar10: ModuleType, folder: Path, server: Server, tmp_path: Path, forged: str
) -> None:
    content, cache = server.content, tmp_path / "cache"
    cache.mkdir()
    if forged == "download":
        server.content = content[:-1] + b"x"
    else:
        (cache / "cifar-10-binary.tar.gz.part").write_bytes(b"x" * 1000)
    with pytest.raises(cifar10.CifarError, match="its checksum is wrong"):
        cifar10.fetch()
    assert list(cache.iterdir()) == []
    server.content = content
    assert same_files(cifar10.fetch(), folder)


def test_offline_the_small_set_is_used(
    cifar10: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cifar10, "URL", "http://127.0.0.1:9/cifar-10-binary.tar.gz")  # nobody there
    images, labels = cifar10.load("test")
    assert (images.shape, images.dtype) == ((1000, 32, 32, 3), np.uint8)
    assert np.bincount(labels).tolist() == [100] * 10
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "failed (ConnectionError); using the small set cifar10-mini.h5 instead" in said


def test_a_page_that_is_not_there(
    cifar10: ModuleType, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "do_GET", lambda self: self.send_error(404))
    with pytest.raises(cifar10.CifarError, match=r"failed \(HTTPError\)"):
        cifar10.fetch()


def test_reads_images_and_labels(cifar10: ModuleType, folder: Path) -> None:
    images, labels = cifar10.read(folder, "train")
    assert (images.shape, images.dtype) == ((5 * IMAGES, 32, 32, 3), np.uint8)
    record = (folder / "data_batch_2.bin").read_bytes()[3 * cifar10.RECORD :][: cifar10.RECORD]
    image = images[IMAGES + 3]
    assert labels[IMAGES + 3] == record[0]
    assert image[5, 7].tolist() == [record[1 + c * 1024 + 5 * 32 + 7] for c in range(3)]
    assert cifar10.read(folder, "test")[0].shape == (IMAGES, 32, 32, 3)


@pytest.mark.parametrize("up", [0, 1])
def test_a_named_folder_is_used(
    cifar10: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, up: int
) -> None:
    monkeypatch.setenv("CIFAR10_ROOT", str([folder, folder.parent][up]))
    assert cifar10.fetch() == folder


def test_a_named_folder_without_the_files_is_told(
    cifar10: ModuleType,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CIFAR10_ROOT", str(folder))
    (folder / "test_batch.bin").write_bytes(b"cut off")
    assert len(cifar10.load("train")[0]) == 5000
    said = capsys.readouterr().out
    assert said.startswith(f"CIFAR10_ROOT is {folder}, and the six files")
    assert said.count("\n") == 1


def pickled(cifar10: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same images as the Python version has them."""
    python = folder.parent.parent / "other" / cifar10.PYTHON
    python.mkdir(parents=True)
    sums = {}
    for name in cifar10.NAMES:
        records = np.fromfile(folder / f"{name}.bin", np.uint8).reshape(IMAGES, -1)
        batch = {b"labels": records[:, 0].tolist(), b"data": records[:, 1:]}
        content = pickle.dumps(batch, protocol=2)
        (python / name).write_bytes(content)
        sums[name] = hashlib.md5(content).hexdigest()
    monkeypatch.setattr(cifar10, "PICKLES", sums)
    monkeypatch.setenv("CIFAR10_ROOT", str(python.parent))
    return python


def test_reads_the_python_version(
    cifar10: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = pickled(cifar10, folder, monkeypatch)
    assert cifar10.fetch() == python
    for split in ("train", "test"):
        for ours, theirs in zip(
            cifar10.read(python, split), cifar10.read(folder, split), strict=True
        ):
            assert np.array_equal(ours, theirs)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_unpickles_nothing_with_a_wrong_checksum(
    cifar10: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python, caught = pickled(cifar10, folder, monkeypatch), tmp_path / "caught"
    (python / "data_batch_3").write_bytes(pickle.dumps(Trap(caught)))
    with pytest.raises(cifar10.CifarError, match="data_batch_3 is not the official file"):
        cifar10.read(cifar10.fetch(), "train")
    assert not caught.exists()


def test_the_small_set_has_the_first_of_each_class(
    cifar10: ModuleType, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cifar10, "PER_CLASS", {"train": 3, "test": 2})
    for name in ("one.h5", "two.h5"):
        cifar10.write_mini(folder, tmp_path / name)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()
    images, labels = cifar10.read(folder, "train")
    expected = sorted(i for c in range(10) for i in np.flatnonzero(labels == c)[:3])
    with h5py.File(tmp_path / "one.h5") as file:
        group = file["train"]
        assert group["indices"][:].tolist() == expected
        assert np.array_equal(group["images"][:], images[expected])
        assert np.array_equal(group["labels"][:], labels[expected])
        assert file["test/images"].shape == (20, 32, 32, 3)


@pytest.mark.skipif(not ROOT_NAMED, reason="CIFAR10_ROOT does not name the full set")
def test_the_committed_small_set_comes_from_the_full_one(tmp_path: Path) -> None:
    code = f"import runpy, sys; script = runpy.run_path({str(SCRIPT)!r}); "
    code += "script['write_mini'](script['fetch'](), script['Path'](sys.argv[1]))"
    made = tmp_path / "mini.h5"
    subprocess.run([sys.executable, "-c", code, made], check=True)
    with h5py.File(made) as new, h5py.File(SCRIPT.with_name("cifar10-mini.h5")) as committed:
        assert dict(new.attrs) == dict(committed.attrs)
        for name in ["classes", *(f"{s}/{d}" for s in ("train", "test") for d in new["test"])]:
            assert np.array_equal(new[name][:], committed[name][:]), name


def test_the_command_says_in_one_line_what_is_wrong() -> None:
    environment = {**os.environ, "CIFAR10_ROOT": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-B", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the lessons go on with the small set cifar10-mini.h5" in done.stderr
