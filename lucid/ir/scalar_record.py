"""The scalar vocabulary as a record: what the `scalar` of an op does, operation by operation, with types checked.

It says whether what a user wrote fits the vocabulary, before a target meets it, and it is the meaning of a user's op
in the key of the disk cache: two ops with one record compute the same.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from lucid.errors import ArgumentError, DTypeError, MissingNameError
from lucid.ir.scalar import Scalars
from lucid.ir.types import DType, bool_


@dataclass(frozen=True)
class Term:
    """An operand, or the result of operation `number` of the record. Only the vocabulary computes with it."""

    dtype: DType
    number: int

    def _refuse(self, *_: object) -> NoReturn:
        raise ArgumentError(
            "the elements that an op computes on know no operators.",
            hint="use the methods of the first argument: s.add(x, y) for x + y, s.select(condition, x, y) for an `if`.",
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = __invert__ = __and__ = __or__ = __xor__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __float__ = __int__ = _refuse


class Record(Scalars[Term]):
    """Computes nothing, and notes each operation as a line. `owner` is what messages name."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.lines: list[str] = []

    if not TYPE_CHECKING:  # a checker knows what there is

        def __getattr__(self, name: str) -> NoReturn:
            known = [method for method in vars(Scalars) if not method.startswith("_")]
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"there is `{close[0]}`." if close else f"it has {', '.join(known)}."
            raise MissingNameError(f"{self.owner}: the vocabulary has no `{name}`.", hint=hint)

    def operand(self, dtype: DType) -> Term:
        """A new operand."""
        return self._note(f"operand {dtype.short}", dtype)

    def _note(self, line: str, result: DType) -> Term:
        self.lines.append(line)
        return Term(result, len(self.lines) - 1)

    def _apply(self, name: str, result: DType, *x: Term) -> Term:
        return self._note(f"{name} {' '.join(str(term.number) for term in x)} {result.short}", result)

    def _expect(self, name: str, kind: str, *x: Term) -> DType:
        """The one dtype of some terms, which is of a kind: floats, integers, numbers, bits (integers, bools) or any."""
        for term in x:
            if not isinstance(term, Term):
                raise ArgumentError(
                    f"{self.owner}: `{name}` takes elements, got {term!r}.",
                    hint="make an element of a number: s.constant_like(0.5, x).",
                )
        dtypes = [term.dtype for term in x]
        fits = {
            "floats": all(dtype.is_float for dtype in dtypes),
            "integers": all(dtype.is_integer for dtype in dtypes),
            "numbers": bool_ not in dtypes,
            "bits": not any(dtype.is_float for dtype in dtypes),
            "any": True,
        }
        if len(set(dtypes)) != 1 or not fits[kind]:
            what = {"bits": "integers or bools", "any": "elements"}.get(kind, kind)
            given = " and ".join(dtype.name for dtype in dtypes)
            raise DTypeError(
                f"{self.owner}: `{name}` takes {what} of one dtype, got {given}.", hint="convert with s.cast(x, dtype)."
            )
        return dtypes[0]

    def dtype(self, x: Term) -> DType:
        return self._expect("dtype", "any", x)

    def constant(self, value: bool | int | float, dtype: DType) -> Term:
        if not isinstance(value, bool | int | float):
            raise ArgumentError(f"{self.owner}: a constant is a Python number, got {value!r}.")
        return self._note(f"constant {value!r} {dtype.short}", dtype)

    def add(self, x: Term, y: Term) -> Term:
        return self._apply("add", self._expect("add", "numbers", x, y), x, y)

    def subtract(self, x: Term, y: Term) -> Term:
        return self._apply("subtract", self._expect("subtract", "numbers", x, y), x, y)

    def multiply(self, x: Term, y: Term) -> Term:
        return self._apply("multiply", self._expect("multiply", "numbers", x, y), x, y)

    def divide(self, x: Term, y: Term) -> Term:
        return self._apply("divide", self._expect("divide", "numbers", x, y), x, y)

    def fma(self, x: Term, y: Term, z: Term) -> Term:
        return self._apply("fma", self._expect("fma", "floats", x, y, z), x, y, z)

    def sqrt(self, x: Term) -> Term:
        return self._apply("sqrt", self._expect("sqrt", "floats", x), x)

    def floor(self, x: Term) -> Term:
        return self._apply("floor", self._expect("floor", "floats", x), x)

    def absolute(self, x: Term) -> Term:
        return self._apply("absolute", self._expect("absolute", "numbers", x), x)

    def _compare(self, name: str, x: Term, y: Term) -> Term:
        self._expect(name, "any", x, y)
        return self._apply(name, bool_, x, y)

    def equal(self, x: Term, y: Term) -> Term:
        return self._compare("equal", x, y)

    def less(self, x: Term, y: Term) -> Term:
        return self._compare("less", x, y)

    def less_equal(self, x: Term, y: Term) -> Term:
        return self._compare("less_equal", x, y)

    def bit_and(self, x: Term, y: Term) -> Term:
        return self._apply("bit_and", self._expect("bit_and", "bits", x, y), x, y)

    def bit_or(self, x: Term, y: Term) -> Term:
        return self._apply("bit_or", self._expect("bit_or", "bits", x, y), x, y)

    def bit_xor(self, x: Term, y: Term) -> Term:
        return self._apply("bit_xor", self._expect("bit_xor", "bits", x, y), x, y)

    def shift_left_by(self, x: Term, count: Term) -> Term:
        return self._apply("shift_left_by", self._expect("shift_left_by", "integers", x, count), x, count)

    def shift_right_by(self, x: Term, count: Term) -> Term:
        return self._apply("shift_right_by", self._expect("shift_right_by", "integers", x, count), x, count)

    def select(self, condition: Term, x: Term, y: Term) -> Term:
        if self._expect("select", "any", condition) != bool_:
            raise DTypeError(f"{self.owner}: `select` takes a bool first, got {condition.dtype.name}.")
        return self._apply("select", self._expect("select", "any", x, y), condition, x, y)

    def cast(self, x: Term, dtype: DType) -> Term:
        self._expect("cast", "any", x)
        return self._apply("cast", dtype, x)

    def bitcast(self, x: Term, dtype: DType) -> Term:
        given = self._expect("bitcast", "numbers", x)
        if given.bits != dtype.bits:
            raise DTypeError(f"{self.owner}: `bitcast` keeps the number of bits, got {given.name} for {dtype.name}.")
        return self._apply("bitcast", dtype, x)
