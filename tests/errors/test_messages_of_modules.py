"""Each message of a module: of its arguments, its members and its calls, in full."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    MissingNameError,
    NameTakenError,
    ShapeError,
    TraceError,
)
from tests.errors.messages import Case, expect_message

MODEL, NUMBERS = nn.Linear(2, 2), np.array([1, 2])

CASES: list[Case] = [
    (
        lambda: lucid.compile(nn.Linear(2, 2).eval().train)(),
        TraceError,
        "Linear.training was set to True while a function is traced; later calls would not set it again.",
        "call train() and eval() outside the compiled function, which is compiled once for each mode.",
    ),
    (
        lambda: optim.Adam(nn.Linear(2, 2)),  # type: ignore[arg-type]
        ArgumentTypeError,
        "Adam takes a list of parameters, got Linear(2, 2).",
        "pass model.parameters().",
    ),
    (
        lambda: lucid.compile(abs).ir,  # type: ignore[attr-defined]
        MissingNameError,
        "a compiled function has no 'ir'.",
        "its programs have: step.lower(...).ir, step.programs[-1].ir",
    ),
    (
        lambda: lucid.compile(abs).nothing,  # type: ignore[attr-defined]
        MissingNameError,
        "a compiled function has no 'nothing'.",
        None,
    ),
    (
        lambda: nn.Linear(2, 2).register_buffer("weight", ones(1)),
        NameTakenError,
        "'weight' names a parameter of Linear, so it can't name a buffer.",
        "choose another name, or delete that first: del module.weight",
    ),
    (
        lambda: nn.Linear(2, 2).add_module("bias", nn.ReLU()),
        NameTakenError,
        "'bias' names a parameter of Linear, so it can't name a module.",
        "choose another name, or delete that first: del module.bias",
    ),
    (
        lambda: nn.Sequential(nn.ReLU()).register_parameter("0", nn.Parameter(ones(1))),
        NameTakenError,
        "'0' names a module of Sequential, so it can't name a parameter.",
        "choose another name, or delete that first: del module.0",
    ),
    (
        lambda: nn.MultiheadAttention(4, 3),
        ArgumentError,
        "MultiheadAttention takes embed_dim in a multiple of num_heads, got 4 and 3.",
        None,
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(ones(2), ones(2), ones(2)),
        ShapeError,
        "MultiheadAttention takes a query of 2 or 3 axes ending in 4, got (2,).",
        None,
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(ones(3, 4), ones(3, 4), ones(3, 4), attn_mask=ones(2, 2)),
        ShapeError,
        "MultiheadAttention takes an attn_mask of shape (3, 3) or (2, 3, 3), got (2, 2).",
        None,
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(ones(3, 4), ones(3, 4), ones(3, 4), key_padding_mask=Tensor([True])),
        ShapeError,
        "MultiheadAttention takes a key_padding_mask of shape (1, 3), got (1,).",
        None,
    ),
    (
        lambda: nn.BatchNorm1d(3)(ones(2, 4)),
        ShapeError,
        "BatchNorm1d takes inputs with 3 channels on axis 1, got shape (2, 4).",
        None,
    ),
    (lambda: nn.BatchNorm1d(3)(ones(4)), ShapeError, "BatchNorm1d takes inputs of 2 or 3 axes, got shape (4,).", None),
    (
        lambda: nn.BatchNorm1d(3)(ones(1, 3)),
        ShapeError,
        "batch_norm needs more than one value a channel in training, got shape (1, 3).",
        None,
    ),
    (
        lambda: nn.Conv2d(1, 1, 3, padding_mode="wrap"),
        ArgumentError,
        "Conv2d takes padding_mode='zeros', 'reflect', 'replicate', 'circular', got 'wrap'.",
        None,
    ),
    (
        lambda: nn.Conv2d(3, 4, 1, groups=2),
        ArgumentError,
        "Conv2d takes groups that divide in_channels and out_channels, got 2, 3 and 4.",
        None,
    ),
    (
        lambda: nn.Embedding(3, 2, _weight=ones(2, 2)),
        ShapeError,
        "Embedding(3, 2) takes a _weight of shape (3, 2), got (2, 2).",
        None,
    ),
    (
        lambda: nn.ConstantPad1d((1, 2, 3), 0.0),
        ArgumentError,
        "ConstantPad1d takes 1 or 2 numbers, got padding=(1, 2, 3).",
        None,
    ),
    (
        lambda: nn.TransformerEncoderLayer(4, 2, activation="silu"),
        ArgumentError,
        'a transformer layer takes activation="relu", "gelu" or a function, got \'silu\'.',
        None,
    ),
    (
        lambda: nn.init.calculate_gain("silu"),
        ArgumentError,
        "calculate_gain knows linear, sigmoid, tanh, relu, leaky_relu, selu, conv1d, conv2d, conv3d, "
        "conv_transpose1d, conv_transpose2d, conv_transpose3d, got 'silu'.",
        None,
    ),
    (
        lambda: nn.init.kaiming_normal_(ones(2, 2), mode="fan"),
        ArgumentError,
        'kaiming initialization takes mode="fan_in" or "fan_out", got \'fan\'.',
        None,
    ),
    (lambda: nn.Linear(-1, 2), ArgumentError, "Linear takes an integer of at least 0 as in_features, got -1.", None),
    (lambda: nn.Linear(2, 2).train("yes"), ArgumentTypeError, "train takes True or False, got 'yes'.", None),
    (lambda: nn.LayerNorm(2, eps=-1.0), ArgumentError, "LayerNorm takes eps of at least 0, got -1.0.", None),
    (
        lambda: nn.GroupNorm(2, 3),
        ArgumentError,
        "GroupNorm takes num_channels in a multiple of num_groups, got 3 and 2.",
        None,
    ),
    (
        lambda: nn.utils.clip_grad_norm_([], 1.0, norm_type=0.0),
        ArgumentError,
        "clip_grad_norm_ takes norm_type above 0, got 0.0.",
        None,
    ),
    (
        lambda: setattr(nn.Module(), "layer", lucid.compile(nn.Linear(2, 2))),
        ArgumentError,
        "Module.layer was set to CompiledModule, which wraps a module.",
        "assign the module itself, and compile the outermost module or the step.",
    ),
    (
        lambda: nn.Module().register_buffer("b", np.ones(2)),
        ArgumentTypeError,
        "register_buffer takes a leaf tensor or None, got ndarray.",
        "make a tensor of it: lucid.Tensor(values).",
    ),
    (
        lambda: nn.Module().register_buffer("b", ones(2).requires_grad_() * 2.0),
        ArgumentError,
        "register_buffer takes a leaf tensor or None, got a computed one.",
        "use .detach().",
    ),
    (
        lambda: setattr(nn.BatchNorm1d(3), "running_mean", ones(2)),
        ArgumentError,
        "the buffer running_mean keeps its type, float32 of shape (3,), got float32 of shape (2,).",
        None,
    ),
    (
        lambda: setattr(nn.BatchNorm1d(3), "running_mean", 1.0),
        ArgumentTypeError,
        "the buffer running_mean takes a tensor or None, got float.",
        None,
    ),
    (
        lambda: nn.Module().register_parameter("p", ones(2)),
        ArgumentTypeError,
        "register_parameter takes a Parameter or None, got Tensor.",
        None,
    ),
    (lambda: nn.Module().add_module("m", 1), ArgumentTypeError, "add_module takes a Module or None, got int.", None),
    (
        lambda: nn.Module().register_buffer("a.b", ones(2)),
        ArgumentError,
        (
            "'a.b' can't name a buffer of Module: names are not empty, have no dot, and are not those of "
            "methods and other attributes of the class."
        ),
        None,
    ),
    (lambda: nn.ModuleList([1]), ArgumentTypeError, "ModuleList holds modules, got int.", None),
    (lambda: nn.Sequential(1), ArgumentTypeError, "Sequential holds modules, got int.", None),  # type: ignore[arg-type]
    (
        lambda: nn.Sequential([nn.ReLU(), nn.Tanh()]),  # type: ignore[arg-type]
        ArgumentTypeError,
        "Sequential takes modules one by one, got list.",
        "write nn.Sequential(*layers).",
    ),
    (
        lambda: nn.ModuleList([nn.ReLU]),  # type: ignore[list-item]
        ArgumentTypeError,
        "ModuleList holds modules, got the class ReLU.",
        "write ReLU(...).",
    ),
    *(
        (
            lambda walk=walk: walk(NUMBERS),
            ArgumentTypeError,
            f"{name} is True or False, got array([1, 2]).",
            None,
        )
        for name, walk in {
            "recurse": lambda flag: MODEL.parameters(flag),
            "remove_duplicate": lambda flag: MODEL.modules(flag),
            "requires_grad": lambda flag: nn.ReLU().requires_grad_(flag),
            "set_to_none": lambda flag: nn.ReLU().zero_grad(flag),
        }.items()
    ),
    *(
        (lambda walk=walk: walk(NUMBERS), ArgumentTypeError, "a prefix of names is a text, got array([1, 2]).", None)
        for walk in (
            lambda prefix: MODEL.named_parameters(prefix),
            lambda prefix: MODEL.named_buffers(prefix),
            lambda prefix: MODEL.named_modules(None, prefix),
            lambda prefix: MODEL.state_dict(prefix=prefix),
        )
    ),
    (
        lambda: MODEL.named_modules([]),  # type: ignore[arg-type]
        ArgumentTypeError,
        "named_modules takes a set of modules as memo, got list.",
        None,
    ),
    (
        lambda: MODEL.state_dict(destination=[]),  # type: ignore[arg-type]
        ArgumentTypeError,
        "state_dict takes a dict as destination, got list.",
        None,
    ),
    (lambda: MODEL.train(NUMBERS), ArgumentTypeError, "train takes True or False, got array([1, 2]).", None),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
