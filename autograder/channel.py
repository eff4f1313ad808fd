"""What a test and the student's kernel say to each other: messages over a pair of sockets.

Requests of tests do not go through Jupyter's own messages, which cost milliseconds each. A request
is answered by one reply with its number; while it is worked on, the side that works on it can ask
in turn, and send what is printed.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from autograder.crossing import Bounds

BEGIN, REQUEST, REPLY, PRINT = b"B", b"?", b"!", b"P"  # kinds of messages
HEAD = struct.Struct("!cQQQ")  # kind, number, bytes of the first and of the second buffer
SECONDS_BETWEEN_LOOKS = 0.2


class Message(NamedTuple):
    """A message and its two buffers."""

    kind: bytes
    number: int
    buffers: list[bytes]


class Channel:
    """One end. What comes may be forged: no more is kept of it than `bounds` say."""

    def __init__(self, connection: socket.socket, bounds: Bounds) -> None:
        self.connection, self._bounds = connection, bounds
        connection.setblocking(False)
        self._part, self._filled = bytearray(HEAD.size), 0  # what is being received
        self._head: tuple[bytes, int, int] | None = None  # kind, number, bytes of the first buffer

    def send(
        self,
        kind: bytes,
        number: int,
        buffers: list[Any],
        go_on: Callable[[], object] = lambda: None,
    ) -> None:
        """Send a message; call `go_on` now and then while the other side does not take it.

        Raises OSError when the other side is gone, and what `go_on` raises.
        """
        first, second = [memoryview(buffer) for buffer in buffers]
        parts = [memoryview(HEAD.pack(kind, number, first.nbytes, second.nbytes)), first, second]
        if first.nbytes + second.nbytes < 2**16:
            parts = [memoryview(b"".join(parts))]
        for part in parts:
            rest = part
            while rest.nbytes:
                try:
                    rest = rest[self.connection.send(rest) :]
                except BlockingIOError:
                    self._wait(select.POLLOUT, SECONDS_BETWEEN_LOOKS)
                    go_on()

    def receive(self, seconds: float) -> Message | None:
        """Return the next message, or None when there is none after `seconds`.

        Raises CrossingError for one that is too large, after which nothing more can be read, and
        OSError when the other side is gone.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                while self._filled < len(self._part):
                    count = self.connection.recv_into(memoryview(self._part)[self._filled :])
                    if not count:
                        raise ConnectionResetError("the other side is gone")
                    self._filled += count
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or not self._wait(select.POLLIN, left):
                    return None
                continue
            if self._head is None:
                kind, number, first, second = HEAD.unpack(self._part)
                self._bounds.check_text(first)
                self._bounds.check_bytes(second)
                self._head = (kind, number, first)
                self._part, self._filled = bytearray(first + second), 0
            if self._filled == len(self._part):
                (kind, number, first), content = self._head, bytes(self._part)
                self._head, self._part, self._filled = None, bytearray(HEAD.size), 0
                return Message(kind, number, [content[:first], content[first:]])

    def _wait(self, event: int, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.connection, event)
        return bool(poll.poll(max(1, 1000 * seconds)))
