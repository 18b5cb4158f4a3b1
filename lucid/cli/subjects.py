"""What a command is asked about: a function or a module of a Python file, or an IR file; compiled, not run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lucid.cli.command import InputError, UsageError
from lucid.cli.files import load, read_graph
from lucid.cli.inputs import Input
from lucid.compilation import Compiled, compile_graph
from lucid.compiler import CompiledFunction, CompiledModule, compile
from lucid.ir.graph import Graph
from lucid.ir.passes.pipeline import Stages
from lucid.modes import no_grad
from lucid.nn.module import Module
from lucid.program import Program
from lucid.pytree import flatten
from lucid.stages import Readable
from lucid.targets import load_target
from lucid.tensor import Tensor


@dataclass(frozen=True)
class Subject:
    """Programs by a title: one, or a forward and the backward that goes with it."""

    parts: dict[str, Readable]


def subject_of(reference: str, inputs: Sequence[Input], train: bool) -> Subject:
    """Compile what a command line names. Raises UsageError, InputError and all that compiling raises."""
    if reference.endswith(".ir") or reference == "-":
        if inputs or train:
            raise UsageError("an IR file takes neither --input nor --train: it says its inputs itself.")
        return Subject({"program": of_graph(read_graph(reference))})
    program = lower(load(reference), reference, inputs, train)
    if program.backward is None:
        return Subject({"program": program})
    return Subject({"forward": program, "backward": program.backward})


def of_graph(graph: Graph) -> Readable:
    """A graph, compiled from the stage at which it is: a planned one is only translated."""
    target = load_target("cpu")
    if not graph.places:
        return Readable(compile_graph(graph, target))
    executable = target.compile(graph)
    return Readable(Compiled(executable, lambda: Stages({"planned": graph}, {})))


def lower(subject: Any, reference: str, inputs: Sequence[Input], train: bool) -> Program:
    """The program of a function or a module for some inputs."""
    if isinstance(subject, CompiledModule):
        subject = subject.module
    if isinstance(subject, Module):
        args, kwargs = _arguments(subject.forward, reference, inputs)
        if train:
            return compile(_training_step(subject)).lower(*args, **kwargs)
        subject.eval()
        with no_grad():
            return compile(subject).lower(*args, **kwargs)
    if train:
        raise UsageError(f"--train is for modules; {reference} is a {type(subject).__name__}.")
    if isinstance(subject, type) or not callable(subject):
        is_class = isinstance(subject, type)
        kind = f"the class {subject.__name__}" if is_class else f"an object of {type(subject).__name__}"
        hint = f"make an object of it in the file: model = {subject.__name__}(...)." if is_class else None
        raise InputError(f"expected a function or a module, got {kind}: {reference}.", hint=hint)
    function = subject._function if isinstance(subject, CompiledFunction) else subject
    args, kwargs = _arguments(function, reference, inputs)
    compiled: CompiledFunction = compile(subject)
    return compiled.lower(*args, **kwargs)


def _training_step(module: Module) -> Callable[..., Any]:
    """A forward in training mode, then the backward of the sum of its results."""
    module.train()

    def step(*args: Any, **kwargs: Any) -> Any:
        module.zero_grad()
        result = module(*args, **kwargs)
        results = [leaf for leaf in flatten(result)[0] if isinstance(leaf, Tensor) and leaf.requires_grad]
        if not results:
            raise InputError(f"no result of {type(module).__name__} requires a gradient: there is nothing to train.")
        if len(results) == 1:
            results[0].backward()
        else:
            total = results[0].sum()
            for other in results[1:]:
                total = total + other.sum()
            total.backward()
        return result

    step.__name__ = type(module).__name__
    step.__signature__ = inspect.signature(module.forward)  # type: ignore[attr-defined]
    return step


def _arguments(function: Any, reference: str, inputs: Sequence[Input]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call. Raises UsageError where they are not those that the function takes."""
    args = [given.value() for given in inputs if not given.name]
    kwargs = {given.name: given.value() for given in inputs if given.name}
    taken = inspect.signature(function).parameters
    unknown = [name for name in kwargs if name not in taken]
    if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        raise UsageError(f"{reference} has no argument {unknown[0]}; it takes ({', '.join(taken)}).")
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise UsageError(
            f"{reference} takes ({', '.join(taken)}): {error}; give each as --input NAME=64x784xf32"
        ) from None
    return args, kwargs
