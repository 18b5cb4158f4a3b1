"""Objects whose attributes compiled programs depend on: modules and optimizers.

Every write bumps the global epoch, so that programs check their guards before the next call. During a trace, reads
are recorded as guards, and writes go to the tracer, which refuses those that it cannot undo.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lucid.modes import bump_epoch, current_tracer


class Observed:
    """The base of Module and Optimizer."""

    def __setattr__(self, name: str, value: Any) -> None:
        tracer = current_tracer()
        if tracer is not None and self in tracer.observed:
            tracer.write_attribute(self, name, value)
            return
        object.__setattr__(self, name, value)
        bump_epoch()

    def __delattr__(self, name: str) -> None:
        tracer = current_tracer()
        if tracer is not None and self in tracer.observed:
            tracer.delete_attribute(self, name)
        object.__delattr__(self, name)
        bump_epoch()


def record_reads(record: Callable[[Observed, str, Any], None]) -> Callable[[], None]:
    """Call `record(object, name, value)` at each attribute read of an Observed object; the result stops that."""

    def read(self: Observed, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if name[:2] != "__":
            record(self, name, value)
        return value

    Observed.__getattribute__ = read  # type: ignore[method-assign]  # while a trace lasts

    def stop() -> None:
        del Observed.__getattribute__

    return stop


def hyperparameter(group: dict[str, Any], key: str) -> Any:
    """group[key] as a number that may change without a recompilation: a Scalar during a trace, else a float."""
    tracer = current_tracer()
    return float(group[key]) if tracer is None else tracer.hyperparameter(group, key)


def setting(group: dict[str, Any], key: str) -> Any:
    """group[key] as a value that a program is specialized on: a change compiles again."""
    tracer = current_tracer()
    if tracer is not None:
        tracer.guard_item(group, key)
    return group[key]
