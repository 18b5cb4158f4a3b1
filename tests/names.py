"""Names of tests."""

from __future__ import annotations

import re

ADDRESS = " at 0x"


def without_addresses(case: object) -> str:
    """What a parameter prints as, the same in each process: functions without where they lie."""
    return re.sub(rf"{ADDRESS}\w+", "", str(case))
