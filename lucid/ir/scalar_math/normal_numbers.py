"""Normal numbers from the words of the random stream."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from lucid.ir.scalar_math.exponential import LOG, reduce_log
from lucid.ir.scalar_math.floats import Table
from lucid.ir.types import DType, float32, float64, int32, uint32

if TYPE_CHECKING:
    from lucid.ir.scalar import Scalars

T = TypeVar("T")

# Up to this probability of smaller sizes the first table serves, beyond it the second.
CENTRAL = 0.8

# Where the tables are expanded: near the middle of their range, so that no coefficients cancel.
CENTRAL_MIDDLE = 0.3125
TAIL_MIDDLE = 4.0

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

# z(1 - 2p) = Q(sqrt(-2 log p) - TAIL_MIDDLE) from CENTRAL on, down to p = 2^-33; the table is Q. Relative error 2^-28
# and 2^-55.
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
        3.4011926561446657,
        1.0933962047627075,
        -0.01702902161715065,
        0.003307076214598381,
        -0.0006657947870595986,
        0.0001374064045764273,
        -2.891110424973737e-05,
        6.182776408981745e-06,
        -1.341185864888159e-06,
        2.9464437594151565e-07,
        -6.546583345392066e-08,
        1.4692104938624124e-08,
        -3.3256581140651278e-09,
        7.583010592148479e-10,
        -1.7451582416191683e-10,
        4.0587760864196536e-11,
        -9.309202937676998e-12,
        2.0621307783711583e-12,
        -5.044190601104875e-13,
        1.48545670346904e-13,
        -3.4499887982791276e-14,
        3.0063329708403084e-15,
        -8.842378740489303e-17,
        5.027099261262468e-16,
        -2.4081439863982715e-16,
        4.357084578022989e-17,
        -2.899954777936287e-18,
    ),
}


def normal(s: Scalars[T], word: T, dtype: DType) -> T:
    """The number of dtype below which a standard normal one lies with probability (word + 1/2) / 2^32.

    It is symmetric, negative for words below 2^31, between -6.34 and 6.34, and within 4 ulp. There are no
    multiply-adds, which the NumPy vocabulary rounds twice: so it computes the same bits as every target.
    """

    def constant(value: float) -> T:
        return s.constant(value, dtype)

    is_negative = s.less(word, s.constant(2**31, uint32))
    from_end = s.select(is_negative, word, s.bit_not(word))  # below 2^31
    from_middle = s.subtract(s.constant(2**31 - 1, uint32), from_end)
    above_end, above_middle = (
        s.add(s.cast(s.cast(count, int32), dtype), constant(0.5)) for count in (from_end, from_middle)
    )
    q = s.multiply(above_middle, constant(2.0**-31))
    central = s.multiply(q, _polynomial(s, s.subtract(s.multiply(q, q), constant(CENTRAL_MIDDLE)), NORMAL_CENTRAL))
    distance = s.sqrt(s.multiply(_log(s, above_end), constant(-2.0)))
    tail = _polynomial(s, s.subtract(distance, constant(TAIL_MIDDLE)), NORMAL_TAIL)
    size = s.select(s.less(q, constant(CENTRAL)), central, tail)
    return s.select(is_negative, s.negate(size), size)


def _log(s: Scalars[T], x: T) -> T:
    """The logarithm of 2^-32 x, for x from 1/2 to 2^31: as `log`, with the exponent less 32."""
    dtype = s.dtype(x)
    e, f = reduce_log(s, x)
    square = s.multiply(f, f)
    cubic = s.multiply(s.multiply(f, square), _polynomial(s, f, LOG))
    fraction = s.add(s.multiply(square, s.constant(-0.5, dtype)), cubic)
    powers = s.multiply(s.subtract(e, s.constant(32.0, dtype)), s.constant(math.log(2.0), dtype))
    return s.add(powers, s.add(f, fraction))


def _polynomial(s: Scalars[T], x: T, table: Table) -> T:
    """`floats.polynomial`, where each product is rounded before the sum."""
    *lower, result = (s.constant_like(coefficient, x) for coefficient in table[s.dtype(x)])
    for coefficient in reversed(lower):
        result = s.add(s.multiply(result, x), coefficient)
    return result
