"""Averages of the weights of a model over the steps of its training, and what goes with them."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import lucid.operations as ops
from lucid.errors import ArgumentError, ArgumentTypeError, ShapeError
from lucid.missing_names import refuse_names_of
from lucid.modes import no_grad
from lucid.nn.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from lucid.nn.module import Module
from lucid.operations.arguments import as_choice, as_flag, as_integer, check_number
from lucid.optim.lr_scheduler.base import LRScheduler
from lucid.optim.lr_scheduler.cycle import number_of_group, one_for_each_group
from lucid.optim.optimizer import Group, Optimizer
from lucid.savepoints import Savepoint, all_or_nothing
from lucid.scalars import Scalar
from lucid.tensor import Tensor

Average = Callable[[Tensor, Tensor, Tensor], Tensor]
AverageOfAll = Callable[[list[Tensor], list[Tensor], Tensor], None]


class AveragedModel(Module):
    """A copy of a model, `module`, whose weights are averages of those of the model in its calls so far.

    `update_parameters`, called after each step of the optimizer, in a compiled step as well, takes the weights of the
    model over in its first call, and later sets them to `avg_fn(averaged, current, n_averaged)`: by default the plain
    mean, else what `get_ema_avg_fn` gives, or any function. Or `multi_avg_fn(averaged, current, n_averaged)` gets all
    tensors of a dtype at once, as lists, and writes the averages to the first of them. Buffers are averaged with
    `use_buffers`, else taken over. What an integer buffer would be is rounded towards zero.
    Izmailov et al., arXiv:1803.05407, section 3, for the plain mean.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: str | None = None,
        avg_fn: Average | None = None,
        multi_avg_fn: AverageOfAll | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(model, Module):
            raise ArgumentTypeError(f"AveragedModel takes a module, got {type(model).__name__}.")
        for name, function in (("avg_fn", avg_fn), ("multi_avg_fn", multi_avg_fn)):
            if function is not None and not callable(function):
                raise ArgumentTypeError(f"AveragedModel takes a function as {name}, got {function!r}.")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ArgumentError("AveragedModel takes avg_fn or multi_avg_fn, got both.")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", ops.zeros(dtype="int64"))
        self.avg_fn = get_swa_avg_fn() if avg_fn is None else avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = as_flag("use_buffers", use_buffers)
        self._place(device)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the weights of the model into the averages."""
        shapes = [[t.shape for t in (*m.parameters(), *m.buffers())] for m in (self.module, model)]
        if shapes[0] != shapes[1]:
            raise ShapeError(f"update_parameters takes a model of the shapes {shapes[0]}, got {shapes[1]}.")
        with no_grad(), Savepoint():
            averages, current = (
                [*m.parameters(), *(m.buffers() if self.use_buffers else ())] for m in (self.module, model)
            )
            current = [tensor.detach() for tensor in current]
            for average, now, later in zip(averages, current, self._later(averages, current), strict=True):
                average.copy_(ops.where(self.n_averaged == 0, now, later.astype(average.dtype)))
            if not self.use_buffers:
                for own, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
                    own.copy_(buffer)
            self.n_averaged += 1

    def _later(self, averages: list[Tensor], current: list[Tensor]) -> list[Tensor]:
        """What the averages are after a call that is not the first."""
        if self.multi_avg_fn is None:
            pairs = zip(averages, current, strict=True)
            return [self.avg_fn(average.detach(), now, self.n_averaged) for average, now in pairs]
        written = [average.detach().clone() for average in averages]
        by_dtype = defaultdict(list)
        for pair in zip(written, current, strict=True):
            by_dtype[pair[0].dtype].append(pair)
        for pairs_of_one in by_dtype.values():
            self.multi_avg_fn([pair[0] for pair in pairs_of_one], [pair[1] for pair in pairs_of_one], self.n_averaged)
        return written


def get_swa_avg_fn() -> Average:
    """The plain mean of all weights so far, for `AveragedModel`."""
    return _mean


def get_ema_avg_fn(decay: float | Scalar = 0.999) -> Average:
    """The exponential moving average decay * averaged + (1 - decay) * current, for `AveragedModel`."""
    if not 0.0 <= check_number("get_ema_avg_fn takes a number as decay", decay) <= 1.0:
        raise ArgumentError(f"get_ema_avg_fn takes a decay from 0 to 1, got {decay!r}.")

    def average(averaged: Tensor, current: Tensor, count: Tensor) -> Tensor:
        return averaged * decay + current * (1.0 - decay)

    return average


def get_swa_multi_avg_fn() -> AverageOfAll:
    """The plain mean of all weights so far, as a `multi_avg_fn` of `AveragedModel`."""
    return _of_all(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float | Scalar = 0.999) -> AverageOfAll:
    """What `get_ema_avg_fn` gives, as a `multi_avg_fn` of `AveragedModel`."""
    return _of_all(get_ema_avg_fn(decay))


def _mean(average: Tensor, current: Tensor, count: Tensor) -> Tensor:
    return average + (current - average) / (count + 1).astype(average.dtype)


def _of_all(average: Average) -> AverageOfAll:
    def average_all(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        for own, now in zip(averaged, current, strict=True):
            own.copy_(average(own, now, count).astype(own.dtype))

    return average_all


class SWALR(LRScheduler):
    """Takes the learning rate from what it is to `swa_lr` in `anneal_epochs` epochs, and leaves it there.

    It goes along half a cosine or, with anneal_strategy="linear", a line. `swa_lr` may be one for each group.
    Izmailov et al., arXiv:1803.05407, section 3.2, for a constant rate while weights are averaged.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
    ) -> None:
        self.swa_lrs = one_for_each_group(self, optimizer, "swa_lr", swa_lr)
        self.anneal_strategy = as_choice(
            'SWALR takes anneal_strategy="cos" or "linear"', anneal_strategy, ("cos", "linear")
        )
        self.anneal_epochs = as_integer("SWALR takes a number of epochs as anneal_epochs", anneal_epochs)
        if self.anneal_epochs < 0:
            raise ArgumentError(f"SWALR takes anneal_epochs from 0 on, got {anneal_epochs!r}.")
        super().__init__(optimizer)

    def first_rate(self, group: Group, base: float) -> float:
        return float(group["lr"]) if self.anneal_epochs else self.swa_lrs[number_of_group(self, group)]

    def next_rate(self, group: Group, base: float) -> float:
        end, before, now = self.swa_lrs[number_of_group(self, group)], self._share(-1), self._share(0)
        if before == 1.0:
            return end
        start = (float(group["lr"]) - before * end) / (1.0 - before)  # of the rate before, whoever has changed it since
        return end * now + start * (1.0 - now)

    def _share(self, later: int) -> float:
        """How much of the way has been gone in the epoch so many after this one."""
        share = min((self.last_epoch + later) / self.anneal_epochs, 1.0) if self.anneal_epochs else 1.0
        return share if self.anneal_strategy == "linear" else (1.0 - math.cos(math.pi * share)) / 2.0


@all_or_nothing
def update_bn(loader: Iterable[Any], model: Module, device: str | None = None) -> None:
    """Compute the running statistics of a model's BatchNorm layers anew, as plain means over the batches of a loader.

    The model is called on each batch, or on its first part where it is a list or tuple, in training mode; its mode and
    the momenta of the layers are as before in the end. Needed after weights have been averaged, as those that the
    statistics belong to are none of the model's.
    """
    if not isinstance(model, Module):
        raise ArgumentTypeError(f"update_bn takes a module, got {type(model).__name__}.")
    layers = [module for module in model.modules() if isinstance(module, BatchNorm1d | BatchNorm2d | BatchNorm3d)]
    if not layers:
        return
    modes, momenta = [(module, module.training) for module in model.modules()], [layer.momentum for layer in layers]
    try:
        model.train()
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
        with no_grad():
            for batch in loader:
                x = ops.as_tensor(batch[0] if isinstance(batch, list | tuple) else batch)
                model(x if device is None else x.to(device))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, training in modes:
            module.training = training


if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
