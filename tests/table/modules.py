"""Rows of the modules: each with options that do something, and without masks; those have tests of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.table.row import (
    ALSO_EMPTY,
    FLOATS_ONLY,
    KEEPS_INTEGERS,
    Array,
    Inputs,
    Outcomes,
    Row,
    chances,
    named,
    numbers,
    places,
    plainly,
    positive,
    signs,
)

HOLD_OTHERS = {"Module", "ModuleDict", "ModuleList", "Parameter", "ParameterDict", "ParameterList"}
WITHOUT_ROW = {"DropPath": "PyTorch has none: tests/nn/test_dropout_family.py"}
LINE, PLANE, SPACE = (3, 4, 6), (3, 4, 4, 5), (2, 4, 4, 4, 3)
SHAPES = {1: LINE, 2: PLANE, 3: SPACE}


def module(
    name: str,
    inputs: Inputs,
    *others: Inputs,
    along: Any = 0,
    call: Any = plainly,
    outcomes: Outcomes | None = None,
    **options: Any,
) -> Row:
    """The row of a module with options, whose inputs share the axis that may have any extent."""
    return Row(
        f"nn.{name}",
        named(f"nn.{name}", **options),
        inputs,
        along if isinstance(along, tuple) else (along,) * len(inputs),
        call,
        {f"shape {number}": other for number, other in enumerate(others)},
        outcomes or {},
    )


def of_shapes(name: str, *shapes: tuple[int, ...], **options: Any) -> Row:
    """The row of a module of one input, with shapes of it."""
    first, *others = [(numbers(*shape),) for shape in shapes]
    return module(name, first, *others, **options)


def first(module: Any, *inputs: Any) -> Any:
    """The output of a module without its state."""
    return module(*inputs)[0]


def with_cell(module: Any, x: Any, hidden: Any, cell: Any) -> Any:
    return module(x, (hidden, cell))


def after_log_softmax(loss: Any, x: Any, *targets: Any) -> Any:
    return loss(x - x.logsumexp(-1, keepdim=True), *targets)


ANYWHERE = ((5, 6), (), (1,), (2, 0, 3), (1, 1, 4))
ROWS: list[Row] = [
    *(of_shapes(name, *ANYWHERE) for name in ("CELU", "ELU", "GELU", "SELU", "Hardsigmoid", "Hardswish")),
    *(of_shapes(name, *ANYWHERE) for name in ("Identity", "LeakyReLU", "LogSigmoid", "Mish", "ReLU", "SiLU")),
    *(of_shapes(name, *ANYWHERE, outcomes=KEEPS_INTEGERS) for name in ("Hardtanh", "ReLU6")),
    *(of_shapes(name, *ANYWHERE) for name in ("Hardshrink", "Softshrink")),
    of_shapes("Threshold", *ANYWHERE, threshold=0.1, value=0.7, outcomes=KEEPS_INTEGERS),
    of_shapes("Softmin", (5, 6), (1, 1), (3, 0), dim=1),
    of_shapes("Softmax2d", PLANE, (1, 1, 1)),
    *(of_shapes(name, *ANYWHERE) for name in ("Sigmoid", "Softplus", "Softsign", "Tanh", "Tanhshrink", "PReLU")),
    of_shapes("GLU", (5, 6), (1, 2), (0, 4), (3, 0)),
    of_shapes("Softmax", (5, 6), (1, 1), (3, 0), (2, 1, 2), dim=1),
    of_shapes("LogSoftmax", (5, 6), (1, 1), (3, 0), (2, 1, 2), dim=1),
    of_shapes("Flatten", (5, 2, 3), (1, 1, 1), (2, 0, 3)),
    of_shapes("Unflatten", (5, 6), (1, 6), dim=1, unflattened_size=(2, 3)),
    *(of_shapes(name, *ANYWHERE, p=0.0, outcomes=FLOATS_ONLY) for name in ("Dropout", "AlphaDropout")),
    *(
        of_shapes(f"Dropout{n}d", (2, 3, 4, 2, 3)[: n + 2], (1,) * (n + 1), p=0.0, outcomes=FLOATS_ONLY)
        for n in (1, 2, 3)
    ),
    of_shapes("Linear", (5, 6), (6,), (1, 1, 6), (2, 0, 6), in_features=6, out_features=3),
    module(
        *("Bilinear", (numbers(5, 3), numbers(5, 4, seed=1))),
        *((numbers(3), numbers(4)), (numbers(1, 2, 3), numbers(1, 2, 4))),
        in1_features=3,
        in2_features=4,
        out_features=2,
    ),
    module(
        *("Embedding", (places(7, 5, 2),), (places(7),), (places(7, 0, 2),)),
        num_embeddings=7,
        embedding_dim=3,
        padding_idx=2,
    ),
    of_shapes("LayerNorm", (5, 6), (6,), (1, 1, 6), (2, 0, 6), normalized_shape=6),
    of_shapes("RMSNorm", (5, 6), (6,), (1, 1, 6), (2, 0, 6), normalized_shape=6),
    of_shapes("GroupNorm", (3, 4, 5), (2, 4), (1, 4, 1, 1), num_groups=2, num_channels=4),
    of_shapes("BatchNorm1d", (5, 4), LINE, (2, 4, 1), num_features=4, outcomes={"one": "refused"}),
    of_shapes("BatchNorm2d", PLANE, (2, 4, 1, 1), num_features=4),
    of_shapes("BatchNorm3d", SPACE, (2, 4, 1, 1, 1), num_features=4),
    module(
        "MultiheadAttention",
        (numbers(4, 3, 6), numbers(5, 3, 6, seed=1), numbers(5, 3, 6, seed=2)),
        (numbers(1, 6), numbers(1, 6, seed=1), numbers(1, 6, seed=2)),
        along=1,
        embed_dim=6,
        num_heads=2,
    ),
    of_shapes(
        *("TransformerEncoderLayer", (4, 3, 6), (1, 6), (1, 1, 6)),
        along=1,
        d_model=6,
        nhead=2,
        dim_feedforward=8,
        dropout=0.0,
    ),
    module(
        *("TransformerDecoderLayer", (numbers(4, 3, 6), numbers(5, 3, 6, seed=1)), (numbers(1, 6), numbers(2, 6))),
        along=1,
        d_model=6,
        nhead=2,
        dim_feedforward=8,
        dropout=0.0,
    ),
    *(
        of_shapes(name, (5, 3, 4), (5, 4), (1, 1, 4), along=1, input_size=4, hidden_size=2)
        for name in ("RNN", "LSTM", "GRU")
    ),
    *(
        module(
            *(name, (numbers(3, 4), numbers(3, 2, seed=1)), (numbers(4), numbers(2)), (numbers(1, 4), numbers(1, 2))),
            input_size=4,
            hidden_size=2,
        )
        for name in ("RNNCell", "GRUCell")
    ),
    module(
        *("LSTMCell", (numbers(3, 4), numbers(3, 2, seed=1), numbers(3, 2, seed=2))),
        (numbers(4), numbers(2), numbers(2, seed=1)),
        call=with_cell,
        input_size=4,
        hidden_size=2,
    ),
    of_shapes("Fold", (3, 4, 9), (4, 9), (1, 4, 9), output_size=(4, 4), kernel_size=2),
    of_shapes("Unfold", PLANE, (1, 1, 2, 3), (2, 3, 4), kernel_size=(2, 3), padding=1),
    of_shapes("Upsample", PLANE, (1, 1, 1), (2, 1, 1, 1), scale_factor=2),
    of_shapes("UpsamplingNearest2d", PLANE, (1, 1, 1, 1), scale_factor=2),
    of_shapes("UpsamplingBilinear2d", PLANE, (1, 1, 1, 1), scale_factor=2),
    of_shapes("PixelShuffle", PLANE, (4, 1, 1), upscale_factor=2, outcomes=ALSO_EMPTY),
    of_shapes("PixelUnshuffle", (3, 2, 4, 6), (1, 2, 2), downscale_factor=2, outcomes=ALSO_EMPTY),
]
for _n, _shape in SHAPES.items():
    _one, _unbatched = (1, 4, *(1,) * _n), _shape[1:]
    ROWS += [
        of_shapes(f"Conv{_n}d", _shape, _one, _unbatched, in_channels=4, out_channels=6, kernel_size=3, padding=1),
        of_shapes(
            *(f"ConvTranspose{_n}d", _shape, _one, _unbatched),
            in_channels=4,
            out_channels=2,
            kernel_size=2,
            stride=2,
            groups=2,
        ),
        *(of_shapes(f"{kind}Pad{_n}d", _shape, _unbatched, padding=1) for kind in ("Circular", "Reflection")),
        *(of_shapes(f"{kind}Pad{_n}d", _shape, _one, _unbatched, padding=1) for kind in ("Replication", "Zero")),
        of_shapes(f"ConstantPad{_n}d", _shape, _one, _unbatched, padding=2, value=0.5),
        of_shapes(f"InstanceNorm{_n}d", _shape, _unbatched, num_features=4, affine=True, outcomes=ALSO_EMPTY),
        of_shapes(f"MaxPool{_n}d", _shape, (1, 1, *(2,) * _n), _unbatched, kernel_size=2),
        of_shapes(
            *(f"AvgPool{_n}d", _shape, (1, 1, *(2,) * _n), _unbatched),
            kernel_size=2,
            padding=1,
            outcomes=KEEPS_INTEGERS,
        ),
        of_shapes(f"AdaptiveAvgPool{_n}d", _shape, _one, _unbatched, output_size=2),
        of_shapes(f"AdaptiveMaxPool{_n}d", _shape, _one, _unbatched, output_size=2),
    ]


def stack(kind: str) -> Callable[[Any], Any]:
    """A transformer of two layers."""

    def make(library: Any) -> Any:
        layer = getattr(library.nn, f"Transformer{kind}Layer")(4, 2, 6, dropout=0.0)
        more = {"enable_nested_tensor": False} if library.__name__ == "torch" and kind == "Encoder" else {}
        return getattr(library.nn, f"Transformer{kind}")(layer, 2, library.nn.LayerNorm(4), **more)

    return make


def sequential(library: Any) -> Any:
    return library.nn.Sequential(library.nn.Linear(6, 4), library.nn.Tanh(), library.nn.LayerNorm(4))


ROWS += [
    Row("nn.TransformerEncoder", stack("Encoder"), (numbers(3, 2, 4),), (1,)),
    Row("nn.TransformerDecoder", stack("Decoder"), (numbers(3, 2, 4), numbers(2, 2, 4, seed=1)), (1, 1)),
    Row("nn.Sequential", sequential, (numbers(5, 6),), (0,), others={"shape 0": (numbers(6),)}),
]


def taken_places(shape: tuple[int, ...]) -> Array:
    """Positions in channels of twice the extents, each at most once: what a max pool without overlaps gives."""
    count, extents = int(np.prod(shape[2:])), np.random.default_rng(0).uniform(size=(*shape[:2], *shape[2:]))
    many = np.random.default_rng(1).uniform(size=(*shape[:2], count << len(shape[2:])))
    return np.argsort(many, -1)[..., :count].reshape(extents.shape)


def contiguously(module: Any, *inputs: Any) -> Any:
    """A call with inputs that are not views, for PyTorch refuses some of them."""
    return module(*(x.contiguous() if is_of_pytorch(module) else x for x in inputs))


def with_samples_of_its_dtype(module: Any, x: Any) -> Any:
    """A call of a pool of random windows, whose numbers PyTorch wants to have the dtype of the input."""
    if is_of_pytorch(module) and x.is_floating_point():
        module._random_samples = module._random_samples.to(x.dtype)
    return module(x)


def is_of_pytorch(module: Any) -> bool:
    return type(module).__module__.startswith("torch")


def of_fractions(axes: int, shape: tuple[int, ...]) -> Row:
    """A pool of random windows, with numbers for them that both libraries are given."""

    def make(library: Any) -> Any:
        samples = np.random.default_rng(0).uniform(size=(*shape[:2], axes)).astype("float32")
        tensor = library.Tensor if library.__name__ == "lucid" else library.tensor
        return getattr(library.nn, f"FractionalMaxPool{axes}d")(2, (3, 2, 2)[:axes], _random_samples=tensor(samples))

    return Row(f"nn.FractionalMaxPool{axes}d", make, (numbers(*shape),), (None,), with_samples_of_its_dtype)


ROWS += [
    *(
        module(f"MaxUnpool{n}d", (numbers(*shape), taken_places(shape)), call=contiguously, kernel_size=2)
        for n, shape in SHAPES.items()
    ),
    of_fractions(2, (3, 2, 6, 5)),
    of_fractions(3, (2, 2, 6, 5, 4)),
    module(
        *("EmbeddingBag", (places(7, 5, 2),), (places(7, 6), np.array([0, 2, 2, 5])), (places(7, 0), np.array([0]))),
        num_embeddings=7,
        embedding_dim=3,
        padding_idx=2,
    ),
    of_shapes("RReLU", *ANYWHERE, lower=0.3, upper=0.3),
    of_shapes("FeatureAlphaDropout", (2, 3, 4), (1, 1, 1), p=0.0, outcomes=FLOATS_ONLY),
    of_shapes("ChannelShuffle", PLANE, (1, 4, 1), groups=2),
    of_shapes("LocalResponseNorm", PLANE, (1, 4, 1), size=3, alpha=0.5, outcomes=KEEPS_INTEGERS),
    *(module(f"LPPool{n}d", (positive(*shape),), norm_type=2, kernel_size=2) for n, shape in SHAPES.items()),
    Row(
        "nn.Transformer",
        named("nn.Transformer", 4, 2, 1, 1, 6, dropout=0.0, batch_first=True),
        (numbers(2, 3, 4), numbers(2, 2, 4, seed=1)),
        (0, 0),
    ),
]

PAIR = numbers(5, 3), numbers(5, 3, seed=1)
LONE = numbers(3), numbers(3, seed=1)
ROWS += [
    *(module(name, PAIR, LONE) for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss")),
    module("BCELoss", (chances(5, 3), chances(5, 3, seed=1)), (chances(3), chances(3, seed=1))),
    module(
        *("BCEWithLogitsLoss", (PAIR[0], chances(5, 3)), (LONE[0], chances(3))),
        outcomes={"wide 0": "promoted"},  # PyTorch rounds to the dtype of the target
    ),
    module(
        "CrossEntropyLoss", (numbers(5, 3), places(3, 5)), (numbers(3), places(3)), (numbers(1, 3, 1), places(3, 1, 1))
    ),
    module("NLLLoss", (numbers(5, 3), places(3, 5)), (numbers(3), places(3)), call=after_log_softmax),
    module("KLDivLoss", (numbers(5, 3), chances(5, 3)), call=after_log_softmax, reduction="batchmean"),
    module("PoissonNLLLoss", (PAIR[0], positive(5, 3)), (LONE[0], positive(3))),
    module("GaussianNLLLoss", (*PAIR, positive(5, 3)), (*LONE, positive(3))),
    module("CosineEmbeddingLoss", (*PAIR, signs(5)), (*LONE, signs())),
    module("TripletMarginLoss", (*PAIR, numbers(5, 3, seed=2)), (*LONE, numbers(3, seed=2))),
    module("MarginRankingLoss", (*PAIR, signs(5, 3) * 1.0), (*LONE, signs(3) * 1.0)),
    module("HingeEmbeddingLoss", (PAIR[0], signs(5, 3)), (LONE[0], signs(3))),
    module("SoftMarginLoss", (PAIR[0], signs(5, 3)), (LONE[0], signs(3))),
    *(module(name, PAIR) for name in ("CosineSimilarity", "PairwiseDistance")),
    module("TripletMarginWithDistanceLoss", (*PAIR, numbers(5, 3, seed=2))),
    module("MultiLabelSoftMarginLoss", (PAIR[0], signs(5, 3) * 0.5 + 0.5)),
    module("MultiMarginLoss", (numbers(5, 3), places(3, 5)), along=None),
    module("MultiLabelMarginLoss", (numbers(5, 3), np.array([[0, -1, 1]] * 4 + [[2, 1, -1]])), along=None),
    module(
        *("CTCLoss", (numbers(6, 3, 5), places(4, 3, 2) + 1, np.array([6, 5, 6]), np.array([2, 1, 2]))),
        along=(1, 0, 0, 0),
        call=after_log_softmax,
        outcomes={"none": "refused"},
    ),
    module(
        "LinearCrossEntropyLoss", (numbers(5, 4), places(3, 5)), (numbers(4), places(3)), in_features=4, num_classes=3
    ),
    module(
        *("AdaptiveLogSoftmaxWithLoss", (numbers(4, 8), np.array([0, 4, 9, 1]))),  # some of each cluster
        along=None,
        in_features=8,
        n_classes=10,
        cutoffs=[3, 6],
        div_value=2.0,
    ),
]
