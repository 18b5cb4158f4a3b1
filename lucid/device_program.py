"""A program whose arrays are on a GPU: how it ties to the Python objects of a call."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from lucid.codegen.cuda.device import Device, gpu
from lucid.core import elements_of, elements_on, gradient_of, has_elements, tensor_over
from lucid.debug.lines import write_lines
from lucid.errors import ArgumentError, CheckError, CompileError
from lucid.modes import epoch, modes
from lucid.program import Program
from lucid.random import Generator
from lucid.tensor import Tensor
from lucid.trace import Loop

# What a program for a GPU does not do, and the way out.
REFUSED = {
    "a later backward": (
        "target 'cuda' compiles steps whose backward is inside; a result of this function requires a gradient.",
        "call backward() in the function, return loss.detach(), or call it under lucid.no_grad().",
    ),
    "updates in place of NumPy arrays that a function captures": (
        "target 'cuda' cannot update a NumPy array that the function captures.",
        "make a tensor of it outside the function, lucid.as_tensor(array), and update that.",
    ),
    "traps": (
        "numbers that are not finite are trapped on the CPU only, and this function is compiled for 'cuda'.",
        "compile it without target='cuda': the bits are the same.",
    ),
}


def _refused(what: str) -> CompileError:
    sentence, hint = REFUSED[what]
    return CompileError(sentence, hint=hint)


class DeviceProgram(Program):
    """A program for the target "cuda". A call launches and does not wait: the error of a check comes when a result is
    read. Captured tensors are moved to the GPU at the first call, and stay there; NumPy arrays and tensors of the CPU
    among the arguments are copied there at each call."""

    def _lay_out(self) -> None:
        """Nothing is allocated before the first call, so that a program can be compiled without a GPU."""
        if self.backward is not None:
            raise _refused("a later backward")
        written = set(map(id, self._written))
        if any(tracked.is_array and id(tracked.tensor) in written for _, tracked in self._captured):
            raise _refused("updates in place of NumPy arrays that a function captures")
        if self._trap:
            raise _refused("traps")
        self._owned: dict[int, Any] = {}  # constants on the GPU, by their slots
        self._block: Any = None  # the scalars there, and their bytes
        self._words = b""
        self._random: DeviceRandom | None = None

    def _refresh(self) -> bool:
        """Look at captured tensors again; false where one is not what was compiled for."""
        self.irregular = []
        self.epoch = epoch.count
        return all(has_elements(tracked.tensor, tracked.initial.type) for _, tracked in self._captured)

    def prepare_direct(self, leaves: Sequence[Any]) -> None:
        """There are no direct calls."""

    def _call(self, leaves: Sequence[Any]) -> Any:
        self._expect_no_trap()
        device, executable = gpu(), self._compiled.executable
        table = executable.new_table()
        held = dict(self._captured_arrays(device))
        written = self._written_spans(device, held)
        for slot, number, is_written in self._arguments:
            held[slot] = self._argument(device, leaves[number], is_written, written)
        for slot, owner in self._grads_read:
            held[slot] = device.upload(elements_of(gradient_of(owner.in_call(leaves))))
        arrays = [device.empty(type) for type in executable.output_types]
        held |= dict(enumerate(arrays, len(self._traced.inputs)))
        tensors = [tensor_over(array) for array in arrays]
        drawn_from = self._begin(leaves)
        held |= self._scalar_arrays(device)
        self._fill(table, device, held)
        if self._written_leaves:
            self._expect_apart(table)
        try:
            executable.run(table.ctypes.data)
        except BaseException:  # Ctrl-C, or what another signal handler raises
            if executable.is_done:  # the step is under way: let the rest be, too
                self._advance(1)
                self.finish(leaves, tensors, drawn_from)
            raise
        self._advance(1)
        result = self.finish(leaves, tensors, drawn_from)
        if self._lines:
            write_lines(self._lines, [device.download(arrays[number]) for number in self._shown])
        return result

    def _repeat(self, leaves: Sequence[Any], times: int) -> Any:
        """It waits for the runs where one may fail."""
        self._expect_repeatable()
        self._expect_no_trap()
        device, executable, first = gpu(), self._compiled.executable, len(self._traced.inputs)
        types, table = executable.output_types, executable.new_table()
        held = dict(self._captured_arrays(device))
        written = [held[slot] for slot, _ in self._written_there]
        moving = [slot for slot, _, _ in self._arguments]
        for slot, number, _ in self._arguments:
            held[slot] = device.upload(_elements(leaves[number]))
        stacking = {*range(self._result_count), *self._shown}
        moving += [first + number for number in stacking]
        for number, type in enumerate(types):
            shape = (times, *type.shape) if number in stacking else type.shape
            held[first + number] = device.empty(type.with_shape(shape))
        drawn_from = self._begin(leaves)
        held |= self._scalar_arrays(device)
        self._fill(table, device, held)
        before = [device.copy(array) for array in written] if executable.may_fail else []
        strides = np.array([held[slot].nbytes // times for slot in moving], np.int64)
        tensors = [tensor_over(held[first + number]) for number in range(len(types))]
        runs = ctypes.c_int64()

        def finish() -> None:
            self._advance(runs.value)
            if executable.may_fail:
                try:
                    device.check()
                except CheckError:
                    for array, copy in zip(written, before, strict=True):
                        device.write(array, copy)
                    if self._random is not None and drawn_from is not None:
                        self._random.set(*drawn_from)
                    raise
            self.finish(leaves, tensors, self._drawn_by_last(drawn_from, runs.value))

        try:
            executable.repeat(table.ctypes.data, times, np.array(moving, np.int64), strides, runs)
        except BaseException as interruption:  # Ctrl-C, or what another signal handler raises
            if runs.value:  # they stay done, as in a loop of calls
                try:
                    finish()
                except CheckError as error:  # everything is as it was
                    raise interruption from error
            raise
        finish()
        if self._lines:
            shown = [device.download(held[first + number]) for number in self._shown]
            write_lines([Loop(self._lines, times, reverse=False)], shown)
        results = tensors[: self._result_count]
        return self._stacked(leaves, results)

    def _expect_no_trap(self) -> None:
        if modes.trap:
            raise _refused("traps")

    # What the table points to.

    def _captured_arrays(self, device: Device) -> Iterator[tuple[int, Any]]:
        """The arrays of captured tensors and constants, with their slots: moved to the GPU where they are not there.
        NumPy arrays among them are copied there at each call."""
        for slot, array in self._constant_slots.items():
            if slot not in self._owned:
                self._owned[slot] = device.upload(array)
            yield slot, self._owned[slot]
        if self._generator is not None:
            self._random = random_on(device, self._generator)
            self._random.follow()
        for slot, tracked in self._captured:
            if self._random is not None and slot in self._random_offsets:
                yield slot, self._random.array
            elif tracked.is_array:
                yield slot, device.upload(elements_of(tracked.tensor))
            else:
                yield slot, elements_on(tracked.tensor, "cuda")

    @cached_property
    def _written_there(self) -> list[tuple[int, int]]:
        """The slots of the captured tensors that the program writes, and the bytes of each."""
        ids = set(map(id, self._written))
        return [(slot, tracked.initial.type.nbytes) for slot, tracked in self._captured if id(tracked.tensor) in ids]

    def _written_spans(self, device: Device, held: Mapping[int, Any]) -> list[tuple[int, int]]:
        """Where the arrays of the captured tensors lie that the program writes: from an address up to another."""
        starts = [(device.address(held[slot]), size) for slot, size in self._written_there]
        return [(start, start + size) for start, size in starts]

    @cached_property
    def _random_offsets(self) -> dict[int, int]:
        """How far into the array of the random state its words stand, in bytes, by their slots."""
        if self._generator is None:
            return {}
        states = self._generator.seed_state, self._generator.draw_state
        return {
            slot: 8 * number
            for slot, tracked in self._captured
            for number, state in enumerate(states)
            if tracked.tensor is state
        }

    @cached_property
    def _offsets(self) -> list[tuple[int, int]]:
        """How far behind the address of its array the element of a slot stands, in bytes, where it does."""
        scalars = {slot: 8 * number for number, slot in enumerate(self._scalar_slots)}
        return [(slot, offset) for slot, offset in (scalars | self._random_offsets).items() if offset]

    def _fill(self, table: npt.NDArray[np.uint64], device: Device, held: Mapping[int, Any]) -> None:
        """Write down the addresses of the arrays of slots."""
        for slot, array in held.items():
            table[slot] = device.address(array)
        for slot, offset in self._offsets:
            table[slot] += offset

    def _scalar_arrays(self, device: Device) -> dict[int, Any]:
        """The block of a call's scalars, for their slots."""
        if not self._scalar_slots:
            return {}
        words = self._scalars.tobytes()
        if words != self._words:  # a block of its own for these: that of the call before may not have been read yet
            self._block, self._words = device.upload(self._scalars), words
        return dict.fromkeys(self._scalar_slots, self._block)

    def _argument(self, device: Device, leaf: Any, is_written: bool, written: Sequence[tuple[int, int]]) -> Any:
        """The array of an argument on the GPU, apart from what the program writes, which lies in some spans."""
        array = _elements(leaf)
        if is_written:
            if not isinstance(leaf, Tensor) or not device.holds(array) or not array.flags.c_contiguous:
                raise ArgumentError(
                    "an argument that a compiled function updates in place is not a contiguous tensor on the GPU.",
                    hint='move it there: x.to("cuda")',
                )
            return array
        there = device.upload(array)
        if there is not array:
            return there
        start = device.address(there)
        end = start + there.nbytes
        overlaps = self._written_leaves or any(start < last and first < end for first, last in written)
        return device.copy(there) if overlaps else there

    def _advance(self, times: int) -> None:
        """Do to the random state of the CPU what the runs do to that of the GPU."""
        if self._random is not None:
            seed, draw = self._random.generator.get_state()
            self._random.note(seed, (draw + times * self._draws) % 2**64)


