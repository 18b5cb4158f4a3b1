"""Names of arguments that an optimizer does not have: those of other libraries, and typos."""

import inspect
from typing import Any

import pytest

import lucid.nn as nn
import lucid.optim as optim
from lucid.errors import ArgumentTypeError, MissingNameError
from lucid.optim.arguments import EXPLAINED, NAMES, RELATED
from lucid.tensor import Tensor


def parameters() -> list[Tensor]:
    return list(nn.Linear(2, 2).parameters())


@pytest.mark.parametrize(
    ("kind", "name", "instead"),
    [
        (optim.Adam, "learning_rate", "lr=0.5"),
        (optim.SGD, "learning_rate", "lr=0.5"),
        (optim.Adam, "momentum", "betas=(0.9, 0.999)"),
        (optim.Lion, "momentum", "betas=(0.9, 0.99)"),
        (optim.AdamW, "beta_1", "betas=(0.9, 0.999)"),
        (optim.Adafactor, "b2", "beta2_decay=-0.8"),
        (optim.RMSprop, "rho", "alpha=0.5"),
        (optim.Adam, "epsilon", "eps=0.5"),
        (optim.AdamW, "wd", "weight_decay=0.5"),
        (optim.AdamW, "l2", "weight_decay=0.01"),
    ],
)
def test_a_name_of_another_library_says_what_to_write(kind: Any, name: str, instead: str) -> None:
    with pytest.raises(TypeError) as caught:
        kind(parameters(), **{name: 0.5})
    assert isinstance(caught.value, ArgumentTypeError)
    assert (caught.value.sentence, caught.value.hint) == (f"{kind.__name__} takes no {name!r}.", f"write `{instead}`.")
    written, _, value = instead.partition("=")
    kind(parameters(), **{written: eval(value)})


def test_names_are_those_of_optimizers() -> None:
    kinds = [kind for kind in vars(optim).values() if isinstance(kind, type) and issubclass(kind, optim.Optimizer)]
    known = {name for kind in kinds for name in inspect.signature(kind).parameters}
    assert {name for names in (*NAMES.values(), *RELATED.values()) for name in names} <= known
    assert known.isdisjoint(EXPLAINED)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("momentun", "did you mean `momentum`?"),
        ("fused", "leave it out: a compiled step updates all parameters in one native call."),
        ("clipnorm", "clip gradients before the step: nn.utils.clip_grad_norm_(parameters, 1.0)."),
        ("qqqqq", None),
    ],
)
def test_other_names(name: str, hint: str | None) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        optim.SGD(parameters(), lr=0.1, **{name: 1.0})  # type: ignore[arg-type]
    assert (caught.value.sentence, caught.value.hint) == (f"SGD takes no {name!r}.", hint)


def test_an_optimizer_of_the_users_has_its_own() -> None:
    class Halving(optim.SGD):
        def __init__(self, params: Any, **options: Any) -> None:
            super().__init__(params, lr=options.pop("rate"))

    assert Halving(parameters(), rate=0.5).param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("first", [False, True])
def test_an_optimizer_of_the_users_has_attributes_of_its_own(first: bool) -> None:
    class Kept(optim.SGD):
        def __init__(self, params: Any, lr: float) -> None:
            if first:
                self.lr = lr
            super().__init__(params, lr=lr)
            if not first:
                self.lr = lr

    kept = Kept(parameters(), 0.5)
    assert (kept.lr, kept.param_groups[0]["lr"]) == (0.5, 0.5)
    with pytest.raises(MissingNameError, match="Kept has no 'momentum'"):
        kept.momentum  # type: ignore[attr-defined]  # noqa: B018
