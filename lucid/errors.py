"""Every error that Lucid raises on purpose: one sentence, the user's line, a hint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import UnionType
from typing import Any, TypeVar

from lucid.conditions import instead_of_condition
from lucid.context import module_description, source_line, user_frame


class LucidError(Exception):
    """The base of Lucid's errors. The message is a sentence, the user's line and a hint, each on its own line.

    `where` is the user's line if it is not the one that is running, and `module` the one that was called there. An
    error in a text that is not the user's Python shows an `excerpt` of that text instead.
    """

    def __init__(
        self,
        sentence: str,
        *,
        hint: str | None = None,
        where: tuple[str, int] | None = None,
        excerpt: str | None = None,
        module: str | None = None,
    ) -> None:
        if module is None and excerpt is None:
            module = module_description()
        self.module, self.where = module, where
        self._shown = f"in {module}: {sentence}" if module else sentence
        self.sentence = sentence
        self.hint = hint
        self._excerpt = excerpt
        super().__init__()
        self._show(where if where is not None or excerpt is not None else user_frame())

    def _show(self, where: tuple[str, int] | None) -> None:
        """Have the message show a line of the user's."""
        self._shows_line = where is not None
        line = self._excerpt if where is None else f"  {source_line(*where)}"
        hint = None if self.hint is None else f"  hint: {self.hint}"
        self.args = ("\n".join(part for part in (self._shown, line, hint) if part is not None),)

    def show_line(self) -> None:
        """Show the user's line that is running, if none is shown: that of a thread of Lucid's own had none."""
        if not self._shows_line and self._excerpt is None:
            self._show(user_frame())

    def __str__(self) -> str:  # the message, also of those that are errors of Python which print something else
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:  # a copy, or one from another process, keeps the line that is shown
        of_python = ("errno", "strerror", "filename") if isinstance(self, OSError) else ()
        attributes = {**self.__dict__, **{name: getattr(self, name) for name in of_python}}
        return _restored, (type(self), self.args, attributes)


