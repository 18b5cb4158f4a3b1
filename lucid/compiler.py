"""lucid.compile: from a call's signature to a cached program."""

from __future__ import annotations

import copy
import functools
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

import lucid.explorer as explorer
from lucid.audit import Audit, periods
from lucid.codegen.rules import KernelRule
from lucid.codegen.target import Target
from lucid.codegen.threads import RUN_LOCK
from lucid.compilation import compile_graph
from lucid.dispatch import UNLIKE, FastPath
from lucid.errors import ArgumentError, ArgumentTypeError, CompileError, MissingNameError, TraceError
from lucid.foreign_draws import told_of_draws
from lucid.ir.passes.pipeline import PIPELINE, Pass, extended
from lucid.joint import differentiable_results, split
from lucid.logs import RECOMPILE, TRACE
from lucid.missing_names import hint_for, refuse
from lucid.modes import modes
from lucid.nn.module import Module
from lucid.operations.arguments import as_list
from lucid.program import Program
from lucid.pytree import Spec
from lucid.recompiles import Recompilation, Recompilations, advice, broken_guard, nearest_difference
from lucid.repeats import expect_no_list, first_element, leading_extent
from lucid.signature import Key, argument_names, flatten_call, key_of, signature
from lucid.targets import load_target, program_class
from lucid.traced_call import trace_call

if TYPE_CHECKING:
    from lucid.explanation import Explanation

MAX_PROGRAMS = 64  # of one function; the least recently used goes first
MAX_RECORDS = 1000  # of compilations, of one function
OPTIONS = ("target", "passes", "kernel_rules", "trap")  # of `compile`
STORM = 8  # programs of one function before a warning says what keeps changing


class RecompileWarning(UserWarning):
    """A function has been compiled many times; the message says what changed last."""


@overload
def compile(
    function: Module,
    *,
    target: str = "cpu",
    passes: Sequence[Pass] = (),
    kernel_rules: Sequence[KernelRule] = (),
    trap: str | None = None,
) -> CompiledModule: ...
@overload
def compile(
    function: Callable[..., Any],
    *,
    target: str = "cpu",
    passes: Sequence[Pass] = (),
    kernel_rules: Sequence[KernelRule] = (),
    trap: str | None = None,
) -> CompiledFunction: ...
@overload
def compile(
    function: None = None,
    *,
    target: str = "cpu",
    passes: Sequence[Pass] = (),
    kernel_rules: Sequence[KernelRule] = (),
    trap: str | None = None,
) -> Callable[[Callable[..., Any]], CompiledFunction]: ...
def compile(
    function: Callable[..., Any] | Module | None = None,
    *,
    target: str = "cpu",
    passes: Sequence[Pass] = (),
    kernel_rules: Sequence[KernelRule] = (),
    trap: str | None = None,
    **others: Any,
) -> Any:
    """Compile a function, a whole training step, or a Module. Also a decorator.

    The first call with arguments of new shapes, dtypes or Python values traces the function and compiles the graph;
    later calls run it natively. The result behaves as the function does, with the same random numbers and the same
    `grad`s; `lower`, `programs` show what was compiled. Raises TraceError for Python that a graph cannot represent.
    With `trap="nan"`, its calls behave as under `lucid.debug.trap_nan`.

    `target` is "cpu"; "cuda", for a step on an NVIDIA GPU; or "cuda-sim", which executes the kernels of "cuda" on the
    CPU, for developers of Lucid: see docs/gpu.md.

    `passes` of your own join the compiler's, and `kernel_rules` change how kernels run: see docs/extend.md.

    >>> import lucid
    >>> @lucid.compile
    ... def double(x):
    ...     return x * 2.0
    >>> print(double(lucid.Tensor([1.0, 2.0])))
    [2.0, 4.0]
    """
    for name in others:
        raise ArgumentTypeError(f"compile takes no {name!r}.", hint=hint_for(name, OPTIONS, ("compile",)))
    if function is None:
        return functools.partial(compile, target=target, passes=passes, kernel_rules=kernel_rules, trap=trap)
    if not isinstance(trap, str | None) or trap not in (None, "nan"):
        raise ArgumentError(f'trap is None or "nan", got {trap!r}.')
    if isinstance(function, CompiledFunction):
        if passes or kernel_rules:
            raise ArgumentError(
                "compile takes passes and kernel rules together with a function that has not been compiled yet.",
                hint="give them to the call of lucid.compile that compiles it.",
            )
        if trap:
            raise ArgumentError(
                "compile takes a trap together with a function that has not been compiled yet.",
                hint="call the function inside `with lucid.debug.trap_nan():`.",
            )
        return function
    if isinstance(function, type):
        name = function.__name__
        raise ArgumentError(
            f"compile takes a function or a Module, got the class {name}.",
            hint=f"make an instance first: lucid.compile({name}(...)).",
        )
    if not callable(function):
        raise ArgumentTypeError(f"compile takes a function or a Module, got {function!r}.")
    passes = as_list("compile takes a list of passes", passes)
    kernel_rules = as_list("compile takes a list of kernel rules", kernel_rules)
    for rule in kernel_rules:
        if not callable(rule):
            raise ArgumentError(f"a kernel rule is a function from a Kernel to a Kernel, got {rule!r}.")
    return _compiled(function, load_target(target, kernel_rules), extended(passes), trap is not None)


