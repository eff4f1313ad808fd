"""Functions and objects of the other side: called here, run there.

A test calls `relu(x)`: a request crosses with `x`, the student's `relu` runs in the student's
process, the reply crosses with the result and with all that changed on the way. What is no data
stays where it is and is represented by a `Handle`.

The grader's side answers two requests only: a call of a function that a test passed as an
argument, and a backward pass.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np
import torch

from autograder.crossing import Bounds, CrossingError, Tree, Values
from autograder.errors import describe_error, make_error
from autograder.gradients import Differentiable
from autograder.handle import Handle, describe_object, make_handle, number_of, side_of
from autograder.objects import dump, is_named, is_own_function, load, read_settings, write_settings

# A module crosses by its name; a test gets its own one.
MODULES = {"torch", "numpy", "math", "random", "itertools", "functools", "collections"}
SHARED = (torch.Tensor, np.ndarray)
# What this torch was built for beside the CPU.
OTHER_DEVICES = torch.version.cuda or torch.version.hip or torch.backends.mps.is_built()
NO_CHANGES: dict[str, Any] = {"tensors": [], "blocks": [], "dropped": [], "settings": []}


def set_seeds(seed: int) -> None:
    """Start all random numbers of this process from `seed`."""
    random.seed(seed)
    np.random.seed(seed)
    # The whole of torch's own function takes half a millisecond, most of it for other devices.
    (torch.manual_seed if OTHER_DEVICES else torch.default_generator.manual_seed)(seed)


class Remote(Differentiable):
    """One side of the wall. A subclass says how messages travel (`exchange`)."""

    def __init__(self, bounds: Bounds, *, inside: bool) -> None:
        super().__init__(bounds, inside=inside)
        self._objects: dict[int, Any] = {}  # of this side, kept until the other side drops them
        self._facts: dict[int, Any] = {}  # what the other side was told of them
        self._theirs: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._copies: dict[int, Callable[[], Any]] = {}  # of objects that both sides have
        self._settings: dict[int, Any] = {}  # of these, as the other side knows them
        self._ids: dict[int, int] = {}  # id of an object or copy -> its number
        self._busy = False  # a message is being written or read
        self._raised: BaseException | None = None  # the last error that crossed from this side
        self._received: BaseException | None = None  # ... and from the other side

    def exchange(self, buffers: list[Any]) -> list[Any]:
        """Send a request and return the reply."""
        raise NotImplementedError

    # Asking

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Do `operation` on the other side and return its result, or raise what it raised.

        Lists, dicts and sets among the arguments are afterwards as the other side left them.
        """
        self._raised = self._received = None
        request: dict[str, Any] = {"operation": operation, "args": list(args), "kwargs": kwargs}
        request["grad"] = torch.is_grad_enabled()
        reply = self._unpack(self.exchange(self._pack(request)))
        if "error" in reply:
            if reply.get("again") is True and self._raised is not None:
                raise self._raised
            self._received = make_error(reply["error"])
            raise self._received
        if "result" not in reply or type(reply.get("after")) is not list:
            raise CrossingError("a reply came that is none")
        for old, new in zip([*args, *kwargs.values()], reply["after"], strict=False):
            _update(old, new)
        return reply["result"]

    def _pack(self, message: dict[str, Any]) -> list[Any]:
        """Return `message` as buffers. Raises CrossingError."""
        with self._one_message():
            self.start_writing()
            try:
                head = {key: self.encode(value) for key, value in message.items()}
                changes = self.changes()
                text = json.dumps([head, changes], allow_nan=False).encode("ascii")
                self.bounds.check_text(len(text))
                buffers = [text, b"".join(self.chunks)]
            except BaseException as error:
                self.take_back()
                if isinstance(error, RecursionError):
                    raise CrossingError("the data are nested too deeply") from None
                raise
            self.sent()
        return buffers

    def _unpack(self, buffers: list[Any]) -> dict[str, Any]:
        """Return the message in `buffers`. Raises CrossingError, whatever the buffers hold."""
        try:
            text, data = buffers
            self.bounds.check_bytes(memoryview(data).nbytes)
            self.bounds.check_text(memoryview(text).nbytes)
            with self._one_message(), _quiet():
                head, changes = json.loads(bytes(text).decode("ascii"))
                self.start_reading(data)
                self.take(changes)
                message = {key: self.decode(tree) for key, tree in head.items()}
                self._take_settings(changes["settings"])
                return message
        except CrossingError:
            raise
        except Exception as error:  # hostile bytes can fail in any way
            raise CrossingError(f"what came is no data ({error!r:.200})") from None
        finally:
            self.taken()

    @contextmanager
    def _one_message(self) -> Iterator[None]:
        """Only one message at a time: data that ask for more while they are read are none."""
        if self._busy:
            raise CrossingError("a message came in the middle of another one")
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    # Answering

    def answer(self, buffers: list[Any]) -> list[Any]:
        """Return the reply to a request, whatever it holds and whatever it leads to.

        Inside, nothing is ever raised; outside, what is meant to end the test (as Ctrl-C) is.
        """
        try:
            request = self._unpack(buffers)
            args, kwargs = request["args"], request["kwargs"]
            given = [*args, *kwargs.values()]
            before = [_content(value) for value in given]
            with self.surroundings(), torch.set_grad_enabled(bool(request["grad"])):
                result = self._operations()[request["operation"]](*args, **kwargs)
            after = [
                None if _alike(old, _content(value)) else value
                for old, value in zip(before, given, strict=True)
            ]
            return self._pack({"result": result, "after": after})
        except BaseException as error:
            if not self.inside and not isinstance(error, Exception):
                raise
            again = error is self._received
            self._raised, self._received = error, None
            facts = describe_error(error, inside=self.inside)
        with suppress(CrossingError):  # something that is shared cannot cross any more
            return self._pack({"error": facts, "again": again})
        plain = Values(self.bounds)
        text = json.dumps([{"error": plain.encode(facts)}, NO_CHANGES])
        return [text.encode("ascii"), b"".join(plain.chunks)]

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """What holds while a request is answered."""
        yield

    def _operations(self) -> dict[str, Callable[..., Any]]:
        if not self.inside:
            return {"call_back": self._call_back, "backward": self.backward}
        return {
            "call": lambda function, *args, **kwargs: function(*args, **kwargs),
            "special": lambda target, name, *args: getattr(type(target), name)(target, *args),
            "getattr": getattr,
            "setattr": setattr,
            "delattr": delattr,
            "isinstance": isinstance,
            "issubclass": issubclass,
            "repr": lambda target: repr(target)[:4000],
            "str": lambda target: str(target)[:4000],
            "dir": dir,
            "copy": copy.copy,
            "deepcopy": copy.deepcopy,
            "backward": self.backward,
        }

    def _call_back(self, number: int, *args: Any, **kwargs: Any) -> Any:
        return self._objects[number](*args, **kwargs)

    # Objects

    def encode(self, value: Any, depth: int = 0) -> Tree:
        """Return what stands for `value`. A handle is no other thing, whatever it claims to be."""
        if issubclass(type(value), Handle):
            if side_of(value) is not self:
                raise CrossingError("this belongs to an earlier test cell")
            return ["yours", number_of(value)]
        return super().encode(value, depth)

    def encode_other(self, value: Any) -> Tree:
        """Return what stands for a tensor, an array, a function or any other object."""
        if isinstance(value, SHARED):
            return super().encode_other(value)
        if isinstance(value, types.ModuleType) and value.__name__.split(".")[0] in MODULES:
            return ["module", value.__name__]
        number = self._ids.get(id(value))
        if number is not None and number not in self._objects:
            return ["yours", number]  # it came from there, or is there as a copy
        if self.inside:
            return self._encode_handle(number, value)
        if is_own_function(value):
            return ["callback", number or self._keep(value), str(value.__name__)]
        return self._encode_copy(value)

    def _keep(self, value: Any) -> int:
        """Keep `value` until the other side drops it; return its number."""
        number = self._ids[id(value)] = self.new_number()
        self._objects[number] = value
        return number

    def _encode_handle(self, number: int | None, value: Any) -> Tree:
        if number is None:
            number = self._keep(value)
        if number not in self._facts:
            self._facts[number] = describe_object(value)
        return ["handle", number, self._facts[number]]

    def _encode_copy(self, value: Any) -> Tree:
        content, parts = dump(value, self.encode, (*SHARED, Handle))
        number = self.new_number()
        if is_named(value) or not type(value).__weakrefoffset__:
            self._share_copy(number, value, lambda: value)  # kept: it lives long, or cannot tell
        else:
            self._share_copy(number, value, self._watch(number, value))
        return ["copy", number, self.attach(content), parts]

    def _share_copy(self, number: int, value: Any, find: Callable[[], Any]) -> None:
        self._copies[number] = find
        self._settings[number] = read_settings(value)
        self._ids[id(value)] = number

    def _watch(self, number: int, value: Any) -> Callable[[], Any]:
        """Tell the other side to drop `number` once `value` is gone; return a weak reference."""
        me, key = weakref.ref(self), id(value)

        def gone() -> None:
            side = me()
            if side is not None:
                side.dropped.append(number)
                side._ids.pop(key, None)

        weakref.finalize(value, gone).atexit = False
        return weakref.ref(value)

    def changes(self) -> dict[str, Any]:
        """Return all that the other side does not know as it is now."""
        settings = []
        for number, find in list(self._copies.items()):
            value = find()
            if value is None:
                self.forget(number)
                continue
            self._held.append(value)  # else it could be gone before this message is written
            now = read_settings(value)
            if now != self._settings[number]:
                settings.append([number, self.encode(now)])
                self._on_sent.append(partial(self._settings.__setitem__, number, now))
        return {**super().changes(), "settings": settings}

    def _take_settings(self, settings: list[Tree]) -> None:
        for number, tree in settings:
            value = self._copies[number]()
            if value is not None:
                write_settings(value, self.decode(tree))
                self._settings[number] = read_settings(value)

    def decode_other(self, kind: str, *rest: Any) -> Any:
        """Return what a tree stands for that is no plain value."""
        if kind == "yours":
            return self._decode_own(*rest)
        if kind == "module" and str(rest[0]).split(".")[0] in MODULES:
            return sys.modules[rest[0]]
        if kind == "handle" and not self.inside:
            return self._decode_theirs(rest[0], lambda: make_handle(self, *rest))
        if kind == "callback" and self.inside:
            return self._decode_theirs(rest[0], lambda: self._make_callback(*rest))
        if kind == "copy" and self.inside:
            return self._decode_copy(*rest)
        return super().decode_other(kind, *rest)

    def _decode_own(self, number: int) -> Any:
        if number in self._objects:
            return self._objects[number]
        value = self._copies[number]()
        if value is None:
            raise CrossingError("an object came back that is gone")
        return value

    def _decode_theirs(self, number: int, make: Callable[[], Any]) -> Any:
        value = self._theirs.get(number)
        if value is None:
            self.check_number(number)
            value = self._theirs[number] = make()
            self._ids[id(value)] = number
            self._watch(number, value)
        if number in self.dropped:  # it was gone, and is here again
            self.dropped.remove(number)
        return value

    def _make_callback(self, number: int, name: str) -> Callable[..., Any]:
        def callback(*args: Any, **kwargs: Any) -> Any:
            return self.ask("call_back", number, *args, **kwargs)

        callback.__name__ = name
        return callback

    def _decode_copy(self, number: int, place: Tree, parts: list[Tree]) -> Any:
        value = load(bytes(self.read(place)), parts, self.decode)
        self._share_copy(number, value, lambda: value)
        return value

    def forget(self, number: int) -> None:
        """Forget what both sides knew under `number`."""
        value = self._objects.pop(number, None)
        if number in self._copies:
            value = self._copies.pop(number)()
        if self._ids.get(id(value)) == number:
            del self._ids[id(value)]
        self._facts.pop(number, None)
        self._settings.pop(number, None)
        super().forget(number)


