"""Each message of a layer or a loss, in full."""

from __future__ import annotations

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor, ones
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    MissingNameError,
    NameTakenError,
    ShapeError,
    TraceError,
)
from tests.errors.messages import Case, expect_message

CASES: list[Case] = [
    (lambda: F.linear(ones(2), ones(2)), ShapeError, "a linear layer has a weight of shape (out, in), got (2,).", None),
    (
        lambda: F.linear(ones(2), ones(3, 4)),
        ShapeError,
        "a linear layer with a weight of shape (3, 4) takes inputs of shape (..., 4), got (2,).",
        None,
    ),
    (
        lambda: F.bilinear(ones(2), ones(2), ones(2)),
        ShapeError,
        "a bilinear layer has a weight of shape (out, in1, in2), got (2,).",
        None,
    ),
    (
        lambda: F.prelu(ones(2, 3), ones(2)),
        ShapeError,
        "prelu of shape (2, 3) takes a weight of shape (1,) or (3,), got (2,).",
        None,
    ),
    (lambda: F.celu(ones(2), 0.0), ArgumentError, "celu takes a number other than 0 as alpha, got 0.0.", None),
    (
        lambda: F.hardtanh(ones(2), 1.0, 0.0),
        ArgumentError,
        "hardtanh takes min_val below max_val, got 1.0 and 0.0.",
        None,
    ),
    (lambda: F.gelu(ones(2), "erf"), ArgumentError, 'gelu takes approximate="none" or "tanh", got \'erf\'.', None),
    (lambda: F.glu(ones(3)), ShapeError, "glu halves axis -1 of its input, got shape (3,).", None),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([0, 1]), weight=ones(2)),
        ShapeError,
        "the weight of 3 classes has shape (3,), got (2,).",
        None,
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([0, 1]), label_smoothing=2.0),
        ArgumentError,
        "cross_entropy takes label_smoothing from 0 to 1, got 2.0.",
        None,
    ),
    (
        lambda: F.cross_entropy(1.0, 1),
        ShapeError,
        "a classification loss takes an input of shape (N, C, ...) or (C,), got shape ().",
        None,
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([0, 1, 2])),
        ShapeError,
        "scores of shape (2, 3) take integer targets of shape (2,), got int64 of shape (3,).",
        None,
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.array([[0], [1]])),
        ShapeError,
        "scores of shape (2, 3) take integer targets of shape (2,), got int64 of shape (2, 1).",
        "drop the axis of extent 1: targets.squeeze(1)",
    ),
    (
        lambda: F.cross_entropy(ones(2, 3), np.eye(3, dtype=int)[:2]),
        ShapeError,
        "scores of shape (2, 3) take integer targets of shape (2,), got int64 of shape (2, 3).",
        'of one-hot targets, these are targets.argmax(1); probabilities are targets.astype("float32").',
    ),
    (
        lambda: F.cross_entropy(np.array([0, 1]), ones(2, 3)),
        DTypeError,
        "cross_entropy takes logits that are floats, got int64 of shape (2,) for float32 of shape (2, 3).",
        "the logits come first: cross_entropy(logits, classes).",
    ),
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
        lambda: F.cross_entropy(ones(2, 3), np.array([True, False])),
        DTypeError,
        "a classification loss takes integer targets, got bool.",
        'classes are integers: targets.astype("int64")',
    ),
    (
        lambda: F.mse_loss(ones(2), ones(2), "total"),
        ArgumentError,
        'a loss takes reduction="mean", "sum" or "none", got \'total\'.',
        None,
    ),
    (
        lambda: F.huber_loss(ones(2), ones(2), delta=-1.0),
        ArgumentError,
        "huber_loss takes delta above 0, got -1.0.",
        None,
    ),
    (
        lambda: F.kl_div(1.0, 1.0, "batchmean"),
        ShapeError,
        'kl_div with reduction="batchmean" takes inputs with axes, got shape ().',
        None,
    ),
    (lambda: F.normalize(ones(2), p=0.0), ArgumentError, "a norm takes p above 0, got 0.0.", None),
    (
        lambda: F.layer_norm(ones(2, 3), 2),
        ShapeError,
        "layer_norm over (2,) takes inputs whose shape ends so, got (2, 3).",
        None,
    ),
    (
        lambda: F.group_norm(ones(2, 3), 2),
        ShapeError,
        "group_norm of 2 groups takes inputs of shape (N, C, ...) whose C they divide, got (2, 3).",
        None,
    ),
    (
        lambda: F.pad(ones(2), (1, 1), "wrap"),
        ArgumentError,
        "pad takes mode='constant', 'reflect', 'replicate', 'circular', got 'wrap'.",
        None,
    ),
    (
        lambda: F.pad(ones(2), (1,)),
        ShapeError,
        "pad takes two numbers for each of the last axes, got (1,) for shape (2,).",
        None,
    ),
    (
        lambda: F.pad(ones(2), (3, 3), "reflect"),
        ShapeError,
        "reflect padding of axis 0 of shape (2,) adds at most 1, got 3 and 3.",
        None,
    ),
    (lambda: F.pad(ones(2), (-3, 0)), ShapeError, "pad crops 3 elements of axis 0 of shape (2,).", None),
    (
        lambda: F.interpolate(ones(1, 1, 2), 4, mode="cubic"),
        ArgumentError,
        'interpolate along 1 axes takes mode="nearest", "nearest-exact", "area", "linear", got \'cubic\'.',
        None,
    ),
    (lambda: F.interpolate(ones(1, 1, 2)), ArgumentError, "interpolate takes either size or scale_factor.", None),
    (
        lambda: F.interpolate(ones(1, 1, 2), 0),
        ArgumentError,
        "interpolate gives at least one element along each axis, got [0] from (2,).",
        None,
    ),
    (
        lambda: F.interpolate(ones(1, 1, 2), 3, align_corners=False),
        ArgumentError,
        "interpolate takes align_corners where it interpolates, got mode='nearest'.",
        None,
    ),
    (
        lambda: F.interpolate(ones(1, 1, 2), 1, mode="linear", antialias=True),
        ArgumentError,
        'interpolate takes antialias with mode="bilinear" or "bicubic", got mode=\'linear\'.',
        None,
    ),
    (
        lambda: F.affine_grid(ones(1, 2, 3), (1, 1, 2, 2, 2)),
        ShapeError,
        "affine_grid takes theta (N, 2, 3) for a size (N, C, H, W), or (N, 3, 4) for (N, C, D, H, W), "
        "got (1, 2, 3) and (1, 1, 2, 2, 2).",
        None,
    ),
    (
        lambda: F.affine_grid(np.ones((1, 2, 3), np.int64), (1, 1, 2, 2)),
        DTypeError,
        "affine_grid takes floats, got int64.",
        None,
    ),
    (
        lambda: F.grid_sample(ones(1, 1, 2, 2), ones(1, 2, 2, 3)),
        ShapeError,
        "grid_sample takes an input (N, C, H, W) and a grid (N, H, W, 2), or with D and 3 coordinates, "
        "got (1, 1, 2, 2) and (1, 2, 2, 3).",
        None,
    ),
    (
        lambda: F.grid_sample(ones(1, 1, 0, 2), ones(1, 2, 2, 2)),
        ShapeError,
        "grid_sample takes an input with positions, got (1, 1, 0, 2).",
        None,
    ),
    (
        lambda: F.grid_sample(ones(1, 1, 2, 2, 2), ones(1, 2, 2, 2, 3), "bicubic"),
        ArgumentError,
        "grid_sample takes mode='bilinear', 'nearest', got 'bicubic'.",
        None,
    ),
    (
        lambda: F.grid_sample(ones(1, 1, 2, 2), ones(1, 2, 2, 2), padding_mode="wrap"),
        ArgumentError,
        "grid_sample takes padding_mode='zeros', 'border', 'reflection', got 'wrap'.",
        None,
    ),
    (
        lambda: F.grid_sample(np.ones((1, 1, 2, 2), np.int64), ones(1, 2, 2, 2)),
        DTypeError,
        "grid_sample takes floats, got int64 and float32.",
        None,
    ),
    (
        lambda: F.pixel_shuffle(ones(1, 3, 2, 2), 2),
        ShapeError,
        "pixel_shuffle takes channels on axis -3 that 4 divides, got shape (1, 3, 2, 2).",
        None,
    ),
    (
        lambda: F.pixel_unshuffle(ones(1, 3, 2, 3), 2),
        ShapeError,
        "pixel_unshuffle takes rows and columns that 2 divides, got shape (1, 3, 2, 3).",
        None,
    ),
    (
        lambda: F.unfold(ones(1, 3, 2, 3), 3),
        ShapeError,
        "unfold with windows of (3, 3) does not fit into (2, 3) elements.",
        None,
    ),
    (
        lambda: F.fold(ones(1, 7, 4), 3, 2),
        ShapeError,
        "fold takes columns of a multiple of 4 taps at 4 positions, got shape (1, 7, 4).",
        None,
    ),
    (
        lambda: F.interpolate(ones(1, 1, 2), (4, 4)),
        ArgumentError,
        "interpolate takes a value for each of 1 axes, got (4, 4).",
        None,
    ),
    (
        lambda: F.dropout2d(ones(2)),
        ShapeError,
        "dropout2d takes inputs of 4 axes, (N, C, ...), or of 3, (C, ...), got shape (2,).",
        None,
    ),
    (
        lambda: F.dropout(ones(2), 1.5),
        ArgumentError,
        "dropout takes a probability p from 0 to 1, got p=1.5.",
        "p=0.015 drops 1.5 in a hundred.",
    ),
    (
        lambda: F.dropout(Tensor([1, 2])),
        DTypeError,
        "dropout takes floats, got int64.",
        'cast the input: x.astype("float32")',
    ),
    (lambda: F.drop_path(1.0, 0.5, True), ShapeError, "drop_path takes inputs of shape (N, ...), got shape ().", None),
    (lambda: F.conv2d(ones(1, 1, 4, 4), 1.0), ShapeError, "conv2d takes a weight of 4 axes, got shape ().", None),
    (
        lambda: F.conv1d(ones(1, 1, 4), ones(1, 1, 2), padding="full"),
        ArgumentError,
        'conv1d takes padding="same", "valid" or integers, got \'full\'.',
        None,
    ),
    (
        lambda: F.conv1d(ones(1, 1, 4), ones(1, 1, 2), stride=2, padding="same"),
        ArgumentError,
        'conv1d takes padding="same" with a stride of 1, got (2,).',
        None,
    ),
    (
        lambda: F.conv1d(ones(1, 1, 4), ones(1, 1, 5)),
        ShapeError,
        (
            "a kernel that spans 5 elements does not fit into axis 2 of shape (1, 1, 4) with 0 and 0 elements"
            " of padding."
        ),
        None,
    ),
    (
        lambda: F.conv1d(ones(1, 1, 4), ones(1, 1, 2), bias=ones(2)),
        ShapeError,
        "conv1d with 1 output channels takes a bias of shape (1,), got (2,).",
        None,
    ),
    (
        lambda: F.conv1d(ones(1, 2, 4), ones(1, 1, 2)),
        ShapeError,
        (
            "a convolution with a weight of shape (1, 1, 2) and groups=1 takes inputs of 1 channels on axis "
            "1, got (1, 2, 4)."
        ),
        None,
    ),
    (
        lambda: F.conv2d(ones(2, 8, 8, 3), ones(4, 3, 3, 3)),
        ShapeError,
        (
            "a convolution with a weight of shape (4, 3, 3, 3) and groups=1 takes inputs of 3 channels on axis "
            "1, got (2, 8, 8, 3)."
        ),
        "channels come first: x.permute(0, 3, 1, 2)",
    ),
    (
        lambda: F.conv1d(ones(4), ones(1, 1, 2)),
        ShapeError,
        "conv1d takes inputs of 3 axes, or 2 without a batch, got (4,).",
        None,
    ),
    (
        lambda: F.conv_transpose1d(ones(1, 1, 4), ones(1, 1, 2), output_padding=2),
        ArgumentError,
        ("conv_transpose1d takes output_padding below stride or dilation, got (2,), stride (1,) and dilation (1,)."),
        None,
    ),
    (
        lambda: F.conv_transpose1d(ones(1, 1, 1), ones(1, 1, 1), padding=1),
        ShapeError,
        "a transposed convolution of shape (1, 1, 1) has extents (-1,): none is left.",
        None,
    ),
    (
        lambda: F.embedding(ones(2), ones(3, 2)),
        DTypeError,
        "embedding takes integers, got float32.",
        'cast them: x.astype("int64")',
    ),
    (
        lambda: F.embedding(np.array([1]), ones(3, 2), sparse=True),
        ArgumentError,
        "embedding takes sparse=False only.",
        "gradients have the shape of the table, with 0 in rows not read.",
    ),
    (
        lambda: F.one_hot(np.zeros(0, np.int64)),
        ArgumentError,
        "one_hot takes its number of classes from the data, got none.",
        "give num_classes.",
    ),
    (
        lambda: lucid.compile(F.one_hot)(np.array([1])),
        TraceError,
        "one_hot takes its number of classes from the data, which is only known when the compiled step runs.",
        "give num_classes.",
    ),
    (
        lambda: F.one_hot(np.array([1]), 0),
        ArgumentError,
        "one_hot takes the number of classes, from 1 on, got num_classes=0.",
        None,
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
    (lambda: nn.Sequential(1), ArgumentTypeError, "Sequential holds modules, got int.", None),
    (
        lambda: F.max_pool1d(ones(2), 2),
        ShapeError,
        "max_pool1d takes inputs of 3 axes, or 2 without a batch, got (2,).",
        None,
    ),
    (
        lambda: F.adaptive_avg_pool1d(ones(1, 1, 4), (2, 2)),
        ArgumentError,
        "adaptive_avg_pool1d takes a length, or 1 of them, as output_size, got (2, 2).",
        None,
    ),
    (
        lambda: F.adaptive_avg_pool1d(ones(1, 1, 4), 2**30),
        ArgumentError,
        "adaptive_avg_pool1d takes an output_size up to 65536, got 1073741824.",
        None,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[str(n) for n in range(len(CASES))])
def test_message(case: Case) -> None:
    expect_message(case)
