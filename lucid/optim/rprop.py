"""Rprop: steps by the sign of a gradient, with a size for each element."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lucid.errors import ArgumentError
from lucid.observed import hyperparameter
from lucid.operations import full_like, maximum, minimum, sign, where, zeros_like
from lucid.operations.arguments import check_number
from lucid.optim.arguments import check_pair
from lucid.optim.optimizer import Group, Member, Optimizer, decayed_gradient, step_counter
from lucid.tensor import Tensor


class Rprop(Optimizer):
    """Resilient backpropagation. For a gradient g of a parameter p, the gradient h of the step before, and a step size
    s of each element, which is lr in the first step:

        s <- etas[1] * s          where g * h > 0
        s <- etas[0] * s, g <- 0  where g * h < 0
        s <- min(max(s, step_sizes[0]), step_sizes[1])
        p <- p - s * sign(g)
        h <- g

    as in PyTorch; g is negated first with `maximize`. It is for gradients of all data: those of batches change their
    signs by chance. Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP
    algorithm", 1993, section 3.
    """

    non_negative = ("lr",)

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[Group],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        defaults = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize}
        super().__init__(params, defaults)

    def check(self, group: Group) -> None:
        super().check(group)
        shrinking, growing = (
            check_number("Rprop takes numbers as etas", eta) for eta in check_pair(self, group, "etas")
        )
        if not 0.0 < shrinking < 1.0 < growing:
            raise ArgumentError(f"Rprop takes etas of below and above 1, got etas={group['etas']!r}.")
        sizes = check_pair(self, group, "step_sizes")
        smallest, largest = (check_number("Rprop takes numbers as step_sizes", size) for size in sizes)
        if not 0.0 <= smallest <= largest:
            raise ArgumentError(
                f"Rprop takes step_sizes that ascend from 0 on, got step_sizes={group['step_sizes']!r}."
            )

    def initial_state(self, group: Group, parameter: Tensor) -> dict[str, Tensor]:
        return {
            "step": step_counter(),
            "prev": zeros_like(parameter),
            "step_size": full_like(parameter, float(group["lr"])),
        }

    def update(self, group: Group, members: Sequence[Member]) -> None:
        lr = hyperparameter(group, "lr")
        shrinking, growing = hyperparameter(group, "etas")
        smallest, largest = hyperparameter(group, "step_sizes")
        for number, parameter, gradient in members:
            step, before, size = (self.state_of(kind, number) for kind in ("step", "prev", "step_size"))
            gradient = decayed_gradient(group, parameter, gradient, 0.0)
            agreement = gradient * before
            turns = agreement < 0.0
            last = where(step == 0, lr, size)  # a schedule may have set lr since the state was made
            step += 1
            grown = where(agreement > 0.0, last * growing, where(turns, last * shrinking, last))
            size.copy_(minimum(maximum(grown, smallest), largest))
            before.copy_(where(turns, 0.0, gradient))
            parameter -= sign(before) * size
