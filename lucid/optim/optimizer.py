"""Optimizer: what all optimizers share."""

from __future__ import annotations

import reprlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar

from lucid.conversion import to_array
from lucid.core import device_and_dtype, expect_movable
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    MissingNameError,
    StateDictError,
    TraceError,
)
from lucid.missing_names import refuse_attribute
from lucid.modes import current_tracer, enable_grad, no_grad, unwatched
from lucid.nn.arguments import expect_known
from lucid.nn.module import clear_grad
from lucid.nn.state import check_state
from lucid.observed import Observed, setting
from lucid.operations import zeros
from lucid.operations.arguments import PASS_PARAMETERS, as_flag, as_list
from lucid.optim.arguments import NAMES, check_betas, check_range, hint_for
from lucid.savepoints import Savepoint, about_to_write
from lucid.tensor import Array, Tensor

R = TypeVar("R")
Group = dict[str, Any]
FLAGS = ("amsgrad", "centered", "decoupled_weight_decay", "maximize", "nesterov")
SETTINGS_OF_PYTORCH = ("foreach", "fused", "capturable", "differentiable")  # that Lucid's groups do not have
Member = tuple[int, Tensor, Tensor]  # the number of a parameter among all of the optimizer, the parameter, its grad


class Members(tuple[tuple[Tensor, ...], ...]):
    """The parameters of each group of an optimizer."""

    __slots__ = ()

    def __repr__(self) -> str:
        parameters, groups = sum(map(len, self)), len(self)
        return f"{parameters} parameter{'s' * (parameters != 1)} in {groups} group{'s' * (groups != 1)}"


