"""The CUDA C of a program as a file for others: everything it takes to launch it stands in its header."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Sequence

from lucid.codegen.cuda.module import Module, printable, write_module
from lucid.codegen.cuda.plan import STATUS_WORDS, Launch, Loop, Step
from lucid.codegen.cuda.scalars import NVRTC_OPTIONS
from lucid.ir.graph import Graph
from lucid.ir.text_print import value_names

_WIDTH = 112


def cuda_source(graph: Graph) -> str:
    """The CUDA C of a graph, behind a comment that is a Python function which launches it with `cupy.RawKernel`.

    Raises CompileError for an op that the CUDA targets do not support.
    """
    module = write_module(graph)
    return "\n".join([_header(module), *module.functions.values()])


def _header(module: Module) -> str:
    lines = [
        f"{printable(module.graph.name)}: CUDA C, written by Lucid. With CuPy it runs like this:",
        "",
        *(f"    {line}" if line else "" for line in _script(module)),
        "",
        "The order of every sum stands in the text, so that the bits are those of Lucid's other targets where it is",
        f"compiled with {' '.join(NVRTC_OPTIONS)}.",
        "RawKernel adds -ftz=true, by which subnormal float32 are 0: then results are equal where no number on the way",
        "to them is subnormal.",
    ]
    return "".join(f"// {line}".rstrip() + "\n" for line in lines)


def _script(module: Module) -> Iterator[str]:
    """A Python function of the arguments and states of a graph, which updates states in place and returns outputs."""
    graph, plan, new = module.graph, module.plan, _Names()
    name, hints = new.name(graph.name, "graph"), value_names(graph)
    names = {value: new.name(hints[value], "x") for value in (*graph.inputs, *graph.outputs)}
    storages = {
        **dict(enumerate(names[value] for value in (*graph.inputs, *graph.outputs))),
        **{
            number: f"arena[{stretch.offset}:{stretch.offset + stretch.size}]"
            for number, stretch in enumerate(plan.stretches, plan.slots)
        },
        plan.status: "status",
    }
    yield "import cupy"
    yield ""
    yield f'with open("{name}.cu") as file:  # this one'
    yield "    source = file.read()"
    yield f"options = {tuple(option for option in NVRTC_OPTIONS if 'ftz' not in option)}"
    yield ""
    yield "def launch(name, blocks, threads, *arguments):"
    yield "    cupy.RawKernel(source, name, options)(blocks, (threads,), arguments)"
    yield ""
    if any(isinstance(step, Loop) for step in plan.steps):
        yield "def element(array, place, size):  # of the leading axis, in bytes"
        yield '    return array.reshape(-1).view("uint8")[place * size : (place + 1) * size]'
        yield ""
    yield from _call(f"def {name}(", [names[value] for value in graph.inputs], "):")
    for value in graph.inputs:
        what = ", which is updated" if plan.inputs and value in dict(graph.updates) else ""
        yield f"    # {names[value]}: {value.type}, contiguous{what}"
    if plan.arena:
        yield f'    arena = cupy.empty({plan.arena}, "uint8")'
    if any(plan.status in step.buffers for step in _all_launches(plan.steps)):
        yield f'    status = cupy.zeros({STATUS_WORDS}, "int64")'
    for value in graph.outputs:
        yield f'    {names[value]} = cupy.empty({value.type.shape}, "{value.type.dtype.numpy.name}")'
    yield from _steps(plan.steps, storages, new, "    ")
    if plan.checks:
        yield "    if status[0]:  # waits for the GPU"
        yield "        raise ValueError(f'check {status[1]} failed: position {status[2]}, value {status[3]}')"
    yield f"    return {', '.join(names[value] for value in graph.outputs) or None}"


def _all_launches(steps: Sequence[Step[Launch]]) -> Iterator[Launch]:
    for step in steps:
        if isinstance(step, Launch):
            yield step
        else:
            yield from _all_launches(step.steps)


def _steps(steps: Sequence[Step[Launch]], storages: dict[int, str], new: _Names, indent: str) -> Iterator[str]:
    for step in steps:
        if isinstance(step, Launch):
            yield from _call(f"{indent}launch(", _arguments(step, storages), ")")
            continue
        place = new.name("place")
        yield f"{indent}for {place} in {step.places()!r}:"
        for number, element in enumerate(step.elements, step.first):
            storages[number] = new.name("part")
            yield f"{indent}    {storages[number]} = element({storages[element.storage]}, {place}, {element.size})"
        yield from _steps(step.steps, storages, new, f"{indent}    ")


def _arguments(launch: Launch, storages: dict[int, str]) -> list[str]:
    buffers = [storages[buffer] for buffer in launch.buffers]
    scalars = [f"cupy.int32({scalar})" for scalar in launch.scalars]
    return [f'"{launch.function}"', str(launch.blocks), str(launch.threads), *buffers, *scalars]


def _call(start: str, arguments: list[str], end: str) -> Iterator[str]:
    """A call or a head with its arguments, in as many lines as it takes."""
    line = start
    for number, argument in enumerate(arguments):
        part = argument + (end if number == len(arguments) - 1 else ",")
        if line != start and len(line) + len(part) + 1 > _WIDTH:
            yield line
            line = " " * (len(start) - len(start.lstrip()) + 8) + part
        else:
            line += part if line == start else f" {part}"
    yield line if arguments else start + end


class _Names:
    """Names in Python for what a script defines, each given once: so none hides another, or what the script uses."""

    def __init__(self) -> None:
        self.taken = {"cupy", "file", "source", "options", "launch", "element", "arena", "status"}
        self.taken |= {"open", "range", "ValueError"}

    def name(self, text: str, otherwise: str = "") -> str:
        """A name like a text, or like another one where the text has nothing that a name could have."""
        base = name = _identifier(text) or otherwise
        number = 1
        while name in self.taken:
            number += 1
            name = f"{base}_{number}"
        self.taken.add(name)
        return name


def _identifier(text: str) -> str:
    """A name in Python that is like a text, or nothing."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    return f"x{name}" if name[:1].isdigit() else f"{name}_" if keyword.iskeyword(name) else name
