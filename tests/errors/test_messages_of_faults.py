"""Messages of arguments that the tables of wrong calls in `tests/errors/calls` are about, in full."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import data, ones
from lucid.errors import (
    AllocationError,
    ArgumentError,
    ArgumentTypeError,
    CheckError,
    DTypeError,
    ShapeError,
)
from lucid.optim import lr_scheduler, swa_utils
from tests.errors.messages import Case, expect_message


def wrong(thing: Any) -> Any:
    """What a type checker would refuse."""
    return thing


def adam() -> optim.Adam:
    return optim.Adam([ones(2)])


CASES: list[Case] = [
    (lambda: lucid.grad(wrong([1]), ones(2)), ArgumentTypeError, "lucid.grad takes tensors as outputs, got 1.", None),
    (
        lambda: data.DataLoader([1, 2], collate_fn=wrong(1)),
        ArgumentTypeError,
        "DataLoader takes a function as collate_fn, got 1.",
        None,
    ),
    (
        lambda: lucid.zeros(2**50),
        AllocationError,
        "a tensor of type f32[1125899906842624] takes more memory than there is.",
        None,
    ),
    (
        lambda: lucid.zeros(2**50, 2**50),
        ShapeError,
        "a tensor has fewer than 2^60 elements, got the shape (1125899906842624, 1125899906842624).",
        None,
    ),
    (lambda: F.gumbel_softmax(ones(2), 0.0), ArgumentError, "gumbel_softmax takes tau above 0, got 0.0.", None),
    (
        lambda: F.scaled_dot_product_attention(
            ones(2, 3), ones(2, 3), ones(2, 3), np.array([[True, False], [True, True]]), is_causal=True
        ),
        ArgumentError,
        "scaled_dot_product_attention takes attn_mask or is_causal, got both.",
        "let the mask be causal, too: attn_mask.tril() for bools.",
    ),
    (
        lambda: F.triplet_margin_with_distance_loss(ones(2, 3), ones(2, 3), ones(3)),
        ShapeError,
        "triplet_margin_with_distance_loss takes three tensors of as many axes, got shapes (2, 3), (2, 3) and (3,).",
        None,
    ),
    (
        lambda: F.triplet_margin_with_distance_loss(ones(3), ones(3), ones(3), distance_function=wrong(1)),
        ArgumentTypeError,
        "triplet_margin_with_distance_loss takes a function as distance_function, got 1.",
        None,
    ),
    (
        lambda: F.interpolate(ones(1, 1, 2), scale_factor=float("inf")),
        ArgumentError,
        "interpolate takes finite numbers as scale_factor, got inf.",
        None,
    ),
    (
        lambda: F.interpolate(ones(1, 1, 2), size=2**40),
        ArgumentError,
        "interpolate gives fewer than 2^31 elements along each axis, got [1099511627776].",
        None,
    ),
    (
        lambda: F.max_pool1d(ones(1, 1, 2), 2**40),
        ArgumentError,
        "max_pool1d takes kernel_size below 2^31, got 1099511627776.",
        None,
    ),
    (lambda: nn.init.ones_(wrong(1)), ArgumentTypeError, "an initializer fills a tensor, got int.", None),
    (
        lambda: nn.init.orthogonal_(lucid.Tensor([[1]])),
        DTypeError,
        "orthogonal_ fills tensors of floats, got int64.",
        None,
    ),
    (
        lambda: nn.ReLU().register_forward_hook(wrong(1)),
        ArgumentTypeError,
        "a hook is a function, got int.",
        None,
    ),
    (
        lambda: nn.ReLU().get_parameter(wrong(1)),
        ArgumentTypeError,
        "a member of a module is named by a text such as '0.weight', got 1.",
        None,
    ),
    (lambda: nn.ReLU().add_module(wrong(1), nn.ReLU()), ArgumentTypeError, "a module is named by a text, got 1.", None),
    (
        lambda: nn.Transformer(4, 2, 1, 1, 6, custom_encoder=wrong(1)),
        ArgumentTypeError,
        "Transformer takes modules as custom_encoder and custom_decoder, got int.",
        None,
    ),
    (
        lambda: nn.utils.get_total_norm([wrong(1)]),
        ArgumentTypeError,
        "get_total_norm takes tensors, got int.",
        "pass model.parameters().",
    ),
    (lambda: lucid.clip(ones(2)), ArgumentError, "clip takes a lower bound, an upper one, or both, got neither.", None),
    (
        lambda: lucid.flatten(ones(2, 3), 1, 0),
        ShapeError,
        "flatten joins axes from a first one to a later one, got 1 and 0.",
        None,
    ),
    (
        lambda: lucid.arange(0, 5, -1),
        ArgumentError,
        "arange takes a step that leads from start to end, got 0, 5 and -1.",
        None,
    ),
    (
        lambda: lr_scheduler.OneCycleLR(adam(), 0.1, 10, div_factor=0.0),
        ArgumentError,
        "OneCycleLR takes div_factor and final_div_factor above 0, got 0.0 and 10000.0.",
        None,
    ),
    (
        lambda: lr_scheduler.CyclicLR(adam(), 0.1, 0.2, scale_fn=wrong(1)),
        ArgumentTypeError,
        "CyclicLR takes a function as scale_fn, got 1.",
        None,
    ),
    (
        lambda: adam().add_param_group(wrong(1)),
        ArgumentTypeError,
        'Adam takes a group as a dict with an entry "params", got 1.',
        None,
    ),
    (
        lambda: adam().step(wrong(1)),
        ArgumentTypeError,
        "step takes a function that computes the loss, or nothing, got 1.",
        None,
    ),
    (
        lambda: optim.Adam([lucid.Tensor([1])]),
        DTypeError,
        "Adam updates float tensors that are leaves, got i64[1].",
        None,
    ),
    (lambda: swa_utils.AveragedModel(wrong(1)), ArgumentTypeError, "AveragedModel takes a module, got int.", None),
    (
        lambda: swa_utils.AveragedModel(nn.ReLU(), avg_fn=wrong(1)),
        ArgumentTypeError,
        "AveragedModel takes a function as avg_fn, got 1.",
        None,
    ),
    (
        lambda: swa_utils.AveragedModel(nn.ReLU()).update_parameters(nn.PReLU()),
        ShapeError,
        "update_parameters takes a model of the shapes [], got [(1,)].",
        None,
    ),
    (lambda: lucid.uniform(1.0, 0.0), ArgumentError, "uniform takes low up to high, got 1.0 and 0.0.", None),
    (
        lambda: lucid.save(wrong(1), nn.ReLU()),
        ArgumentTypeError,
        "save takes the path of a file, got 1.",
        'such as "run.safetensors".',
    ),
    (
        lambda: lucid.save("", nn.ReLU()),
        ArgumentError,
        "save takes the path of a file, got ''.",
        'such as "run.safetensors".',
    ),
    (lambda: lucid.renorm(ones(2, 2), 0, 0, 1.0), ArgumentError, "renorm takes p above 0, got 0.", None),
    (
        lambda: lucid.renorm(ones(2, 2), 2, 0, -1.0),
        ArgumentError,
        "renorm takes maxnorm of at least 0, got -1.0.",
        None,
    ),
    # Conditions on data.
    (
        lambda: lucid.uniform(ones(2), np.array([2.0, 0.0])),
        CheckError,
        "uniform takes low up to high, which is not so at position 1.",
        None,
    ),
    (
        lambda: lucid.normal(0.0, np.array([1.0, -1.0])),
        CheckError,
        "normal takes standard deviations from 0 on, which is not so at position 1.",
        None,
    ),
    (
        lambda: lucid.bernoulli(np.array([[0.5, 0.5], [1.5, 0.5]])),
        CheckError,
        "bernoulli takes probabilities from 0 to 1, which is not so at position 2.",
        None,
    ),
    (
        lambda: lucid.bernoulli(lucid.Tensor(float("nan"))),
        CheckError,
        "bernoulli takes probabilities from 0 to 1, which is not so.",
        None,
    ),
    (
        lambda: lucid.multinomial(np.array([1.0, -1.0]), 1),
        CheckError,
        "multinomial takes finite weights from 0 on, which is not so at position 1.",
        None,
    ),
    (
        lambda: lucid.multinomial(np.array([[1.0, 0.0], [0.0, 0.0]]), 1),
        CheckError,
        "multinomial takes weights of which one at least is above 0, which is not so at position 1.",
        None,
    ),
    (
        lambda: F.gaussian_nll_loss(ones(2), ones(2), -ones(2)),
        CheckError,
        "gaussian_nll_loss takes variances from 0 on, which is not so at position 0.",
        None,
    ),
    (
        lambda: F.binary_cross_entropy(ones(2), ones(2) + 1.0),
        CheckError,
        "binary_cross_entropy takes targets from 0 to 1, which is not so at position 0.",
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
