"""Hooks: functions that a module calls before or after its `forward`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lucid.modes import current_tracer

if TYPE_CHECKING:
    from lucid.nn.module import Module


class Hook(NamedTuple):
    """A function that a module calls, when, and with what."""

    function: Callable[..., Any]
    before: bool  # or after
    with_kwargs: bool
    always_call: bool


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away again, and so does leaving a `with` block."""

    def __init__(self, module: Module, hook: Hook) -> None:
        self._module, self._hook = module, hook

    def remove(self) -> None:
        """Take the hook away from its module, if it is there still."""
        self._module._hooks = tuple(hook for hook in self._module._hooks if hook is not self._hook)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def called_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call of a module with hooks gives."""
    hooks = module._hooks
    finished = False
    try:
        for hook in hooks:
            if hook.before:
                args, kwargs = _before(module, hook, args, kwargs)
        result = module.forward(*args, **kwargs)
        finished = True
    finally:
        if not finished and current_tracer() is None:
            for hook in hooks:
                if hook.always_call:
                    _after(module, hook, args, kwargs, None)
    for hook in hooks:
        if not hook.before:
            result = _after(module, hook, args, kwargs, result)
    return result


def _before(
    module: Module, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if hook.with_kwargs:
        found = hook.function(module, args, kwargs)
        return (args, kwargs) if found is None else found
    found = hook.function(module, args)
    if found is None:
        return args, kwargs
    return found if isinstance(found, tuple) else (found,), kwargs


def _after(module: Module, hook: Hook, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    found = hook.function(module, args, kwargs, result) if hook.with_kwargs else hook.function(module, args, result)
    return result if found is None else found
