"""Logs of unchanged scripts: `LUCID_LOG=trace,fusion,recompile python train.py`.

Each topic is a logger of the standard library, `lucid.trace` and so on, that scripts may as well configure themselves.
The variable has those that it names write to standard error; `all` names all.
"""

from __future__ import annotations

import logging
import os
import warnings

VARIABLE = "LUCID_LOG"

TRACE = logging.getLogger("lucid.trace")  # what has been traced, and how long each pass took
FUSION = logging.getLogger("lucid.fusion")  # which kernels there are, and why not fewer
RECOMPILE = logging.getLogger("lucid.recompile")  # what each compilation was caused by

TOPICS = {logger.name.removeprefix("lucid."): logger for logger in (TRACE, FUSION, RECOMPILE)}


def configure(text: str) -> None:
    """Have the topics that a text names write all they have to standard error. Unknown ones are warned of."""
    named = {topic.strip() for topic in text.split(",")} - {""}
    unknown = sorted(named - {*TOPICS, "all"})
    if unknown:
        warnings.warn(
            f"{VARIABLE} takes {', '.join(TOPICS)} or all, got {', '.join(unknown)}.", RuntimeWarning, stacklevel=2
        )
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    for topic, logger in TOPICS.items():
        if named & {topic, "all"}:
            logger.handlers = [handler]
            logger.propagate = False
            logger.setLevel(logging.DEBUG)


configure(os.environ.get(VARIABLE, ""))
