"""A program whose arrays are in the memory of this process: machine code reads and writes them where they lie."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lucid.codegen.target import Like
from lucid.core import elements_of, gradient_of, has_elements, tensor_over
from lucid.debug.lines import write_lines
from lucid.errors import ArgumentError, CheckError
from lucid.frames import Frame, address, is_native, native, new_array
from lucid.modes import epoch, modes
from lucid.nonfinite import Watch
from lucid.program import DirectParts, Program, array_of
from lucid.tensor import Array
from lucid.trace import Loop


class HostProgram(Program):
    """A program for a target that runs on the CPU. Captured tensors stay where the user's arrays are."""

    def _lay_out(self) -> None:
        """Make room for results, and tables with the addresses of scalars and constants."""
        executable = self._compiled.executable
        types = executable.output_types  # those of the trace, then what a backward needs
        self._frames = [Frame(types, executable.new_table(), len(self._traced.inputs)) for _ in range(2)]
        for frame in self._frames:
            for i, slot in enumerate(self._scalar_slots):
                frame.table[slot] = address(self._scalars) + 8 * i
            for slot, array in self._constant_slots.items():
                frame.table[slot] = address(array)

    def _refresh(self) -> bool:
        """Look up the addresses of captured tensors again; false where one is not what was compiled for."""
        for slot, tracked in self._captured:
            tensor = tracked.tensor
            if not has_elements(tensor, tracked.initial.type):
                return False
            for frame in self._frames:
                frame.table[slot] = address(array_of(tensor))
        written = [_writable(array_of(tensor)) for tensor in self._written]
        self._written_ids = {id(array) for array in written}
        self._written_apart = all(array.base is None for array in written) and len(self._written_ids) == len(written)
        states = {id(tensor) for tensor in self._written}
        read = [(slot, array_of(t.tensor)) for slot, t in self._captured if id(t.tensor) not in states]
        self.irregular = [(slot, array) for slot, array in read if not self._is_plain(array)]
        if not self._written_apart and not self._written_leaves:  # else each call looks
            self._expect_apart(self._frames[0].table)
        self.epoch = epoch.count
        return True

    def _call(self, leaves: Sequence[Any]) -> Any:
        frame = self._frames[0]
        self._frames.reverse()
        tensors, table = frame.claim(), frame.table
        held = []  # arrays stay alive until the native call returns
        for slot, number, is_written in self._arguments:
            array = array_of(leaves[number])
            array = _writable(array) if is_written else self._readable(array, leaves)
            held.append(array)
            table[slot] = address(array)
        if self._written_leaves:
            self._expect_apart(table)
        for slot, array in self.irregular:
            array = self._readable(array, leaves)
            held.append(array)
            table[slot] = address(array)
        for slot, owner in self._grads_read:
            array = native(elements_of(gradient_of(owner.in_call(leaves))))
            held.append(array)
            table[slot] = address(array)
        drawn_from = self._begin(leaves)
        watch = Watch(self._traced, self.inputs(leaves)) if self._trap or modes.trap else None
        try:
            self._compiled.executable.run(frame.table_address)
        except BaseException:  # Ctrl-C, or what another signal handler raises
            if self._compiled.executable.is_done:  # the weights are new: let the rest be, too
                self.finish(leaves, tensors, drawn_from)
            raise
        if watch is not None:
            watch.expect_finite([array_of(tensor) for tensor in tensors[: self._shown.start]])
        result = self.finish(leaves, tensors, drawn_from)
        if self._lines:
            write_lines(self._lines, [array_of(tensors[number]) for number in self._shown])
        return result

    def prepare_direct(self, leaves: Sequence[Any]) -> DirectParts | None:
        """See `Program.prepare_direct`."""
        if self._grads_read or self._written_leaves or self._lines or self._trap:
            return None
        executable = self._compiled.executable
        likes = [Like(slot, array_of(leaves[number])) for slot, number, _ in self._arguments]
        kept = [(slot, tracked.initial.type.nbytes) for slot, tracked in self._captured]
        for frame in self._frames:
            frame.record = executable.record(frame.table_address, kept, likes)
        record = self._frames[0].record
        if record is None:
            return None
        numbers = [number for _, number, _ in self._arguments]
        return DirectParts(numbers, self._frames, record.objects, executable, record.run, record.ran)

    def _repeat(self, leaves: Sequence[Any], times: int) -> Any:
        self._expect_repeatable()
        executable, first = self._compiled.executable, len(self._traced.inputs)
        types = executable.output_types
        frame = Frame(types, self._frames[0].table.copy(), first)
        stacking = (*range(self._result_count), *self._shown)
        stacked = {n: new_array((times, *types[n].shape), types[n].dtype.numpy) for n in stacking}
        inputs = [(slot, self._readable(array_of(leaves[number]), ())) for slot, number, _ in self._arguments]
        moving = [*inputs, *((first + number, array) for number, array in stacked.items())]
        # Alive until the last run: a signal handler may give a captured tensor another array in between.
        captured = [(slot, array_of(tracked.tensor)) for slot, tracked in self._captured]
        irregular = [(slot, self._readable(array, ())) for slot, array in self.irregular]
        for slot, array in (*captured, *moving, *irregular):
            frame.table[slot] = address(array)
        drawn_from = self._begin(leaves)
        written = [array_of(tensor) for tensor in self._written] if executable.may_fail else []
        before = [array.copy() for array in written]
        results = [tensor_over(stacked[number]) for number in range(self._result_count)]
        tensors = [*results, *frame.tensors[self._result_count :]]
        slots = np.array([slot for slot, _ in moving], np.int64)
        strides = np.array([array.nbytes // times for _, array in moving], np.int64)
        runs = ctypes.c_int64()

        def run(times: int) -> None:
            executable.repeat(frame.table_address, times, slots, strides, runs)

        try:
            if self._trap or modes.trap:
                self._run_watched(leaves, times, run, frame, stacked, runs)
            else:
                run(times)
        except BaseException as error:  # of a check, of Ctrl-C, or what another signal handler raises
            if isinstance(error, CheckError) and executable.may_fail:
                for array, copy in zip(written, before, strict=True):
                    np.copyto(array, copy)
                sentence = f"in run {runs.value} of repeat, {error.sentence}"
                raise CheckError(sentence, hint=error.hint, where=error.where, module=error.module) from None
            if runs.value:  # they stay done, as in a loop of calls
                self.finish(leaves, tensors, self._drawn_by_last(drawn_from, runs.value))
            raise
        self.finish(leaves, tensors, self._drawn_by_last(drawn_from, runs.value))
        if self._lines:  # else there is nothing to walk the runs for
            write_lines([Loop(self._lines, times, reverse=False)], [stacked[number] for number in self._shown])
        return self._stacked(leaves, results)

    def _run_watched(
        self,
        leaves: Sequence[Any],
        times: int,
        run: Callable[[int], None],
        frame: Frame,
        stacked: Mapping[int, Array],
        runs: ctypes.c_int64,
    ) -> None:
        """Run `times` times, each of them watched. Where one gives what is not finite, nothing has changed."""
        start = Watch(self._traced, self.inputs(leaves, 0))
        for index in range(times):
            watch = Watch(self._traced, self.inputs(leaves, index))
            run(1)
            outputs = [
                stacked[number][index] if number in stacked else array_of(tensor)
                for number, tensor in enumerate(frame.tensors[: self._shown.start])
            ]
            problem = watch.problem(outputs, f" in run {index} of repeat")
            if problem is not None:
                start.restore()
                runs.value = 0  # none of the runs stays done
                raise problem

    def _readable(self, array: Array, leaves: Sequence[Any]) -> Array:
        """The array as the native code may read it: contiguous, native, and apart from what the program writes."""
        if self._is_plain(array) and not self._written_leaves:
            return array
        if not is_native(array):
            return native(array)
        written = [array_of(tensor) for tensor in self._written]
        written += [array_of(leaves[number]) for number in self._written_leaves]
        return array.copy() if any(np.may_share_memory(array, other) for other in written) else array

    def _is_plain(self, array: Array) -> bool:
        """Whether the program may read an array where it lies, whatever captured tensors it writes."""
        return is_native(array) and array.base is None and self._written_apart and id(array) not in self._written_ids


def _writable(array: Array) -> Array:
    """An array that native code can update in place; ArgumentError for any other."""
    if not is_native(array) or not array.flags.writeable:
        raise ArgumentError(
            "an array that a compiled function updates in place is read-only or not contiguous.",
            hint="pass a copy: numpy.array(x)",
        )
    return array