@contextmanager
def _quiet() -> Iterator[None]:
    """No warning and no mode of torch's that a test has chosen reaches into what is read here."""
    with warnings.catch_warnings(), torch.inference_mode(False), torch.enable_grad():
        warnings.simplefilter("ignore")
        yield


def _is_container(value: Any) -> bool:
    return type(value) in (list, dict, set, bytearray)


def _content(value: Any) -> list[Any]:
    """Return all that is in a container, and in the containers in it."""
    if type(value) is bytearray:
        return [bytes(value)]
    if type(value) is dict:
        items = [item for pair in value.items() for item in pair]
    else:
        items = list(value) if type(value) in (list, tuple, set) else []
    return [inner for item in items for inner in (item, *_content(item))]


def _alike(before: list[Any], after: list[Any]) -> bool:
    """Whether nothing was added, removed or replaced."""
    pairs = zip(before, after, strict=False)
    return len(before) == len(after) and all(
        a is b or (type(a) is bytes and type(b) is bytes and a == b) for a, b in pairs
    )


def _update(old: Any, new: Any) -> None:
    """Give the container `old` the content of `new`, what it had from the start as it is."""
    if new is None or type(old) is not type(new):
        return
    if isinstance(old, list | bytearray):
        old[:] = [_merge(*pair) for pair in zip(old, new, strict=False)] + list(new[len(old) :])
    elif isinstance(old, dict):
        merged = {key: _merge(old.get(key), value) for key, value in new.items()}
        old.clear()
        old.update(merged)
    elif isinstance(old, set):
        old.clear()
        old.update(new)


def _merge(old: Any, new: Any) -> Any:
    if _is_container(old) and type(old) is type(new):
        _update(old, new)
        return old
    return new
