"""Debugging a run: lines printed from inside a compiled step, and a trap for NaN and infinity.

Every function does the same in eager and in compiled code.
"""

from typing import TYPE_CHECKING

from lucid.debug.printing import print
from lucid.debug.trap import trap_nan
from lucid.errors import NonFiniteError
from lucid.missing_names import refuse_names_of

__all__ = ["NonFiniteError", "print", "trap_nan"]

if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
