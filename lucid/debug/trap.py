"""lucid.debug.trap_nan: NaN and infinity become errors that say where they come from."""

from __future__ import annotations

from lucid.modes import Switch


class TrapNaN(Switch):
    """Inside, NaN and infinity raise NonFiniteError, which names the op and your line.

    An eager operation raises where it gives NaN that none of its operands has, or infinity from finite ones. A compiled
    call raises where a result, a stored gradient or an updated weight is not finite: it is then run again, op by op, in
    the interpreter, and the value is followed back to the op that made it so. Such a call changes nothing. A value that
    is infinite on the way, and in no result, is not an error in compiled code: masks of attention are made so.

    Compiled calls take longer inside: what they update is copied first, and what they give is looked at. See also
    `lucid.compile(..., trap="nan")`.

    >>> import lucid
    >>> with lucid.debug.trap_nan():
    ...     lucid.Tensor([1.0, 0.0]).log()
    Traceback (most recent call last):
    ...
    lucid.errors.NonFiniteError: `log` gives -inf in 1 of 2 elements, the first at (1,), from 0.0.
      ...
    """

    name, mode, value = "lucid.debug.trap_nan", "trap", True


trap_nan = TrapNaN()
