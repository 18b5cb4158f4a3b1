"""Writing a function in CUDA C: statements in nested blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lucid.codegen.cuda.indices import index_expression
from lucid.codegen.cuda.scalars import C_TYPES, CTerm, CudaScalars
from lucid.ir.index import Index
from lucid.ir.types import DType, int64

INDENT = "    "
WIDTH = 120

# The first statement of a function that writes state, and the parameter that it reads: see `lucid.codegen.cuda.plan`.
GUARD = "if (status[0]) return;  // a check has failed: nothing is written any more"
STATUS = "const long long* status"


def function_head(
    name: str, pointers: Sequence[str], guarded: bool, scalars: Sequence[str] = (), bounds: str = ""
) -> list[str]:
    """The lines that begin a `__global__` function: its parameters are pointers, the status where it is guarded, and
    scalars."""
    parameters = [*pointers, *([STATUS] if guarded else []), *scalars]
    start = f'extern "C" __global__ void {bounds}{name}('
    line = f"{start}{', '.join(parameters)}) {{"
    if len(line) <= WIDTH:
        return [line]
    return [start, *(f"{INDENT}{parameter}," for parameter in parameters[:-1]), f"{INDENT}{parameters[-1]}) {{"]


class Writer:
    """The statements of the innermost open block, in `lines`, and the scalar vocabulary `s` that appends to it.

    Indices are numbers of dtype `index`.
    """

    def __init__(self, index: DType = int64) -> None:
        self.s = CudaScalars([])
        self.index = index

    @property
    def lines(self) -> list[str]:
        return self.s.lines

    def line(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Write what is written meanwhile in braces behind a head such as `if (...)`."""
        outer, self.s.lines = self.lines, []
        yield
        inner, self.s.lines = self.lines, outer
        self.lines.extend([f"{head} {{", *(INDENT + line for line in inner), "}"])

    def variable(self, name: str, start: CTerm) -> CTerm:
        """Declare a variable that starts from a value and can be assigned to."""
        self.line(f"{C_TYPES[start.dtype]} {name} = {start.text};")
        return CTerm(start.dtype, name)

    def assign(self, variables: Sequence[CTerm], values: Sequence[CTerm]) -> None:
        """Assign values to variables, all at once."""
        # A value that is itself one of the variables is read before that changes.
        read = [
            self.s.declare(value.dtype, value.text) if value in variables and value != variable else value
            for variable, value in zip(variables, values, strict=True)
        ]
        for variable, value in zip(variables, read, strict=True):
            if value != variable:
                self.line(f"{variable.text} = {value.text};")

    def position(self, index: Index, dtype: DType) -> CTerm:
        """An index as a number."""
        if not index.terms:
            return self.s.constant(index.constant, dtype)
        return self.s.cast(CTerm(self.index, self._operand(index)), dtype)

    def long_position(self, index: Index) -> CTerm:
        """An index as a number of 64 bits, which is written where it is used: most reductions do not look at it."""
        if not index.terms:
            return self.s.constant(index.constant, int64)
        cast = "" if self.index == int64 else f"({C_TYPES[int64]})"
        return CTerm(int64, cast + self._operand(index))

    def _operand(self, index: Index) -> str:
        text = index_expression(index)
        return f"({text})" if " " in text else text
