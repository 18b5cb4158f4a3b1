"""A compiled program: a traced graph, its machine code, and how both tie to the Python objects of a call."""

from __future__ import annotations

import itertools
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

import lucid.eager as eager
import lucid.explorer as explorer
from lucid.codegen.target import Executable
from lucid.codegen.threads import RUN_LOCK, under_run_lock
from lucid.compilation import Compiled
from lucid.core import elements_of, gradient_of, here
from lucid.errors import ArgumentError, CompileError, MissingNameError
from lucid.frames import Frame
from lucid.guards import Guards, define
from lucid.ir.graph import Graph
from lucid.ir.passes.pipeline import PARTITIONED, TRACED
from lucid.joint import Backward
from lucid.modes import epoch
from lucid.pytree import Spec
from lucid.random import draw_serials
from lucid.returned import returning
from lucid.signature import flatten_call, signature
from lucid.stages import Readable
from lucid.tensor import Array, Tensor
from lucid.trace import Outside, Trace, Tracked
from lucid.values import Values

if TYPE_CHECKING:
    from lucid.explanation import Explanation


# Up to so many tensors are named one by one in generated lines; a loop over them takes twice as long.
MOST_UNROLLED = 8


@dataclass(frozen=True)
class DirectParts:
    """What a direct call needs of a program: the leaves whose arrays it takes, the frames, and what runs."""

    arguments: list[int]
    frames: list[Frame]
    objects: int  # see `Record.objects`
    executable: Executable
    run: Callable[[int], int]
    ran: Callable[[int], bool]