def _restored(kind: type[LucidError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> LucidError:
    error = kind.__new__(kind)
    error.args = arguments
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


class ShapeError(LucidError, ValueError):
    """Shapes that do not fit each other or the operation."""


class AxisError(ShapeError, IndexError):
    """An axis that a tensor does not have, as in NumPy: it is an IndexError, too."""


class DTypeError(LucidError, TypeError):
    """Element types that do not fit each other or the operation."""


class ArgumentError(LucidError, ValueError):
    """An argument with a value outside its documented range."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of a type that is not taken, such as a text for a number: it is a TypeError, too."""


def argument_error(
    got: object, taken: type | UnionType | tuple[type, ...], sentence: str, *, hint: str | None = None
) -> ArgumentError:
    """The error of an argument: an ArgumentTypeError unless it is of a type that is taken."""
    return (ArgumentError if isinstance(got, taken) else ArgumentTypeError)(sentence, hint=hint)


class CheckError(LucidError, IndexError):
    """A condition on the data, such as the bounds of an index, that failed when the step ran."""


class PositionError(ArgumentError, IndexError):
    """A position that a list of modules, of parameters or of samples does not have."""


class MissingKeyError(ArgumentError, KeyError):
    """A name under which a dict of modules or parameters holds nothing."""


class NameTakenError(ArgumentError, KeyError):
    """A name for a parameter, a buffer or a module under which a module holds something else."""


class FileError(LucidError, OSError):
    """A file that can't be read or written, with the `errno` and the `filename` of Python's error."""

    def __init__(self, sentence: str, path: str, error: OSError, *, hint: str | None = None) -> None:
        super().__init__(sentence, hint=hint)
        self.errno, self.strerror, self.filename = error.errno, error.strerror, path


class MissingFileError(FileError, FileNotFoundError):
    """A file, or the folder to write one into, that does not exist."""


class FolderError(FileError, IsADirectoryError):
    """A folder in the place of a file."""


class PermissionDeniedError(FileError, PermissionError):
    """A file that this user may not read or write."""


_OF_FILES = {
    FileNotFoundError: MissingFileError,
    IsADirectoryError: FolderError,
    PermissionError: PermissionDeniedError,
}


def file_error(done: str, path: str | os.PathLike[str], error: OSError, *, hint: str | None = None) -> FileError:
    """The error of a file that could not be `read` or `written`, of the class that Python's error has."""
    name, reason = os.fspath(path), error.strerror or str(error)
    kind: type[FileError] = _OF_FILES.get(type(error), FileError)
    return kind(f"{name} can't be {done}: {reason}.", name, error, hint=hint)


@contextmanager
def reading(library: str, array: object) -> Iterator[None]:
    """Raise ArgumentError where a library, NumPy or CuPy, can't take over an array of another one in this block: for
    its dtype or its layout, or since it wants a gradient."""
    try:
        yield
    except LucidError:
        raise
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise ArgumentError(
            f"{library} can't read an array of type {type(array).__name__}: {str(error).rstrip('.')}.",
            hint="convert it first: one of PyTorch as in x.detach().float().",
        ) from error


class UndefinedError(LucidError, NotImplementedError):
    """A module without a `forward` that was called."""


class AllocationError(LucidError, MemoryError):
    """A tensor that does not fit into memory."""


class NonFiniteError(LucidError, FloatingPointError):
    """NaN or infinity where `lucid.debug.trap_nan` or `lucid.compile(..., trap="nan")` watches for them."""


class GradientError(LucidError, RuntimeError):
    """A backward pass that cannot be done: no graph, a freed one, or a saved value that was overwritten; and a list of
    tensors in the place of an array, in which their gradients would end."""


class TraceError(LucidError, RuntimeError):
    """Python code that a trace cannot represent."""


class AuditError(LucidError, RuntimeError):
    """A compiled function that depends on something that is not guarded."""


class CompileError(LucidError, RuntimeError):
    """A graph that a target cannot compile."""


class CacheWarning(UserWarning):
    """The disk cache of compiled programs is damaged or can't be trusted; the message says where and why."""


class TraceWarning(UserWarning):
    """A compiled function did something in its trace that later calls do not do again."""


class ParseError(LucidError, ValueError):
    """IR text that does not parse: what was expected, where (counted from 1), and that line with a caret."""

    def __init__(self, sentence: str, *, line: int, column: int, source: str, hint: str | None = None) -> None:
        start = max(0, column - 100)  # a part of a line that is too long to show
        shown = source[start : start + 140].replace("\t", " ")
        caret = " " * (column - 1 - start) + "^"
        super().__init__(sentence, hint=hint, excerpt=f"  line {line}, column {column}:\n    {shown}\n    {caret}")
        self.line = line
        self.column = column


class VerificationError(LucidError, ValueError):
    """A graph that breaks an invariant of the IR."""


class InstallationError(LucidError, ImportError):
    """An environment in which Lucid cannot work, such as two distributions that share one folder."""


class ModuleError(LucidError, AttributeError):
    """A module to which something was assigned before `super().__init__()` had run."""


class ReadOnlyError(LucidError, AttributeError):
    """An attribute that can't be set, such as the shape of a tensor."""


class MissingNameError(LucidError, AttributeError):
    """A name that Lucid does not have: one of PyTorch's, a method in the formula of an op, or a typo."""


class MissingImportError(LucidError, ImportError):
    """A name that Lucid does not have, in `from lucid import name`."""


class StateDictError(LucidError, KeyError):
    """A state_dict that does not match its module or optimizer."""


_INSTEAD_OF = {
    "int()": 'return the tensor, and read it outside the compiled function; x.astype("int64") converts inside it.',
    "float()": "return the tensor, and read it outside; or leave float() out, with lucid.sqrt(x) for math.sqrt(x).",
    "state_dict()": "call it outside of the function; or, for each parameter, `p.copy_(q)` under lucid.no_grad().",
    "Tensor(...)": "lucid.stack([x, y]) makes one tensor; lucid.as_tensor(x) is x, x.detach().requires_grad_() a leaf.",
    "an index": "index a tensor with it, x[i]; what a range or a list takes is an argument that is a Python int.",
}


Kind = TypeVar("Kind", bound=LucidError)

TUPLE_AS_TENSOR = "Tensor(tuple)"  # what asks for the values of the tensors in a tuple, as `unknown_value` has it


def tuple_of_tensors(kind: type[Kind]) -> Kind:
    """The error of a tuple of tensors in the place of one, as where a module's result is given on."""
    return kind(
        "a tuple of tensors was given where one tensor is taken.",
        hint="LSTM, GRU, RNN and MultiheadAttention return tuples: take y[0]; lucid.stack(y) makes one tensor of all.",
    )


def unknown_value(wanted: str) -> TraceError:
    """The error of reading a traced tensor; `wanted` is what asked for its value, as users write it."""
    if wanted == TUPLE_AS_TENSOR:
        return tuple_of_tensors(TraceError)
    if wanted.startswith("format("):
        hint = 'lucid.debug.print("{:.3f}", tensor) prints it at each call.'
    elif wanted == "bool()":
        hint = instead_of_condition(
            "use lucid.where(condition, a, b), or take the decision outside the compiled function.",
            "loop outside the compiled function, or run a fixed number of times, with lucid.where for what goes on.",
        )
    else:
        hint = _INSTEAD_OF.get(wanted, "return the tensor, and read it outside the compiled function.")
    return TraceError(
        f"{wanted} needs the value of a tensor that is only known when the compiled step runs.", hint=hint
    )


def element_of_array(error: ValueError) -> TraceError:
    """The error of setting an element of a NumPy array to a traced tensor, in the place of NumPy's own."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return TraceError(
        "an element of a NumPy array was set to a tensor that is only known when the compiled step runs.",
        hint="keep the tensors in a list, and join them by lucid.stack(list); or return them.",
        where=None if last is None else (last.tb_frame.f_code.co_filename, last.tb_lineno),
    )


def ended_trace(wanted: str) -> TraceError:
    """The error of reading a traced tensor that was kept beyond its trace."""
    return TraceError(
        f"{wanted} needs the value of a tensor of a trace that has ended, which never had one.",
        hint="return the tensor from the compiled function, and read what the call gives.",
    )


def leaked() -> TraceError:
    """The error of using a traced tensor that was kept beyond its trace."""
    return TraceError(
        "a tensor of a trace that has ended was used.",
        hint="return it from the function or the loop body that made it, or keep it in a registered buffer.",
    )