def _elements(leaf: Any) -> Any:
    """The array of an argument, wherever it is."""
    if isinstance(leaf, Tensor):
        return elements_of(leaf)
    return np.asarray(leaf) if isinstance(leaf, np.generic) else leaf


class DeviceRandom:
    """The random state of a generator on the GPU, seed and draw. The state on the CPU runs ahead of it, as if no check
    failed; where one has, it is set to what the GPU has come to."""

    def __init__(self, device: Device, generator: Generator) -> None:
        self.device = device
        self.generator = generator
        self.array = device.upload(np.array(generator.get_state(), np.uint64))
        self._noted = generator.get_state()
        device.when_failed.append(self._restore)

    def follow(self) -> None:
        """Tell the GPU a state that did not come from there."""
        if self.generator.get_state() != self._noted:
            self._noted = self.generator.get_state()
            # Not into the old array: runs that have been launched may still read it.
            self.array = self.device.upload(np.array(self._noted, np.uint64))

    def note(self, seed: int, draw: int) -> None:
        """Note the state that the GPU will have come to."""
        self.generator.words[1][...] = draw
        self._noted = seed, draw

    def set(self, seed: int, draw: int) -> None:
        """Give both sides a state."""
        self.generator.set_state((seed, draw))
        self.follow()

    def _restore(self) -> None:
        if self.generator.get_state() != self._noted:
            return  # it has been set, or drawn from, on the CPU since, and the next program tells the GPU
        seed, draw = self.array.get().tolist()
        self.generator.set_state((seed, draw))
        self._noted = seed, draw


_randoms: dict[Generator, DeviceRandom] = {}  # of `lucid.random.default_generator`: a process has no other


def random_on(device: Device, generator: Generator) -> DeviceRandom:
    """The random state of a generator on the GPU."""
    found = _randoms.get(generator)
    if found is None:
        found = _randoms[generator] = DeviceRandom(device, generator)
    return found