class Optimizer(Observed):
    """Updates parameters from their gradients, in place.

    `params` are tensors, or dicts of a "params" entry and hyperparameters of that group. `param_groups` holds a
    dict for each group, whose hyperparameters may be set between steps, as schedulers do: `group["lr"] = 0.01`.

    All state is allocated when a group is added, and lies in `state` by names such as "exp_avg.0", the number being
    that of the parameter. Raises ArgumentError for no parameters, for one given twice, for a tensor that is not a leaf,
    and for hyperparameters outside their range.
    """

    structural = {"state": "the state of {}", "_members": "what {} updates"}
    non_negative: ClassVar[tuple[str, ...]] = ()  # hyperparameters that are numbers of at least 0
    state: dict[str, Tensor]
    _members: Members

    if not TYPE_CHECKING:  # type checkers know themselves which attributes there are

        def __getattr__(self, name: str) -> NoReturn:
            self._expect_no_hyperparameter(name)
            refuse_attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if type(self).__module__.startswith("lucid."):  # a class of the user's may have attributes of any name
            self._expect_no_hyperparameter(name)
        super().__setattr__(name, value)

    def _expect_no_hyperparameter(self, name: str) -> None:
        """Raise MissingNameError for the name that a hyperparameter has, here or in other libraries, since each group
        has its own: an attribute would have no effect."""
        keys = self.__dict__.get("defaults", {})
        key = next((key for key in (name, *NAMES.get(name, ())) if key in keys), None)
        if key is not None:
            hint = f'write `optimizer.param_groups[0]["{key}"]`.'
            raise MissingNameError(f"{type(self).__name__} has no {name!r}.", hint=hint)

    @classmethod
    def _expect_arguments(cls, args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        if kwargs:
            expect_known(cls, kwargs, hint_for)

    def __init__(self, params: Iterable[Tensor] | Iterable[Group], defaults: Group) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state = {}
        self._members = Members()
        if isinstance(params, Tensor | Mapping):
            raise ArgumentTypeError(
                f"{type(self).__name__} takes several parameters, got one {type(params).__name__}.",
                hint="pass model.parameters(), or a list.",
            )
        given = as_list(f"{type(self).__name__} takes a list of parameters", params, PASS_PARAMETERS)
        if not given:
            raise ArgumentError(
                f"{type(self).__name__} got no parameters.",
                hint="pass model.parameters(), which finds layers in an nn.ModuleList, but not in a plain list.",
            )
        for group in given if all(isinstance(item, dict) for item in given) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with their own hyperparameters; those that the dict leaves out are the defaults."""
        if not isinstance(param_group, Mapping):
            raise ArgumentTypeError(
                f'{type(self).__name__} takes a group as a dict with an entry "params", got {param_group!r}.'
            )
        given = param_group.get("params", ())
        listed = (
            [given]
            if isinstance(given, Tensor)
            else as_list(f"{type(self).__name__} takes parameters", given, PASS_PARAMETERS)
        )
        members = tuple(listed)
        complete = {**self.defaults, **param_group, "params": members}
        name = type(self).__name__
        known = {id(parameter) for earlier in self._members for parameter in earlier}
        if not members:
            raise ArgumentError(
                f"{name} got a group without parameters.", hint='they are its entry "params", as model.parameters() is.'
            )
        for parameter in members:
            expected = f"{name} updates float tensors that are leaves"
            if not isinstance(parameter, Tensor):
                raise ArgumentTypeError(f"{expected}, got {reprlib.repr(parameter)}.", hint=PASS_PARAMETERS)
            if not parameter.is_leaf:
                raise ArgumentError(
                    f"{expected}, got a computed one, {parameter.type}.",
                    hint="give it what this was computed from, or `t.detach().requires_grad_()`.",
                )
            if not parameter.dtype.is_float:
                raise DTypeError(f"{expected}, got {parameter.type}.")
            if id(parameter) in known:
                raise ArgumentError(f"{name} got one parameter twice, of shape {parameter.shape}.")
            known.add(id(parameter))
        unknown = sorted(complete.keys() - self.defaults.keys() - {"params", "initial_lr"})
        if unknown:
            raise ArgumentError(
                f"{name} has no hyperparameter {', '.join(unknown)}.",
                hint=hint_for(unknown[0], complete[unknown[0]], self.defaults),
            )
        self.check(complete)
        created = self._new_state(complete, members, sum(map(len, self._members)))
        self.param_groups = [*self.param_groups, complete]
        self.state = {**self.state, **created}
        self._members = Members((*self._members, members))

    def _new_state(self, group: Group, members: Sequence[Tensor], first: int) -> dict[str, Tensor]:
        """The state of parameters that are numbered from `first` on, by the names that it has in `state`."""
        created: dict[str, Tensor] = {}
        for number, parameter in enumerate(members, first):
            for kind, tensor in self.initial_state(group, parameter).items():
                tensor.name = f"{kind}.{number}"
                created[tensor.name] = tensor
        return created

    def set_momentum(self, group: Group, momentum: float) -> None:
        """Set the momentum of one of the groups, or the first of its betas, as a schedule does. A group that was
        without gets the state that a momentum needs. Raises ArgumentError for a group that is not of this optimizer,
        where it has neither setting, and for a value out of its range, ArgumentTypeError for one that is no number."""
        numbers = [number for number, own in enumerate(self.param_groups) if own is group]
        if not numbers:
            raise ArgumentError(
                f"set_momentum takes one of the groups of this {type(self).__name__}.",
                hint="they are in its param_groups.",
            )
        check_range(self, "momentum", momentum, below=1.0 if "betas" in group else float("inf"))
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
            return
        if "momentum" not in group:
            raise ArgumentError(f"{type(self).__name__} has no momentum and no betas to set.")
        first = sum(map(len, self._members[: numbers[0]]))
        if momentum and f"momentum_buffer.{first}" not in self.state:  # also where the group was set before
            self._add_momentum(numbers[0], first, momentum)
        group["momentum"] = momentum

    def _add_momentum(self, number: int, first: int, momentum: float) -> None:
        """Allocate the state that a group needs with a momentum, and not without. Its parameters are numbered from
        `first` on."""
        group, members = self.param_groups[number], self._members[number]
        without = self._new_state({**group, "momentum": 0.0}, members, first).keys() | self.state.keys()
        needed = self._new_state({**group, "momentum": momentum}, members, first)
        added = {name: tensor for name, tensor in needed.items() if name not in without}
        if added:
            before = self.state
            about_to_write(before, lambda: partial(setattr, self, "state", before))
            self.state = {**before, **added}

    def check(self, group: Group) -> None:
        """Raise ArgumentError for a hyperparameter outside its range; give the others the form that `update` reads."""
        for name in (name for name in FLAGS if name in group):
            group[name] = as_flag(name, group[name])
        for name in self.non_negative:
            check_range(self, name, group[name])
        if "betas" in group:
            check_betas(self, group)

    @abstractmethod
    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        """The state that belongs to a parameter, by kind."""

    @abstractmethod
    def update(self, group: Group, members: Sequence[Member]) -> None:
        """One step for the parameters of a group that have a grad. Nothing is recorded for `backward`."""

    def state_of(self, kind: str, number: int, needed_by: str = "the setting that needs it") -> Tensor:
        """The state of a kind that belongs to a parameter. Raises ArgumentError, which names the setting that it is
        needed by, where its group was made without."""
        name = f"{kind}.{number}"
        if name not in self.state:
            raise ArgumentError(
                f"{type(self).__name__} has no {kind} for this group, which was made without {needed_by}.",
                hint="`optimizer.set_momentum(group, 0.9)` sets one in a group that was made without."
                if needed_by == "momentum"
                else f"make the optimizer with {needed_by}, which is not for setting in its groups later.",
            )
        return self.state[name]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the grad of every parameter to None, or, where there is one, to zeros without `set_to_none`."""
        set_to_none = as_flag("set_to_none", set_to_none)
        for members in self._members:
            for parameter in members:
                clear_grad(parameter, set_to_none)

    def to(self, device: str) -> Self:
        """Move the state to a device, "cpu" or "cuda", as `Module.to` does the parameters; return the optimizer.

        The tensors stay the same objects. A function compiled for "cuda" moves what it captures there by itself, and
        nothing moves back by itself. Raises TraceError in a compiled function.
        """
        place, _ = device_and_dtype(device, None)
        if place is None:
            raise ArgumentError(f"a device is 'cpu' or 'cuda', got {device!r}.")
        expect_movable(f"the state of {type(self).__name__}")
        for tensor in self.state.values():
            tensor._move(place)
        return self

    def step(self, closure: Callable[[], R] | None = None) -> R | None:
        """Update every parameter that has a grad, and its state.

        A closure, which computes the loss and its gradients, is called first, and what it returns is returned. Raises
        ArgumentError, before anything is updated, for a hyperparameter that was set to what is outside its range.
        """
        if closure is not None and not callable(closure):
            raise ArgumentTypeError(f"step takes a function that computes the loss, or nothing, got {closure!r}.")
        if closure is None:
            self._step()
            return None
        with enable_grad():
            result = closure()
        self._step()
        return result

    def _step(self) -> None:
        number, tracer, update = 0, current_tracer(), self.update
        is_ours = all(owner.__module__.startswith("lucid.") for owner in (type(self), update))
        if is_ours:
            update = unwatched(update)
        groups = self.__dict__["param_groups"]  # a read that is not guarded as a whole, but value by value
        for group in groups:
            self.check({**group})
        with no_grad(), Savepoint(later=is_ours):
            for position, (group, members) in enumerate(zip(groups, self._members, strict=True)):
                found = [(i, p, p.grad) for i, p in enumerate(members, number)]
                number += len(members)
                update(group, [(i, p, grad) for i, p, grad in found if grad is not None])
                if tracer is not None:
                    tracer.scalars.guard_group(group, f"{type(self).__name__}.param_groups[{position}]", self.check)

    def state_dict(self) -> dict[str, Any]:
        """The state as copies, in PyTorch's layout, {"state": {0: {"exp_avg": array, ...}, ...}, "param_groups": ...},
        with the numbers of parameters in the place of the parameters."""
        groups, number = [], 0
        for group, members in zip(self.param_groups, self._members, strict=True):
            groups.append({**group, "params": list(range(number, number + len(members)))})
            number += len(members)
        state: dict[int, dict[str, Array]] = {}
        for name, tensor in self.state.items():
            kind, owner = name.rsplit(".", 1)
            state.setdefault(int(owner), {})[kind] = tensor.numpy().copy()
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over state and hyperparameters that `state_dict` gave, Lucid's or PyTorch's, in place.

        A parameter that has no state there, as in PyTorch before its first step, starts anew. Everything is checked
        before anything is written. Raises StateDictError where groups, kinds of state or shapes differ.
        """
        if current_tracer() is not None:
            raise TraceError(
                "load_state_dict can't run while a function is traced; it would not run again in later calls.",
                hint="call it outside the compiled function.",
            )
        name = type(self).__name__
        if not isinstance(state_dict, Mapping) or set(state_dict) != {"state", "param_groups"}:
            raise StateDictError(f'the state_dict of {name} has the keys "state" and "param_groups".')
        groups = [_without(SETTINGS_OF_PYTORCH, group) for group in state_dict["param_groups"]]
        sizes = [len(group.pop("params")) for group in groups]
        if sizes != [len(members) for members in self._members]:
            raise StateDictError(
                f"the groups of {name} have {', '.join(str(len(members)) for members in self._members)} parameters, "
                f"those of the state_dict {', '.join(map(str, sizes))}."
            )
        for group in groups:
            if not self.defaults.keys() <= group.keys():
                raise StateDictError(f"a group of {name} has {', '.join(self.defaults)}, got {', '.join(group)}.")
            self.check(group)
        given = self._named(state_dict["state"])
        arrays = {key: to_array(value) for key, value in given.items() if key in self.state}
        missing = [key for key in self.state if key not in given]
        unexpected = [key for key in given if key not in self.state]
        check_state(name, self.state, arrays, missing, unexpected)
        with Savepoint(later=True):
            for key, array in arrays.items():
                self.state[key].copy_(array)
        for own, group in zip(self.param_groups, groups, strict=True):
            for key in own.keys() - group.keys() - {"params"}:
                del own[key]
            own.update(group)

    def _named(self, state: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
        """State by the names of `self.state`, from a state_dict."""
        if not isinstance(state, Mapping) or not all(isinstance(kinds, Mapping) for kinds in state.values()):
            raise StateDictError(
                f"the state of {type(self).__name__} is a dict of dicts, by the numbers of parameters and by kind."
            )
        found = {f"{kind}.{owner}": value for owner, kinds in state.items() for kind, value in kinds.items()}
        number = 0
        for group, members in zip(self.param_groups, self._members, strict=True):
            for parameter in members:
                if not state.get(number):
                    initial = self.initial_state(group, parameter)
                    found |= {f"{kind}.{number}": tensor for kind, tensor in initial.items()}
                number += 1
        return found

    def __repr__(self) -> str:
        groups = [
            f"  {len(group['params'])} parameter{'s' if len(group['params']) > 1 else ''}, "
            + ", ".join(f"{key}={value!r}" for key, value in group.items() if key != "params")
            for group in self.param_groups
        ]
        return "\n".join([f"{type(self).__name__}(", *groups, ")"])


def _without(names: Sequence[str], group: Group) -> Group:
    return {key: value for key, value in group.items() if key not in names}


def step_counter() -> Tensor:
    """A count of steps: int64, without axes."""
    return zeros(dtype="int64")


def decayed_gradient(group: Group, parameter: Tensor, gradient: Tensor, weight_decay: Any) -> Tensor:
    """What is descended: the gradient, negated with the setting `maximize`, plus weight_decay * parameter."""
    if setting(group, "maximize"):
        gradient = -gradient
    return gradient + parameter * weight_decay if weight_decay else gradient


def decayed_parameter(parameter: Tensor, lr: Any, weight_decay: Any) -> Tensor:
    """What a step with decoupled weight decay starts from: parameter * (1 - lr * weight_decay)."""
    return parameter * (1.0 - lr * weight_decay) if weight_decay else parameter