class Program(Readable, ABC):
    """One specialization of a compiled function: what `lower` returns and `programs` lists.

    Where arrays are, and how the machine code gets at them, is for the two kinds of programs to say, which
    share what begins with an underscore here.
    """

    # Captured tensors whose arrays are looked at in each call, with their slots.
    irregular: list[tuple[int, Array]]

    def __init__(
        self,
        trace: Trace,
        result_spec: Spec,
        compiled: Compiled,
        backward: Backward | None,
        signature: str,
        trap: bool = False,
    ) -> None:
        self.signature = signature
        self.backward = backward
        self._trap = trap  # whether results that are not finite are errors at any time
        if backward is not None:
            backward.trap = trap
        super().__init__(compiled)
        self._traced = trace.graph
        self._result_spec = result_spec
        self._bind(trace)

    def __repr__(self) -> str:
        return f"<Program {self.name}({self.signature})>"

    @property
    def name(self) -> str:
        """The name of the function that was compiled."""
        return self._traced.name

    def explore(self, path: str | os.PathLike[str]) -> Path:
        """Write a page for the browser that shows all of this program, and return where it is: stages and what each
        changed, the graph, kernels in every form, the memory plan. One file, which opens offline."""
        return explorer.explore([self], path)

    def graph(self, stage: str | None = None) -> Graph:
        """The graph of a stage, the last one by default. Raises CompileError where there is no such stage."""
        return self._traced if stage == TRACED else super().graph(stage)  # no pass has to run for the traced one

    @under_run_lock
    def explain(self, profile: bool = False) -> Explanation:
        """See `Readable.explain`. Where the backward is a program of its own, its explanation comes with it."""
        from lucid.explanation import kept, recomputed_in

        found, backward = super().explain(profile), self.backward
        if backward is None:
            return found
        forward, own = self.graph(PARTITIONED), backward.graph(PARTITIONED)
        saved = forward.outputs[len(forward.outputs) - len(backward.saved_types) :]
        return replace(
            found,
            saved=kept(forward, [value for value in saved if value not in set(forward.inputs)]),
            recomputed=recomputed_in(self.graph("simplified"), own),
            backward=backward.explain(profile),
        )

    def _title(self) -> str:
        return f"{self._traced.name}({self.signature})"

    @property
    def captured_arrays(self) -> list[Any]:
        """The arrays that the program reads without being given them, in the order of `Trace.captured_arrays`, each in
        the memory that it is in."""
        return [*self._constants.values(), *(elements_of(tracked.tensor) for _, tracked in self._captured)]

    def values(self, *args: Any, **kwargs: Any) -> Values:
        """Every value that a call with these arguments computes, by name, module or line, without any effect of the
        call: weights, random state and grads stay. The interpreter computes them.

        Raises ArgumentError unless the arguments have the types that the program is for, and what a call would raise.
        """
        leaves, spec = flatten_call(args, kwargs)
        found = signature(leaves, spec)
        if found != self.signature:
            raise ArgumentError(
                f"values takes arguments of the program's signature, {self.signature}, got {found or 'none'}.",
                hint="give it the arguments of a call, as in program.values(x); other signatures are lowered: "
                "f.lower(x).values(x).",
            )
        with RUN_LOCK:
            return Values(self._traced, self._alone(self.inputs, leaves))

    def inputs(self, leaves: Sequence[Any], run: int | None = None) -> list[Array]:
        """The arrays that a call on these leaves reads, in the order of the inputs of the traced graph, in the memory
        of this process; or those that one run of a `repeat` reads, whose arrays have a leading axis."""
        found: dict[int, Array] = {slot: here(elements_of(tracked.tensor)) for slot, tracked in self._captured}
        for slot, number, _ in self._arguments:
            leaf = leaves[number]
            array = here(elements_of(leaf) if isinstance(leaf, Tensor) else leaf)
            found[slot] = array if run is None else np.asarray(array[run])
        for slot, owner in self._grads_read:
            found[slot] = here(elements_of(gradient_of(owner.in_call(leaves))))
        self._begin(leaves)
        found |= {slot: self._scalars[number].copy() for number, slot in enumerate(self._scalar_slots)}
        found |= self._constant_slots
        return [np.asarray(found[slot]) for slot in range(len(self._traced.inputs))]

    # Running.

    def _bind(self, trace: Trace) -> None:
        """Cut what a call has to do down to a few loops over ready lists."""
        graph = trace.graph
        self.guards: Guards = trace.build_guards()
        position = {value: i for i, value in enumerate(graph.inputs)}
        written = {state for state, _ in graph.updates}
        self._arguments: list[tuple[int, int, bool]] = []  # table slot, leaf number, whether it is written
        self._captured: list[tuple[int, Tracked]] = []
        for tracked in trace.inputs:
            slot = position[tracked.initial]
            if tracked.argument is None:
                self._captured.append((slot, tracked))
            else:
                self._arguments.append((slot, tracked.argument, tracked.initial in written))
        self._written_leaves = [slot[1] for slot in self._arguments if slot[2]]
        self._written = [tracked.tensor for _, tracked in self._captured if tracked.initial in written]
        self._written_slots = [slot for slot, value in enumerate(graph.inputs) if value in written]
        self._captured_ids = {id(tracked.tensor) for _, tracked in self._captured}
        self._scalars = np.zeros(max(len(trace.scalars), 1), np.float64)
        self._pack_scalars = struct.Struct(f"{len(trace.scalars)}d").pack_into
        self._constants = trace.constants
        self._grads_read = [
            (position[slot.entry], slot.owner)
            for slot in trace.grads_read
            if slot.entry is not None and isinstance(slot.owner, Outside)
        ]
        # Whether a call that follows finds the grad of this one: it adds to one, or has stored one where it found none.
        self._finds_grads = any(slot.entry is not None or slot.now is not None for slot in trace.grads_read)
        self._scalar_slots = [position[symbol] for symbol, _ in trace.scalars]
        self._constant_slots = {position[value]: array for value, array in trace.constants.items()}
        self._lay_out()
        self._results = trace.results
        self._returned: dict[str, Any] = {}
        self._returning = returning(self._results, self._result_spec, self._returned)
        traced = trace.outputs
        self._result_count = len(traced)
        self._live = [number for number, result in enumerate(traced) if result.differentiable]
        self._made = [n for n, r in enumerate(traced) if r.requires_grad and r.is_leaf and r.passed is None]
        self._freed = [
            n for n, r in enumerate(traced) if r.requires_grad and not r.differentiable and n not in self._made
        ]
        self._grads_written: list[tuple[Outside | int, int | None]] = []  # whose, and which output
        self._grads_cleared: list[Tensor] = []  # those of captured tensors that are set to None
        stored = itertools.count(self._result_count)
        for grad in trace.grads_written:
            number = next(stored) if grad.now is not None else None
            if number is None and isinstance(grad.owner, Outside) and grad.owner.tensor is not None:
                self._grads_cleared.append(grad.owner.tensor)
            else:
                self._grads_written.append((grad.owner, number))
        self._first_saved = len(graph.outputs)
        self._lines = trace.lines
        self._shown = range(self._first_saved - sum(line.count for line in trace.lines), self._first_saved)
        self._draws = trace.draws
        self._generator = trace.generator if trace.draws else None
        self._latest = trace.latest
        self._begin = define(
            "begin(leaves)", [*self.lines_before(self.guards.scalars), "return drawn_from"], self.scope()
        )
        # What a call does behind its run: for `host_program`, `device_program` and the functions of `dispatch`.
        self.finish = define("finish(leaves, tensors, drawn_from)", self.lines_after(), self.scope())
        self.running = False
        self._refresh()
        self.epoch = -1  # what has changed since it was traced, by another thread, is noticed at the next call

    @abstractmethod
    def _lay_out(self) -> None:
        """Make what a call writes to and reads from, beside Python objects."""

    @abstractmethod
    def _refresh(self) -> bool:
        """Look at captured tensors again; false where one is not what was compiled for."""

    def ready(self, leaves: Sequence[Any]) -> bool:
        """Whether the guards hold for a call whose leaves have this program's signature."""
        for _, number, _ in self._arguments:
            if id(leaves[number]) in self._captured_ids:
                return False
        if not self.guards.holds(leaves):
            return False
        if self.epoch == epoch.count:
            return True
        return self.guards.holds_after_epoch(leaves) and self._refresh()

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise ArgumentError: a call may need another program, which the compiled function finds."""
        raise ArgumentError("a program is not called itself.", hint=self._hint_to_call())

    if not TYPE_CHECKING:  # type checkers know themselves which attributes there are

        def __getattr__(self, name: str) -> NoReturn:
            if name in ("run", "repeat"):  # what runs machine code trusts its caller to have found the program
                hint = self._hint_to_call("" if name == "run" else ".repeat")
                raise MissingNameError(f"a compiled program has no {name!r}.", hint=hint)
            super().__getattr__(name)

    def _hint_to_call(self, method: str = "") -> str:
        function = "f" if iskeyword(self.name) else self.name  # that of a lambda is no name
        return f"call the function, {function}{method}(...): it runs this program where the arguments and guards fit."

    def _run(self, leaves: Sequence[Any]) -> Any:
        """Run on the leaves of a call for which `ready` is true. The caller holds RUN_LOCK."""
        return self._alone(self._call, leaves)

    def _run_times(self, leaves: Sequence[Any], times: int) -> Any:
        """Run `times` times on the leaves of a call whose arrays have a leading axis of that extent, in native calls of
        about a tenth of a second each. Results are stacked; grads are those of the last run. Where a check fails,
        nothing has changed; where a signal handler raises, the runs before stay done, as in a loop of calls.
        The caller holds RUN_LOCK, and `ready` is true for the leaves of the first run."""
        return self._alone(self._repeat, leaves, times)

    def _alone(self, runs: Callable[..., Any], *arguments: Any) -> Any:
        """Call what writes to the frames and scalars of this program, and have nothing else do so meanwhile."""
        if self.running:  # by a signal handler or a finalizer, in the middle of a call
            raise CompileError("a compiled function was called again in the middle of a call of it.")
        self.running = True
        try:
            return runs(*arguments)
        finally:
            self.running = False

    @abstractmethod
    def _call(self, leaves: Sequence[Any]) -> Any: ...

    @abstractmethod
    def _repeat(self, leaves: Sequence[Any], times: int) -> Any: ...

    @abstractmethod
    def prepare_direct(self, leaves: Sequence[Any]) -> DirectParts | None:
        """What a direct call of leaves like these is made of. None where a call does more than look at arrays, or where
        the target cannot do that by itself."""

    # What surrounds the native code, as lines of Python: each program has those that it needs. They are generated since
    # looking for what there is to do would take longer than to do it. They see `leaves`, `tensors` and `drawn_from`.

    def lines_before(self, scalars: Iterable[str]) -> list[str]:
        """Write down the scalars of a call, whose texts are given; note the random state that it finds, if it draws."""
        lines = [f"pack_scalars(scalar_words, 0, {', '.join(scalars)})"] if self.guards.scalars else []
        draws = self._generator is not None
        return [*lines, f"drawn_from = {'seed_word.item(), draw_word.item()' if draws else 'None'}"]

    def lines_after(self) -> list[str]:
        """Put the results of a native run, which found the random state `drawn_from`, into Python objects."""
        lines = ["latest.serial, latest.base = next(serials), drawn_from"] if self._generator is not None else []
        if self._written:
            lines += _for_each("written", len(self._written), "all_written", "._version.count += 1")
        for number in self._written_leaves:
            lines.append(f"if isinstance(leaves[{number}], Tensor): leaves[{number}]._version.count += 1")
        if self._grads_cleared:
            lines += _for_each("cleared", len(self._grads_cleared), "grads_cleared", "._grad = None")
        if self._grads_written:
            lines.append("write_grads(leaves, tensors)")
        if self._made or self._freed or self.backward is not None:
            lines.append("write_histories(leaves, tensors)")
        return [*lines, *self._returning]

    def scope(self) -> dict[str, Any]:
        """What the generated lines name, beside the objects of the guards."""
        names = dict(self.guards.namespace)
        if self._generator is not None:
            names["seed_word"], names["draw_word"] = self._generator.words
            names |= {"latest": self._latest, "serials": draw_serials}
        names |= {f"written{number}": tensor for number, tensor in enumerate(self._written[:MOST_UNROLLED])}
        names |= {f"cleared{number}": tensor for number, tensor in enumerate(self._grads_cleared[:MOST_UNROLLED])}
        return names | {
            "Tensor": Tensor,
            "pack_scalars": self._pack_scalars,
            "scalar_words": self._scalars.data,
            "all_written": self._written,
            "grads_cleared": self._grads_cleared,
            "write_grads": self._write_grads,
            "write_histories": self._write_histories,
            **self._returned,
        }

    @cached_property
    def _stacked(self) -> Callable[..., Any]:
        """What a `repeat` returns, of its leaves and results."""
        scope = self.scope()
        lines = returning(self._results, self._result_spec, scope, repeated=True)
        return define("stacked(leaves, tensors)", lines, scope)

    def _drawn_by_last(self, drawn_from: tuple[int, int] | None, runs: int) -> tuple[int, int] | None:
        """The random state that the last of some runs found, where the first has found `drawn_from`."""
        if drawn_from is None:
            return None
        seed, draw = drawn_from
        return seed, (draw + (runs - 1) * self._draws) % 2**64

    def _expect_repeatable(self) -> None:
        if self.backward is not None:
            raise CompileError(
                "repeat takes a function whose results need no backward.",
                hint="call backward() inside the function, or return loss.detach().",
            )
        if self._finds_grads:
            raise CompileError(
                "a function that reads or adds to the `.grad` of an earlier call can't be repeated.",
                hint="begin it with zero_grad(), or take all parts in one call, as docs/guards.md shows.",
            )
        if self._written_leaves:
            raise CompileError(
                "a function that updates an argument in place can't be repeated.",
                hint="let it update a tensor that it captures, such as a registered buffer.",
            )

    def _expect_apart(self, table: npt.NDArray[np.uint64]) -> None:
        """Raise ArgumentError where two arrays that the program writes, at the addresses of a table, overlap: which of
        the writes stays would be left open."""
        inputs = self._traced.inputs
        slots = sorted((slot for slot in self._written_slots if inputs[slot].type.size), key=table.__getitem__)
        for slot, following in itertools.pairwise(slots):
            first, second = inputs[slot], inputs[following]
            if int(table[following]) < int(table[slot]) + first.type.nbytes:
                raise ArgumentError(
                    f"{first.name}, {first.type}, and {second.name}, {second.type}, overlap, and the compiled function "
                    "updates both in place.",
                    hint="give each an array of its own: numpy.array(x).",
                )

    def _write_grads(self, leaves: Sequence[Any], tensors: Sequence[Tensor]) -> None:
        for owner, output in self._grads_written:
            target = tensors[owner] if isinstance(owner, int) else owner.in_call(leaves)
            if isinstance(target, Tensor):
                target._grad = None if output is None else tensors[output]

    def _write_histories(self, leaves: Sequence[Any], tensors: Sequence[Tensor]) -> None:
        for made in self._made:
            tensors[made]._requires_grad = True
        for freed in self._freed:
            tensors[freed]._requires_grad, tensors[freed]._history = True, eager.FREED
        if self.backward is not None:
            live = [tensors[output] for output in self._live]
            self.backward.record(leaves, self._scalars, tensors, live, tensors[self._first_saved :])


def array_of(leaf: Any) -> Array:
    """The elements of an argument, or of a captured tensor."""
    array: Any = leaf
    if isinstance(leaf, Tensor):
        array = elements_of(leaf)
    if isinstance(array, np.generic):
        array = np.asarray(array)
    if not isinstance(array, np.ndarray):
        raise ArgumentError(
            "a function compiled for the CPU was given, or captures, a tensor that is on the GPU.",
            hint='compile it with target="cuda", or bring the tensor here: '
            'x.to("cpu"), model.to("cpu"), optimizer.to("cpu")',
        )
    return array


def _for_each(name: str, count: int, all_of_them: str, does: str) -> list[str]:
    """Lines that do something to each of some tensors: to name0, name1, ..., or to all in a list."""
    if count <= MOST_UNROLLED:
        return [f"{name}{number}{does}" for number in range(count)]
    return [f"for {name} in {all_of_them}: {name}{does}"]
