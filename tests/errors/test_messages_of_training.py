"""Each message of optimizers, schedules and data, in full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    ShapeError,
    StateDictError,
)
from lucid.optim import lr_scheduler as schedules
from tests.errors.messages import Case, expect_message


def changed(stateful: Any, **values: Any) -> None:
    """Loads a state in which some values are others."""
    stateful.load_state_dict({**stateful.state_dict(), **values})


def sgd(**settings: Any) -> optim.SGD:
    return optim.SGD([nn.Parameter([1.0])], 0.1, **settings)


def step_with(lr: object) -> None:
    """A step of a group whose learning rate was set to something."""
    weight = nn.Parameter(np.ones(2, np.float32))
    optimizer = optim.SGD([weight], 0.1)
    optimizer.param_groups[0]["lr"] = lr
    weight.sum().backward()
    optimizer.step()


CASES: list[Case] = [
    (
        lambda: step_with("fast"),
        ArgumentTypeError,
        "SGD takes a number as lr, got lr='fast'.",
        None,
    ),
    (
        lambda: lucid.compile(step_with)(None),
        ArgumentTypeError,
        "SGD takes a number as lr, got lr=None.",
        None,
    ),
    (
        lambda: optim.SGD([nn.Parameter([1.0])], lucid.Tensor(0.5)),  # type: ignore[arg-type]
        ArgumentTypeError,
        "SGD takes a number as lr, got lr=Tensor(0.5, grad=None).",
        "a float may change from step to step, and compiles nothing: give x.item().",
    ),
    (
        lambda: optim.SGD([], 0.1),
        ArgumentError,
        "SGD got no parameters.",
        "pass model.parameters(), which finds layers in an nn.ModuleList, but not in a plain list.",
    ),
    (
        lambda: optim.SGD(nn.Parameter([1.0]), 0.1),
        ArgumentTypeError,
        "SGD takes several parameters, got one Parameter.",
        "pass model.parameters(), or a list.",
    ),
    (
        lambda: optim.SGD([{"params": []}], 0.1),
        ArgumentError,
        "SGD got a group without parameters.",
        'they are its entry "params", as model.parameters() is.',
    ),
    (
        lambda: optim.SGD([{"params": [nn.Parameter([1.0])], "learning_rate": 1}], 0.1),
        ArgumentError,
        "SGD has no hyperparameter learning_rate.",
        "write `lr=1`.",
    ),
    (
        lambda: optim.SGD([(p := nn.Parameter([1.0])), p], 0.1),
        ArgumentError,
        "SGD got one parameter twice, of shape (1,).",
        None,
    ),
    (
        lambda: optim.SGD([nn.Parameter([1.0]) * 2.0], 0.1),
        ArgumentError,
        "SGD updates float tensors that are leaves, got a computed one, f32[1].",
        "give it what this was computed from, or `t.detach().requires_grad_()`.",
    ),
    *(
        (
            lambda given=given: optim.SGD(given, 0.1),
            ArgumentTypeError,
            f"SGD updates float tensors that are leaves, got {kind}.",
            "pass model.parameters().",
        )
        for given, kind in (
            ([1], "1"),
            (nn.Sequential(nn.Linear(1, 1)), "Linear(1, 1)"),
            ([("0.weight", nn.Parameter([[0.25] * 9]))], "('0.weight', Tensor([[0.25...]], grad=None))"),
        )
    ),
    (
        lambda: optim.SGD([{"params": nn.Linear(1, 1)}], 0.1),  # type: ignore[dict-item]
        ArgumentTypeError,
        "SGD takes parameters, got Linear(1, 1).",
        "pass model.parameters().",
    ),
    (
        lambda: nn.utils.clip_grad_norm_(nn.Linear(1, 1), 1.0),  # type: ignore[arg-type]
        ArgumentTypeError,
        "clip_grad_norm_ takes tensors, got Linear(1, 1).",
        "pass model.parameters().",
    ),
    (
        lambda: optim.SGD([{"params": [nn.Parameter([1.0])], "speed": 1}], 0.1),
        ArgumentError,
        "SGD has no hyperparameter speed.",
        None,
    ),
    (
        lambda: optim.SGD([nn.Parameter([1.0])], "0.1"),  # type: ignore[arg-type]
        ArgumentTypeError,
        "SGD takes a number as lr, got lr='0.1'.",
        None,
    ),
    (lambda: optim.SGD([nn.Parameter([1.0])], -0.1), ArgumentError, "SGD takes lr of at least 0, got lr=-0.1.", None),
    (
        lambda: optim.Adam([nn.Parameter([1.0])], betas=0.9),
        ArgumentTypeError,
        "Adam takes two betas, got betas=0.9.",
        None,
    ),
    (
        lambda: optim.Adam([nn.Parameter([1.0])], betas=(0.9, 1.5)),
        ArgumentError,
        "Adam takes betas[1] from 0 to less than 1, got betas[1]=1.5.",
        None,
    ),
    (
        lambda: sgd().load_state_dict({}),
        StateDictError,
        'the state_dict of SGD has the keys "state" and "param_groups".',
        None,
    ),
    (
        lambda: sgd(nesterov=True),
        ArgumentError,
        "SGD takes nesterov with a momentum and without dampening, got momentum=0.0 and dampening=0.0.",
        None,
    ),
    (
        lambda: optim.Muon([nn.Parameter([1.0])]),
        ShapeError,
        "Muon updates matrices, got shape (1,).",
        "give the others to AdamW.",
    ),
    (
        lambda: schedules.ChainedScheduler([schedules.StepLR(sgd(), 1), schedules.StepLR(sgd(), 1)]),
        ArgumentError,
        "ChainedScheduler takes schedulers of one optimizer.",
        None,
    ),
    (
        lambda: schedules.SequentialLR((o := sgd()), [schedules.StepLR(o, 1)], [1]),
        ArgumentError,
        "SequentialLR takes ascending milestones, one less than schedulers, got [1] for 1.",
        None,
    ),
    (
        lambda: schedules.OneCycleLR(sgd(momentum=0.9), [0.1, 0.2], 10),
        ArgumentError,
        "OneCycleLR takes a max_lr for each of 1 groups, got 2.",
        None,
    ),
    (
        lambda: schedules.OneCycleLR(sgd(momentum=0.9), 0.1, 10, anneal_strategy="step"),
        ArgumentError,
        'OneCycleLR takes anneal_strategy="cos" or "linear", got \'step\'.',
        None,
    ),
    (
        lambda: schedules.OneCycleLR(optim.Adadelta([nn.Parameter([1.0])]), 0.1, 10),
        ArgumentError,
        "OneCycleLR takes an optimizer with momentum or betas, or cycle_momentum=False.",
        None,
    ),
    (
        lambda: sgd(momentum=0.9).set_momentum({"momentum": 0.9}, 0.8),
        ArgumentError,
        "set_momentum takes one of the groups of this SGD.",
        "they are in its param_groups.",
    ),
    (
        lambda: (made := optim.Adadelta([nn.Parameter([1.0])])).set_momentum(made.param_groups[0], 0.8),
        ArgumentError,
        "Adadelta has no momentum and no betas to set.",
        None,
    ),
    (
        lambda: (made := sgd(momentum=0.9)).set_momentum(made.param_groups[0], -1.0),
        ArgumentError,
        "SGD takes momentum of at least 0, got momentum=-1.0.",
        None,
    ),
    (
        lambda: (made := optim.Adam([nn.Parameter([1.0])])).set_momentum(made.param_groups[0], 1.0),
        ArgumentError,
        "Adam takes momentum from 0 to less than 1, got momentum=1.0.",
        None,
    ),
    (
        lambda: (made := sgd(momentum=0.9)).set_momentum(made.param_groups[0], "a"),
        ArgumentTypeError,
        "SGD takes a number as momentum, got momentum='a'.",
        None,
    ),
    (
        lambda: schedules.OneCycleLR(sgd(momentum=0.9), 0.1),
        ArgumentError,
        "OneCycleLR takes total_steps, or epochs and steps_per_epoch.",
        None,
    ),
    (
        lambda: schedules.ReduceLROnPlateau(sgd(), "low"),
        ArgumentError,
        'ReduceLROnPlateau takes mode="min" or "max", got \'low\'.',
        None,
    ),
    (
        lambda: schedules.ReduceLROnPlateau(sgd(), factor=2.0),
        ArgumentError,
        "ReduceLROnPlateau takes a factor below 1, got 2.0.",
        None,
    ),
    (
        lambda: schedules.ReduceLROnPlateau(sgd(), min_lr=[0.1, 0.1]),
        ArgumentError,
        "ReduceLROnPlateau takes a min_lr for each of 1 groups, got 2.",
        None,
    ),
    (lambda: schedules.StepLR(1, 1), ArgumentTypeError, "StepLR takes an optimizer, got int.", None),
    (lambda: schedules.StepLR(sgd(), 0), ArgumentError, "StepLR takes a step_size of at least 1, got 0.", None),
    (
        lambda: schedules.ConstantLR(sgd(), 2.0),
        ArgumentError,
        "ConstantLR takes a factor above 0, up to 1, got 2.0.",
        None,
    ),
    (
        lambda: schedules.LambdaLR(sgd(), []),
        ArgumentError,
        "LambdaLR takes a function for each of 1 groups, got 0.",
        None,
    ),
    (
        lambda: lucid.data.Subset(range(3), "ab"),
        ArgumentTypeError,
        "Subset takes a sequence of integers, got 'ab'.",
        None,
    ),
    (lambda: lucid.data.Subset(range(3), [5]), ArgumentError, "Subset got the index 5 into 3 samples.", None),
    (
        lambda: lucid.data.DataLoader(range(3), shuffle=True, sampler=[0]),
        ArgumentError,
        "DataLoader takes shuffle or a sampler, which says the order itself; got both.",
        None,
    ),
    (
        lambda: lucid.data.DataLoader(range(3), batch_size=0),
        ArgumentError,
        "DataLoader takes batch_size as an integer of at least 1, got 0.",
        None,
    ),
    (
        lambda: lucid.data.DataLoader(range(3)).load_state_dict({}),
        StateDictError,
        "the state_dict of DataLoader has epoch, batch, batch_size, samples, batches, seed, got none.",
        None,
    ),
    (
        lambda: lucid.data.DataLoader(range(3), sampler=[0, 1, -1]),
        ArgumentError,
        "DataLoader got the index -1 into 3 samples.",
        None,
    ),
    (
        lambda: lucid.data.DataLoader(range(3), sampler=np.zeros((2, 1), np.int64)),
        ArgumentTypeError,
        "DataLoader takes a sequence of integers, got int64 of shape (2, 1).",
        None,
    ),
    (
        lambda: lucid.data.DataLoader(range(3), sampler=np.array(1)),
        ArgumentTypeError,
        "DataLoader takes a sampler with a length and a method order(epoch), or a sequence, got an array without axes.",
        "an iterable that gives another order each time can't go on in the middle of an epoch: write a "
        "lucid.data.Sampler, or pass a list of it.",
    ),
    (
        lambda: lucid.data.DataLoader(range(3)).load_state_dict([1]),  # type: ignore[arg-type]
        StateDictError,
        "the state_dict of DataLoader has epoch, batch, batch_size, samples, batches, seed, got list.",
        "load what the state_dict() of DataLoader returned.",
    ),
    (
        lambda: changed(lucid.data.DataLoader(range(3)), epoch=0.5),
        StateDictError,
        "the state_dict of DataLoader has epoch as an integer from 0 on, got 0.5.",
        "load what the state_dict() of DataLoader returned.",
    ),
    (
        lambda: changed(lucid.data.DataLoader(range(3)), batch="1"),
        StateDictError,
        "the state_dict of DataLoader has batch as an integer from 0 on, got '1'.",
        "load what the state_dict() of DataLoader returned.",
    ),
    (
        lambda: sgd(maximize=np.array([1, 2])),
        ArgumentTypeError,
        "maximize is True or False, got array([1, 2]).",
        None,
    ),
    (
        lambda: lucid.data.BatchSampler(range(3), 2, np.array([1, 2])),  # type: ignore[arg-type]
        ArgumentTypeError,
        "drop_last is True or False, got array([1, 2]).",
        None,
    ),
    (
        lambda: lucid.data.DataLoader(range(3), shuffle=np.array([1, 2])),  # type: ignore[arg-type]
        ArgumentTypeError,
        "shuffle is True or False, got array([1, 2]).",
        None,
    ),
    (
        lambda: changed(schedules.StepLR(sgd(), 1), last_epoch=None),
        StateDictError,
        "the state_dict of StepLR has last_epoch as an integer from 0 on, got None.",
        "load what the state_dict() of StepLR returned.",
    ),
    (
        lambda: schedules.ExponentialLR(sgd(), 0.5).load_state_dict(1),  # type: ignore[arg-type]
        StateDictError,
        "the state_dict of ExponentialLR has gamma, last_epoch, base_lrs, got int.",
        "load what the state_dict() of ExponentialLR returned.",
    ),
    *(
        (
            lambda sampler=sampler, epoch=epoch: sampler.order(epoch),
            kind,
            f"{type(sampler).__name__} takes epochs as integers from 0 to 2^62 - 1, got {epoch!r}.",
            "an epoch is a pass through the data, counted from 0: for epoch in range(10): ...",
        )
        for sampler, epoch, kind in (
            (lucid.data.RandomSampler(3), 0.5, ArgumentTypeError),
            (lucid.data.RandomSampler(3), 1 << 62, ArgumentError),
            (lucid.data.SequentialSampler(3), -1, ArgumentError),
            (lucid.data.BatchSampler([0], 1, False), "0", ArgumentTypeError),
        )
    ),
    (lambda: lucid.data.RandomSampler(3, seed="x"), ArgumentTypeError, "seed takes an integer, got 'x'.", None),
    (
        lambda: lucid.data.TensorDataset(ones(2), ones(3)),
        ArgumentError,
        "TensorDataset takes arrays that share their leading axis, got (2,), (3,).",
        None,
    ),
    (
        lambda: lucid.data.random_split(range(3), [1, 1]),
        ArgumentError,
        "the lengths [1, 1] add up to 2, and there are 3 samples.",
        None,
    ),
    (
        lambda: lucid.data.random_split(range(3), [-1, 4]),
        ArgumentError,
        "random_split takes lengths of at least 0, got [-1, 4].",
        None,
    ),
    (
        lambda: lucid.data.random_split(range(3), [0.5, 0.4]),
        ArgumentError,
        "random_split takes fractions that add up to 1, got [0.5, 0.4].",
        None,
    ),
    (lambda: lucid.data.collate([]), ArgumentError, "collate takes at least one sample.", None),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