def _compiled(
    function: Callable[..., Any] | Module, target: Target, pipeline: tuple[Pass, ...], trap: bool
) -> CompiledFunction:
    if isinstance(function, Module):
        return CompiledModule(function, target, pipeline, trap)
    return CompiledFunction(function, getattr(function, "__name__", "function"), target, pipeline, trap)


class CompiledFunction:
    """A function that runs as native programs, one for each signature that it has met."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        target: Target,
        pipeline: tuple[Pass, ...] = PIPELINE,
        trap: bool = False,
    ) -> None:
        self._function = function
        self._trap = trap
        self._name = name.strip("<>")
        self._target = target
        self._pipeline = pipeline
        self._programs: dict[Key, list[Program]] = {}
        self._compilations: deque[Recompilation] = deque(maxlen=MAX_RECORDS)
        self._audit = Audit()
        self._fast: FastPath | None = None
        functools.update_wrapper(self, function, updated=())

    if not TYPE_CHECKING:  # type checkers know themselves which attributes there are

        def __getattr__(self, name: str) -> NoReturn:
            self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        if hasattr(Program, name) and not name.startswith("_"):
            hint = f"its programs have: step.lower(...).{name}, step.programs[-1].{name}"
            raise MissingNameError(f"a compiled function has no {name!r}.", hint=hint)
        refuse("a compiled function", name, dir(self))

    @property
    def programs(self) -> tuple[Program, ...]:
        """The cached programs, each with the signature that it was specialized on."""
        return tuple(program for group in self._programs.values() for program in group)

    def explore(self, path: str | os.PathLike[str]) -> Path:
        """Write a page for the browser that shows all cached programs, and return where it is: see
        `Program.explore`."""
        return explorer.explore(self.programs, path)

    @overload
    def explain(self, *, profile: bool = False) -> Explanation: ...
    @overload
    def explain(self, *, recompiles: Literal[True]) -> Recompilations: ...
    def explain(self, *, profile: bool = False, recompiles: bool = False) -> Explanation | Recompilations:
        """What the latest program does: see `Program.explain`. With `recompiles`, instead, what each
        compilation of the function was caused by: a guard or an argument, what it was and what it is.

        Raises CompileError where nothing has been compiled yet.
        """
        if recompiles:
            return Recompilations(self._name, tuple(self._compilations))
        if not self._programs:
            raise CompileError(
                f"{self._name} has not been compiled yet.", hint="call it, or explain what lower(...) returns."
            )
        return list(self._programs.values())[-1][0].explain(profile)

    def lower(self, *args: Any, **kwargs: Any) -> Program:
        """Trace and compile for these arguments without running: the program that a call would use."""
        if modes.tracer is not None:
            raise TraceError(
                "lower can't be called while a function is traced.", hint="call it outside the compiled function."
            )
        leaves, spec = flatten_call(args, kwargs)
        with RUN_LOCK:
            return self._find(leaves, spec, runs=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if modes.tracer is not None:  # a compiled function inside a trace is a part of it
            return self._function(*args, **kwargs)
        fast, audited = self._fast, bool(periods) and self._audit.due()
        if fast is not None and not audited:
            result = fast.call(args, kwargs)
            if result is not UNLIKE:
                return result
        leaves, spec = flatten_call(args, kwargs)
        with RUN_LOCK:
            program = self._find(leaves, spec)
            if audited:
                self._audit.compare(program, trace_call(self._function, self._name, leaves, spec)[0])
            self._fast = FastPath.after(self._fast, program, args, kwargs, leaves)
            return program._run(leaves)

    def repeat(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function for each element of the leading axis of all array arguments, in a loop of native code.

        `step.repeat(xs, ys)` does what `[step(x, y) for x, y in zip(xs, ys)]` does, in native calls of about a tenth of
        a second each; tensors among the results are stacked along a new leading axis. Floats and other arguments
        stay the same for all calls; so do the hyperparameters of optimizers. Raises ShapeError where the leading axes
        differ or are empty, ArgumentTypeError for a list of arrays, CompileError where a call would find the `.grad` of
        the one before, and CheckError where a call fails: it says which, counted from 0, and everything is as it was
        before the first. Ctrl-C, or a signal handler that raises, ends it between two calls, within about a tenth of a
        second; those before stay done.
        """
        if modes.tracer is not None:
            raise TraceError("repeat can't be called while a function is traced.", hint="write a loop.")
        expect_no_list([*args, *kwargs.values()])
        leaves, spec = flatten_call(args, kwargs)
        times = leading_extent(leaves)
        first = [first_element(leaf) for leaf in leaves]
        with RUN_LOCK:
            return self._find(first, spec)._run_times(leaves, times)

    def __get__(self, owner: object, kind: type | None = None) -> Any:
        return self if owner is None else BoundFunction(self, owner)

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "compiled functions are not pickled.",
            hint="import or compile it where it is needed; a model's weights are saved by lucid.save(path, model).",
        )

    def __copy__(self) -> Any:
        return _compiled(self._function, self._target, self._pipeline, self._trap)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return _compiled(copy.deepcopy(self._function, memo), self._target, self._pipeline, self._trap)

    def __repr__(self) -> str:
        return f"<compiled {self._name}: {len(self.programs)} programs>"

    def _find(self, leaves: list[Any], spec: Spec, runs: bool = True) -> Program:
        key = key_of(leaves, spec)
        group = self._programs.get(key)
        if group is not None:
            for program in group:
                if program.ready(leaves):
                    if len(self._programs) > 1:  # the latest used goes to the end
                        self._programs[key] = self._programs.pop(key)
                    return program
        if runs:
            self._target.expect_machine()
        program = self._build(leaves, spec)
        self._remember(key, program, leaves)
        if os.environ.get(explorer.VARIABLE):
            explorer.note(program)
        return program

    def _remember(self, key: Key, program: Program, leaves: list[Any]) -> None:
        compiled, hint = self._compiled_because(key, program, leaves), advice(key, self._programs)
        self._compilations.append(compiled)
        RECOMPILE.info("%s(%s) is compiled: %s", self._name, compiled.signature, compiled.cause)
        group = self._programs.pop(key, [])
        group.insert(0, program)
        self._programs[key] = group
        if compiled.number == STORM:
            warnings.warn(
                f"{self._name} has been compiled {STORM} times; the last time because {compiled.cause}.\n"
                f"  hint: {hint}",
                RecompileWarning,
                stacklevel=4,
            )
        while len(self.programs) > MAX_PROGRAMS:
            oldest = next(iter(self._programs))
            self._programs[oldest].pop()
            if not self._programs[oldest]:
                del self._programs[oldest]

    def _compiled_because(self, key: Key, program: Program, leaves: list[Any]) -> Recompilation:
        """An account of a compilation, of what has made it necessary if it is not the first."""
        number = self._compilations[-1].number + 1 if self._compilations else 1
        names_of = functools.partial(argument_names, self._function)
        if key in self._programs:
            cause = broken_guard(self._programs[key][0].guards, leaves, names_of(key.spec))
        elif self._programs:
            cause = nearest_difference(key, self._programs, names_of)
        else:
            return Recompilation(number, program.signature)
        return Recompilation(number, program.signature, *cause)

    def _build(self, leaves: list[Any], spec: Spec) -> Program:
        with self._target.ahead():
            return self._compile(leaves, spec)

    def _compile(self, leaves: list[Any], spec: Spec) -> Program:
        start = time.perf_counter()
        with told_of_draws(self._name):
            trace, result_spec = trace_call(self._function, self._name, leaves, spec)
        milliseconds, count = (time.perf_counter() - start) * 1e3, len(trace.graph.nodes)
        TRACE.info("%s(%s) is traced in %.1f ms: %d nodes", self._name, signature(leaves, spec), milliseconds, count)
        kind = program_class(self._target)
        if not differentiable_results(trace):
            compiled = compile_graph(trace.graph, self._target, self._pipeline)
            return kind(trace, result_spec, compiled, None, signature(leaves, spec), self._trap)
        forward, backward = split(trace, self._target, self._pipeline)
        return kind(trace, result_spec, forward, backward, signature(leaves, spec), self._trap)


