"""Normal numbers from the words of the random stream."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.exponential import LOG, reduce_log
from lucid.ir.scalar_math.floats import Table
from lucid.ir.types import DType, float32, float64, int32, int64, uint32, uint64

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# Up to this probability of smaller sizes the first table serves, beyond it the second.
CENTRAL = 0.8

# Where the tables are expanded: near the middle of their range, so that no coefficients cancel.
CENTRAL_MIDDLE = 0.3125
TAIL_MIDDLE = {float32: 4.0, float64: 5.0}

# The bits of a word that count.
BITS = {float32: 32, float64: 53}

# z(q) = q Q(q^2 - CENTRAL_MIDDLE) for q up to CENTRAL; the table is Q. Relative error 2^-28 and 2^-55.
NORMAL_CENTRAL = {
    float32: (
        1.3783737,
        0.49299538,
        0.38499865,
        0.37546828,
        0.40677434,
        0.46806562,
        0.5719465,
        0.72991747,
        0.728469,
        0.69128627,
        2.619202,
        4.358818,
    ),
    float64: (
        1.3783736925470467,
        0.49299546816480916,
        0.38499670855891,
        0.3754498080761637,
        0.4069869876380258,
        0.46928633530130404,
        0.5634631273349793,
        0.6961168768459459,
        0.8784138074329498,
        1.1267135334280518,
        1.4640708177653554,
        1.922909155680013,
        2.548764292825103,
        3.3949520028839406,
        4.529575298564537,
        6.2667195768607895,
        8.992096319201456,
        10.005050158138856,
        8.460495681850203,
        34.16808281530808,
        82.40130653796504,
        -31.293360932614405,
        -180.8884554874535,
        288.9085381137927,
        635.4677757264203,
    ),
}

# z(1 - 2p) = Q(sqrt(-2 log p) - TAIL_MIDDLE) from CENTRAL on, down to half the probability of a word; the table is Q.
# Relative error 2^-28 and 2^-55.
NORMAL_TAIL = {
    float32: (
        3.4011927,
        1.0933962,
        -0.017029159,
        0.0033071167,
        -0.0006654376,
        0.00013732808,
        -2.925199e-05,
        6.2693002e-06,
        -1.1975691e-06,
        2.4741001e-07,
        -9.0134364e-08,
        2.5959881e-08,
        -2.9256826e-09,
    ),
    float64: (
        4.48031469877036,
        1.0671444531183334,
        -0.010061582671992031,
        0.0015997842773600194,
        -0.00026292585686864945,
        4.4170781570708406e-05,
        -7.5429271269925225e-06,
        1.3053077368492807e-06,
        -2.2848298457281378e-07,
        4.0404072439552394e-08,
        -7.211329379079149e-09,
        1.2981454015390598e-09,
        -2.3553021594479033e-10,
        4.295891819925753e-11,
        -7.868254073298062e-12,
        1.4757933065662942e-12,
        -2.832062129459945e-13,
        4.7679984610419036e-14,
        -6.772593361659166e-15,
        2.148857012099072e-15,
        -7.847916350413699e-16,
        4.677640256737548e-17,
        3.944513482814212e-17,
        9.352261560853148e-20,
        -4.349627443959919e-18,
        5.323062444678525e-19,
        1.5703980280492521e-19,
        -3.037192239776051e-20,
        -3.414791202438738e-21,
        1.1774493679773889e-21,
        -7.754703014942039e-23,
    ),
}


def normal(s: Scalars[T], word: T, dtype: DType) -> T:
    """The number of dtype below which a standard normal one lies with probability (w + 1/2) / 2^b, where w is the upper
    b bits of a word: b is 32 for float32, whose words are uint32, and 53 for float64, whose words are uint64.

    It is symmetric, negative for words below the middle one, between -6.34 and 6.34 or -8.29 and 8.29, within 4 ulp.
    There are no multiply-adds, which the NumPy vocabulary rounds twice: so it computes the same bits as every target.
    """
    bits, kind, signed = BITS[dtype], *((uint32, int32) if dtype == float32 else (uint64, int64))

    def constant(value: float) -> T:
        return s.constant(value, dtype)

    is_negative = s.less(word, s.constant(2 ** (kind.bits - 1), kind))
    from_end = s.select(is_negative, word, s.bit_not(word))
    if bits < kind.bits:
        from_end = s.shift_right(from_end, kind.bits - bits)
    from_middle = s.subtract(s.constant(2 ** (bits - 1) - 1, kind), from_end)
    above_end, above_middle = (
        s.add(s.cast(s.cast(count, signed), dtype), constant(0.5)) for count in (from_end, from_middle)
    )
    q = s.multiply(above_middle, constant(2.0 ** (1 - bits)))
    central = s.multiply(q, _polynomial(s, s.subtract(s.multiply(q, q), constant(CENTRAL_MIDDLE)), NORMAL_CENTRAL))
    distance = s.sqrt(s.multiply(_log(s, above_end, bits), constant(-2.0)))
    tail = _polynomial(s, s.subtract(distance, constant(TAIL_MIDDLE[dtype])), NORMAL_TAIL)
    size = s.select(s.less(q, constant(CENTRAL)), central, tail)
    return s.select(is_negative, s.negate(size), size)


def _log(s: Scalars[T], x: T, bits: int) -> T:
    """The logarithm of x / 2^bits, for x from 1/2 to 2^(bits - 1): as `log`, with a smaller exponent."""
    dtype = s.dtype(x)
    e, f = reduce_log(s, x)
    square = s.multiply(f, f)
    cubic = s.multiply(s.multiply(f, square), _polynomial(s, f, LOG))
    fraction = s.add(s.multiply(square, s.constant(-0.5, dtype)), cubic)
    powers = s.multiply(s.subtract(e, s.constant(float(bits), dtype)), s.constant(math.log(2.0), dtype))
    return s.add(powers, s.add(f, fraction))


def _polynomial(s: Scalars[T], x: T, table: Table) -> T:
    """`floats.polynomial`, where each product is rounded before the sum."""
    *lower, result = (s.constant_like(coefficient, x) for coefficient in table[s.dtype(x)])
    for coefficient in reversed(lower):
        result = s.add(s.multiply(result, x), coefficient)
    return result
