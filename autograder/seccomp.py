"""A filter of system calls that student code may not make, because nothing else bounds them.

Keys outlive every process and are looked up by user, across all walls. Memory of System V, of
memfds on their way through a socket, and of pipes that are spliced into, counts for no process.
"""

from __future__ import annotations

import ctypes
import errno
import os

# Numbers on x86_64 and aarch64, from the tables of Linux (unistd_64.h, asm-generic/unistd.h).
REFUSED = {
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "vmsplice": (278, 75),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
}
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH
X32_CALLS = 0x40000000  # on x86_64, the same calls have second numbers from here on
# From linux/filter.h, seccomp.h and prctl.h.
LOAD_WORD, JUMP_EQUAL, JUMP_FROM, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER_AT, MACHINE_AT = 0, 4  # of the call, in what the filter is given
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS
PR_SET_SECCOMP, MODE_FILTER = 22, 2


class _Step(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step))]


def refuse_calls() -> None:
    """Let this process, and all that it starts, fail with ENOSYS in the calls above, for good.

    Raises OSError where Linux has no filters, and KeyError on another kind of machine.
    """
    column, machine = MACHINES[os.uname().machine]
    numbers = [pair[column] for pair in REFUSED.values()]
    # A jump counts the steps that it leaves out; the last step refuses.
    steps = [(LOAD_WORD, 0, 0, MACHINE_AT), (JUMP_EQUAL, 0, len(numbers) + 3, machine)]
    steps += [(LOAD_WORD, 0, 0, NUMBER_AT), (JUMP_FROM, len(numbers) + 1, 0, X32_CALLS)]
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        steps.append((JUMP_EQUAL, left, 0, number))
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE)]
    program = _Program(len(steps), (_Step * len(steps))(*(_Step(*step) for step in steps)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter of system calls was refused")