class BoundFunction:
    """A compiled method of an object: the compiled function with the object as its first argument."""

    def __init__(self, function: CompiledFunction, owner: object) -> None:
        self.__func__ = function
        self.__self__ = owner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def lower(self, *args: Any, **kwargs: Any) -> Program:
        """See `CompiledFunction.lower`."""
        return self.__func__.lower(self.__self__, *args, **kwargs)

    def repeat(self, *args: Any, **kwargs: Any) -> Any:
        """See `CompiledFunction.repeat`."""
        return self.__func__.repeat(self.__self__, *args, **kwargs)

    def explain(self, **options: bool) -> Explanation | Recompilations:
        """See `CompiledFunction.explain`."""
        return self.__func__.explain(**options)

    def explore(self, path: str | os.PathLike[str]) -> Path:
        """See `CompiledFunction.explore`."""
        return self.__func__.explore(path)

    @property
    def programs(self) -> tuple[Program, ...]:
        """The cached programs of the function, for all objects."""
        return self.__func__.programs


class CompiledModule(CompiledFunction):
    """A Module whose calls run natively. Everything else is the module's own: parameters(), train(), attributes."""

    def __init__(
        self, module: Module, target: Target, pipeline: tuple[Pass, ...] = PIPELINE, trap: bool = False
    ) -> None:
        super().__init__(module, type(module).__name__, target, pipeline, trap)
        self.module = module

    def __getattr__(self, name: str) -> Any:
        if name == "module":
            raise AttributeError(name)
        if hasattr(Program, name) and not hasattr(self.module, name):
            self._refuse(name)
        return getattr(self.module, name)

    def __getitem__(self, key: Any) -> Any:
        return self.module[key]  # type: ignore[index]  # for modules that are containers

    def __len__(self) -> int:
        return len(self.module)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.module)

    def __bool__(self) -> bool:
        return True

    def __setattr__(self, name: str, value: Any) -> None:
        if "module" in self.__dict__ and name not in self.__dict__:
            setattr(self.module, name, value)
        else:
            super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"<compiled {self.module!r}>"
