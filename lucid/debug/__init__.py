"""Debugging a run: lines printed from inside a compiled step, and a trap for NaN and infinity.

Every function does the same in eager and in compiled code.
"""

from lucid.debug.printing import print
from lucid.debug.trap import trap_nan
from lucid.errors import NonFiniteError

__all__ = ["NonFiniteError", "print", "trap_nan"]
