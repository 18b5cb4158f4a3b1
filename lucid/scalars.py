"""Scalar symbols: Python floats that a compiled program takes as runtime inputs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import lucid.ir.ops.elementwise as ew
from lucid.errors import TraceError
from lucid.ir.graph import Value
from lucid.ir.ops.base import Op

if TYPE_CHECKING:
    from lucid.recorder import Recorder
    from lucid.tensor import Tensor

# NumPy's functions that stand for Python's operators: `np.float64(2.0) * a` calls np.multiply.
_OPERATORS: Mapping[np.ufunc, Callable[..., Any]] = {
    np.absolute: operator.abs,
    np.add: operator.add,
    np.divide: operator.truediv,
    np.equal: operator.eq,
    np.floor_divide: operator.floordiv,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.multiply: operator.mul,
    np.negative: operator.neg,
    np.not_equal: operator.ne,
    np.power: operator.pow,
    np.remainder: operator.mod,
    np.subtract: operator.sub,
}

# Those of them that give an infinity or NaN where Python raises.
_TOTAL: Mapping[np.ufunc, Op] = {np.divide: ew.Div(), np.power: ew.Pow()}

_PUBLIC = {name for name in dir(float) if not name.startswith("_")}  # such as is_integer


class Scalar:
    """A float of the traced function that may change from call to call without a recompilation.

    It is a float64 scalar in the graph, and knows the value it had when the function was traced. Arithmetic with
    numbers gives Scalars, arithmetic with tensors gives tensors. Comparing one guards the outcome; `float()` and
    `int()` guard the value: a call in which it differs compiles again.
    """

    __slots__ = ("source", "symbol", "tracer", "value")

    def __init__(self, tracer: Recorder, symbol: Value, value: float, source: str) -> None:
        self.tracer = tracer
        self.symbol = symbol
        self.value = value
        self.source = source  # the Python expression that guards evaluate

    @property  # type: ignore[misc]  # the class of an object can be set, but not that of a Scalar
    def __class__(self) -> Any:  # isinstance(x, float) holds, as it does eagerly
        return float

    def tensor(self) -> Tensor:
        """The symbol as a float64 tensor without axes."""
        return self.tracer.tensor_of(self.symbol)

    def _combine(self, op: Op, sign: str, function: Callable[[Any, Any], Any], x: object, y: object) -> Any:
        if not all(isinstance(z, Scalar | int | float) for z in (x, y)):
            return NotImplemented
        symbols = [self.tracer.scalars.symbol(z) for z in (x, y)]
        values = [z.value if isinstance(z, Scalar) else float(z) for z in (x, y)]  # type: ignore[arg-type]
        (symbol,) = self.tracer.add(op, *symbols)
        return Scalar(self.tracer, symbol, function(*values), f"({_source(x)} {sign} {_source(y)})")

    def __add__(self, other: object) -> Any:
        return self._combine(ew.Add(), "+", operator.add, self, other)

    def __radd__(self, other: object) -> Any:
        return self._combine(ew.Add(), "+", operator.add, other, self)

    def __sub__(self, other: object) -> Any:
        return self._combine(ew.Sub(), "-", operator.sub, self, other)

    def __rsub__(self, other: object) -> Any:
        return self._combine(ew.Sub(), "-", operator.sub, other, self)

    def __mul__(self, other: object) -> Any:
        return self._combine(ew.Mul(), "*", operator.mul, self, other)

    def __rmul__(self, other: object) -> Any:
        return self._combine(ew.Mul(), "*", operator.mul, other, self)

    def __truediv__(self, other: object) -> Any:
        if isinstance(other, np.floating):
            return NotImplemented  # it divides as NumPy does
        if isinstance(other, Scalar):
            other._compare("!=", operator.ne, 0.0)  # Python raises, where the op would give an infinity
        return self._combine(ew.Div(), "/", operator.truediv, self, other)

    def __rtruediv__(self, other: object) -> Any:
        self._compare("!=", operator.ne, 0.0)
        return self._combine(ew.Div(), "/", operator.truediv, other, self)

    def __pow__(self, other: object) -> Any:
        if isinstance(other, np.floating):
            return NotImplemented
        return self._power(self, other)

    def __rpow__(self, other: object) -> Any:
        return self._power(other, self)

    def _power(self, x: object, y: object) -> Any:
        """x ** y. Where Python raises, or gives a complex number, the op would give an infinity or NaN."""
        power = self._combine(ew.Pow(), "**", operator.pow, x, y)
        if power is NotImplemented:
            return power
        if isinstance(power.value, complex):
            return float(x) ** float(y)  # type: ignore[arg-type]  # both are numbers, as _combine has found
        self.tracer.scalars.guard(f"isinstance({power.source}, float) == True")
        return power

    def __neg__(self) -> Any:
        return self._combine(ew.Mul(), "*", operator.mul, self, -1.0)

    def __pos__(self) -> Scalar:
        return self

    def _compare(self, sign: str, function: Callable[[Any, Any], bool], other: object) -> Any:
        if not isinstance(other, Scalar | int | float):
            return NotImplemented
        outcome = function(self.value, other.value if isinstance(other, Scalar) else other)
        self.tracer.scalars.guard(f"({self.source} {sign} {_source(other)}) == {outcome}")
        return outcome

    def __lt__(self, other: object) -> Any:
        return self._compare("<", operator.lt, other)

    def __le__(self, other: object) -> Any:
        return self._compare("<=", operator.le, other)

    def __gt__(self, other: object) -> Any:
        return self._compare(">", operator.gt, other)

    def __ge__(self, other: object) -> Any:
        return self._compare(">=", operator.ge, other)

    def __eq__(self, other: object) -> Any:
        return self._compare("==", operator.eq, other)

    def __ne__(self, other: object) -> Any:
        return self._compare("!=", operator.ne, other)

    def __hash__(self) -> int:
        raise TraceError(
            "a float argument of a compiled function can't be looked up in a dict or a set: it may change from call to "
            "call.",
            hint="look up float(a): a call with another value compiles again.",
        )

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        if any(hasattr(type(x), "__array_function__") and not isinstance(x, np.ndarray) for x in operands):
            return NotImplemented  # a Tensor answers
        function = _OPERATORS.get(ufunc)
        if function is None or method != "__call__" or options or not all(isinstance(x, int | float) for x in operands):
            raise TraceError(
                f"np.{ufunc.__name__} can't take a float argument of a compiled function: it may change from call to "
                "call.",
                hint="use Python's operators, Lucid's functions, or Python's math, as in math.sqrt(a): then a call "
                "with another value compiles again.",
            )
        operands = tuple(x if isinstance(x, Scalar) else float(x) for x in operands)
        if ufunc not in _TOTAL:
            return function(*operands)
        return self._total(ufunc, *operands)

    def _total(self, ufunc: np.ufunc, x: Scalar | float, y: Scalar | float) -> Scalar:
        """A division or a power as NumPy computes it, which no guard needs to keep from raising."""
        scalars, guards = self.tracer.scalars, self.tracer.guards
        (symbol,) = self.tracer.add(_TOTAL[ufunc], scalars.symbol(x), scalars.symbol(y))
        value = float(ufunc(*(z.value if isinstance(z, Scalar) else z for z in (x, y))))
        guards.entitle(ufunc, f"np.{ufunc.__name__}")
        return Scalar(self.tracer, symbol, value, f"float({guards.bind(ufunc)}({_source(x)}, {_source(y)}))")

    def __bool__(self) -> bool:
        return bool(self._compare("!=", operator.ne, 0.0))

    def __float__(self) -> float:
        if self.value and self.value == self.value:
            self.tracer.scalars.guard(f"{self.source} == {_source(self.value)}")
        else:  # by spelling: -0.0 == 0.0, and NaN does not equal itself
            self.tracer.scalars.guard(f"repr(float({self.source})) == {float.__repr__(self.value)!r}")
        return self.value

    # What has no op takes the value, and guards it.

    def __int__(self) -> int:
        return int(float(self))

    def __abs__(self) -> float:
        return abs(float(self))

    def __round__(self, digits: int | None = None) -> float:
        return round(float(self), digits)

    def __floordiv__(self, other: float) -> float:
        return float(self) // float(other)

    def __rfloordiv__(self, other: float) -> float:
        return other // float(self)

    def __mod__(self, other: float) -> float:
        return float(self) % float(other)

    def __rmod__(self, other: float) -> float:
        return other % float(self)

    def __divmod__(self, other: float) -> tuple[float, float]:
        return divmod(float(self), float(other))

    def __rdivmod__(self, other: float) -> tuple[float, float]:
        return divmod(other, float(self))

    def __trunc__(self) -> int:
        return int(self)

    def __deepcopy__(self, memo: object) -> Scalar:
        return self  # floats do not change

    def __getattr__(self, name: str) -> Any:
        if name not in _PUBLIC:
            raise AttributeError(f"'float' object has no attribute {name!r}")
        return getattr(float(self), name)

    def __format__(self, specification: str) -> str:
        return format(float(self), specification)

    def __repr__(self) -> str:
        return repr(self.value)


def _source(number: object) -> str:
    """The Python expression of a number, where NumPy's numbers and members of an IntEnum are what they equal."""
    if isinstance(number, Scalar):
        return number.source
    text = int.__repr__(number) if isinstance(number, int) else float.__repr__(number)
    return f"({text})" if text.startswith("-") else text  # (-2.0) ** x is not -2.0 ** x
