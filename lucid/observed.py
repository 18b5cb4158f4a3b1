"""Objects whose attributes compiled programs depend on: modules and optimizers.

Every write bumps the global epoch, so that programs check their guards before the next call. During a trace, reads
are recorded as guards, and writes go to the tracer, which refuses those that it could not repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from lucid.modes import bump_epoch, current_tracer


class Missing:
    """What a read of an attribute that is not there is recorded as."""

    def __repr__(self) -> str:
        return "missing"


MISSING = Missing()


class Observed:
    """The base of Module and Optimizer."""

    # Containers that change only together with the epoch, and what they say of an object, to people.
    structural: ClassVar[Mapping[str, str]] = {}

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        cls._expect_arguments(args, kwargs)
        self = super().__new__(cls)
        tracer = current_tracer()
        if tracer is not None:
            tracer.note_created(self)
        return self

    @classmethod
    def _expect_arguments(cls, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        """Raise for arguments that the class is not made with, before Python refuses them, and says no more."""

    def __setattr__(self, name: str, value: Any) -> None:
        tracer = current_tracer()
        if tracer is not None and not tracer.is_new(self):
            tracer.write_attribute(self, name, value)
            return
        object.__setattr__(self, name, value)
        bump_epoch()

    def __delattr__(self, name: str) -> None:
        tracer = current_tracer()
        if tracer is not None and not tracer.is_new(self):
            tracer.delete_attribute(self, name)
        object.__delattr__(self, name)
        bump_epoch()


def record_reads(record: Callable[[Observed, str, Any], None]) -> Callable[[], None]:
    """Call `record(object, name, value)` at each attribute read of an Observed object; the result stops that."""

    def read(self: Observed, name: str) -> Any:
        if name[:2] == "__":
            return object.__getattribute__(self, name)
        try:
            value = object.__getattribute__(self, name)
        except AttributeError:
            record(self, name, MISSING)
            raise
        record(self, name, value)
        return value

    Observed.__getattribute__ = read  # type: ignore[method-assign, assignment]  # while a trace lasts

    def stop() -> None:
        del Observed.__getattribute__

    return stop


def hyperparameter(group: dict[str, Any], key: str) -> Any:
    """group[key], a number or a tuple of them, that may change without a recompilation: floats, or Scalars during a
    trace."""
    tracer = current_tracer()
    if tracer is not None:
        return tracer.scalars.hyperparameter(group, key)
    value = group[key]
    return tuple(map(float, value)) if isinstance(value, tuple | list) else float(value)


def setting(group: dict[str, Any], key: str) -> Any:
    """group[key] as a value that a program is specialized on: a change compiles again."""
    tracer = current_tracer()
    if tracer is not None:
        tracer.scalars.guard_item(group, key)
    return group[key]
