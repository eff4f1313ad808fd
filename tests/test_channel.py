"""Messages between a test and the kernel, whole or in pieces, honest or forged."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from autograder.channel import HEAD, REPLY, REQUEST, Channel, Message
from autograder.connection import Connection, Stopped
from autograder.crossing import Bounds, CrossingError
from autograder.limits import Limits

BOUNDS = Bounds(bytes=2**25, items=1000)


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours, BOUNDS), Channel(theirs, BOUNDS)


def test_messages_of_all_sizes_arrive_as_they_were_sent(ends: tuple[Channel, Channel]) -> None:
    sent = [
        Message(kind, number, [random.randbytes(size) for size in sizes])
        for kind, number, sizes in [
            (REQUEST, 1, (0, 0)), (REPLY, 2**63, (10, 0)), (REQUEST, 2, (5, 2**24)),
        ]
    ]  # fmt: skip

    def send() -> None:
        for message in sent:
            ends[0].send(*message)

    thread = threading.Thread(target=send)
    thread.start()
    assert [ends[1].receive(10) for _ in sent] == sent
    thread.join()
    assert ends[1].receive(0.01) is None


def test_a_message_in_pieces_is_waited_for(ends: tuple[Channel, Channel]) -> None:
    sender, receiver = ends
    raw = HEAD.pack(REPLY, 7, 2, 3) + b"abcde"
    for piece in (raw[:3], raw[3:-1]):
        sender.connection.sendall(piece)
        assert receiver.receive(0.01) is None
    sender.connection.sendall(raw[-1:])
    assert receiver.receive(10) == Message(REPLY, 7, [b"ab", b"cde"])


@pytest.mark.parametrize(
    "sizes", [(2**40, 0), (0, BOUNDS.bytes + 1), (2**64 - 1, 2**64 - 1)], ids=str
)
def test_no_room_is_made_for_what_is_too_large(
    ends: tuple[Channel, Channel], sizes: tuple[int, int]
) -> None:
    ends[0].connection.sendall(HEAD.pack(REPLY, 1, *sizes))
    with pytest.raises(CrossingError):
        ends[1].receive(10)


def test_the_other_side_is_gone(ends: tuple[Channel, Channel]) -> None:
    ends[0].connection.close()
    with pytest.raises(OSError, match="gone"):
        ends[1].receive(10)
    with pytest.raises(OSError, match="Broken pipe"):
        ends[1].send(REPLY, 1, [b"", b""])


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        (HEAD.pack(REPLY, 1, 2**40, 0), "broken messages"),
        (HEAD.pack(REPLY, 99, 0, 0), "could not be interrupted"),
        (b"\0" * HEAD.size, "could not be interrupted"),
        (b"", "could not be interrupted"),
    ],
    ids=["too large", "another number", "zeros", "nothing"],
)
def test_a_kernel_that_does_not_answer_is_given_up(
    ends: tuple[Channel, Channel], forged: bytes, why: str
) -> None:
    """Whatever it sends instead, in the time that a call may take and a few seconds more."""
    interrupted: list[float] = []
    connection = Connection(
        ends[1],
        lambda: True,
        lambda: interrupted.append(time.monotonic()),
        Limits(call_seconds=0.2),
    )
    started = time.monotonic()
    connection.deadline = started + 60
    ends[0].connection.sendall(forged)
    with pytest.raises(Stopped, match=why):
        connection.request([b"x", b""], lambda buffers: buffers)
    assert time.monotonic() - started < 10
    assert bool(interrupted) == (why == "could not be interrupted")


def test_arguments_that_nobody_takes_end_the_call(ends: tuple[Channel, Channel]) -> None:
    connection = Connection(ends[1], lambda: True, lambda: None, Limits(call_seconds=0.2))
    connection.deadline = time.monotonic() + 60
    with pytest.raises(Stopped, match="does not take its arguments"):
        connection.request([b"x", bytes(2**24)], lambda buffers: buffers)
