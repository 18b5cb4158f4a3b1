"""Wrong ranks, shapes, dtypes and arguments of layers and losses: errors that say what was expected and what came."""

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor
from lucid.errors import ArgumentError, ArgumentTypeError, CheckError, DTypeError, LucidError, ShapeError


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


CASES = [
    (lambda: nn.Embedding(-1, 3), ArgumentError, "Embedding takes an integer of at least 0 as num_embeddings"),
    (lambda: nn.Embedding(4, 3, padding_idx=4), ArgumentError, "Embedding takes a padding_idx from -4 to 3, got 4"),
    (lambda: nn.Embedding(4, 3, sparse=True), ArgumentError, "Embedding takes sparse=False only"),
    (lambda: nn.Embedding(4, 3, _weight=zeros(4, 2)), ShapeError, r"_weight of shape \(4, 3\), got \(4, 2\)"),
    (lambda: nn.Embedding.from_pretrained(zeros(4)), ShapeError, r"table of shape \(num, dim\), got \(4,\)"),
    (lambda: nn.Embedding(4, 3)(zeros(2)), DTypeError, "embedding takes integers, got float32"),
    (lambda: nn.Embedding(4, 3)(np.array([[0, 3], [4, 1]])), CheckError, "index 4 at position 2 is out of range: exp"),
    (lambda: nn.Embedding(4, 3)(np.array(-1)), CheckError, "index -1 is out of range: expected 0 to 3"),
    (lambda: F.embedding(np.array([0]), Tensor(zeros(4))), ShapeError, r"weight of shape \(num, dim\), got \(4,\)"),
    (lambda: F.one_hot(np.array([0]), -2), ArgumentError, "number of classes, from 1 on, got num_classes=-2"),
    (lambda: F.one_hot(zeros(2), 3), DTypeError, "one_hot takes integers, got float32"),
    (lambda: F.one_hot(np.array([0, 3]), 3), CheckError, "class 3 at position 1 is out of range: expected 0 to 2"),
    (lambda: nn.PReLU(0), ArgumentError, "positive integer as num_parameters"),
    (lambda: nn.PReLU(3)(zeros(2, 4)), ShapeError, r"shape \(1,\) or \(4,\), got \(3,\)"),
    (lambda: nn.GLU()(zeros(2, 3)), ShapeError, "glu halves axis -1"),
    (lambda: nn.CELU(0.0)(zeros(2)), ArgumentError, "takes a number other than 0 as alpha, got 0.0"),
    (lambda: nn.Hardtanh(1.0, 0.0)(zeros(2)), ArgumentError, "min_val below max_val"),
    (lambda: nn.Bilinear(2, 3, -1), ArgumentError, "integer of at least 0 as out_features"),
    (lambda: nn.Bilinear(2, 3, 4)(zeros(5, 2), zeros(6, 3)), ShapeError, r"\(..., 2\) and \(..., 3\)"),
    (lambda: nn.Bilinear(2, 3, 4)(zeros(5, 2).astype("float64"), zeros(5, 3)), DTypeError, "takes float32 inputs"),
    (lambda: nn.Unflatten(1, (2, 3))(zeros(2, 5)), ShapeError, r"does not split into \(2, 3\)"),
    (lambda: nn.Unflatten(1, (-1, 3))(zeros(2, 5)), ShapeError, r"does not split into \(-1, 3\)"),
    (lambda: nn.Unflatten(1, (-1, -5))(zeros(2, 5)), ShapeError, "does not split"),
    (lambda: nn.Conv2d(0, 2, 3), ArgumentError, "Conv2d takes a positive integer as in_channels, got 0"),
    (lambda: nn.Conv2d(4, 6, 3, groups=3), ArgumentError, "groups that divide in_channels and out_channels, got 3, 4"),
    (lambda: nn.Conv2d(4, 6, (3,)), ArgumentError, r"2 integers of at least 1 as kernel_size, got \(3,\)"),
    (lambda: nn.Conv1d(4, 6, 3, stride=0), ArgumentError, "an integer of at least 1 as stride, got 0"),
    (lambda: nn.Conv1d(4, 6, 3, padding=-1), ArgumentError, "an integer of at least 0 as padding, got -1"),
    (lambda: nn.Conv1d(4, 6, 3, padding="full"), ArgumentError, 'padding="same", "valid" or integers, got \'full\''),
    (lambda: nn.Conv1d(4, 6, 3, 2, padding="same"), ArgumentError, r'"same" with a stride of 1, got \(2,\)'),
    (lambda: nn.Conv1d(4, 6, 3, padding_mode="edge"), ArgumentError, "padding_mode='zeros', .*, got 'edge'"),
    (lambda: nn.Conv2d(3, 6, 3)(zeros(5, 5)), ShapeError, r"conv2d takes inputs of 4 axes, or 3 without a batch"),
    (lambda: nn.Conv2d(3, 6, 3)(zeros(2, 4, 5, 5)), ShapeError, r"inputs of 3 channels on axis 1, got \(2, 4, 5, 5\)"),
    (
        lambda: nn.Conv2d(3, 6, 3, dilation=2)(zeros(2, 3, 5, 4)),
        ShapeError,
        "spans 5 elements does not fit into axis 3",
    ),
    (
        lambda: nn.Conv2d(3, 6, 3)(zeros(2, 3, 5, 5).astype("float64")),
        DTypeError,
        "of that dtype, a float, got float64",
    ),
    (lambda: F.conv1d(zeros(1, 2, 5), Tensor(zeros(4, 2))), ShapeError, "inputs and weights of 3 axes"),
    (lambda: F.conv1d(zeros(1, 2, 5), Tensor(zeros(3, 1, 2)), groups=2), ShapeError, "weight whose axis 0 they divide"),
    (lambda: F.conv1d(zeros(1, 2, 5), Tensor(zeros(4, 2, 2)), Tensor(zeros(3))), ShapeError, r"bias of shape \(4,\)"),
    (lambda: nn.ConvTranspose1d(2, 3, 2, output_padding=1)(zeros(1, 2, 5)), ArgumentError, "below stride or dilation"),
    (lambda: nn.ConvTranspose1d(2, 3, 2, padding=4)(zeros(1, 2, 5)), ShapeError, r"extents \(-2,\): none is left"),
    (lambda: nn.MaxPool2d((2, 0))(zeros(1, 1, 4, 4)), ArgumentError, r"at least 1 as kernel_size, got \(2, 0\)"),
    (lambda: nn.MaxPool2d(2, padding=2)(zeros(1, 1, 4, 4)), ArgumentError, "at most half the kernel, got .2, 2. for"),
    (lambda: nn.MaxPool2d(5)(zeros(1, 1, 4, 4)), ShapeError, r"windows of \(5, 5\) does not fit into .*\(1, 1, 4, 4\)"),
    (lambda: nn.AvgPool2d(2)(zeros(4, 4)), ShapeError, "avg_pool2d takes inputs of 4 axes, or 3 without a batch"),
    (lambda: nn.AvgPool2d(2, divisor_override=0)(zeros(1, 4, 4)), ArgumentError, "as divisor_override, got 0"),
    (lambda: nn.AdaptiveAvgPool2d((2, 2, 2))(zeros(1, 4, 4)), ArgumentError, "a length, or 2 of them, as output_size"),
    (lambda: nn.AdaptiveMaxPool1d(0)(zeros(1, 4)), ArgumentError, "at least 1 as output_size, got 0"),
    (lambda: nn.AdaptiveMaxPool1d(1)(zeros(1, 1, 0)), ShapeError, r"inputs with positions, got \(1, 1, 0\)"),
    (lambda: nn.GroupNorm(3, 4), ArgumentError, "multiple of num_groups, got 4 and 3"),
    (lambda: nn.GroupNorm(2, 4)(zeros(2, 5)), ShapeError, "whose C they divide"),
    (lambda: nn.GroupNorm(2, 4)(zeros(2, 6)), ShapeError, r"values of shape \(6,\), got \(4,\)"),
    (lambda: nn.RMSNorm(4)(zeros(2, 3)), ShapeError, r"rms_norm over \(4,\)"),
    (lambda: nn.RMSNorm(4, eps=-1.0), ArgumentError, "RMSNorm takes eps of at least 0"),
    (lambda: nn.BatchNorm1d(0), ArgumentError, "BatchNorm1d takes a positive integer as num_features"),
    (lambda: nn.BatchNorm1d(3, momentum=1.5), ArgumentError, "momentum from 0 to 1, or None, got 1.5"),
    (lambda: nn.BatchNorm1d(3)(zeros(2, 3, 4, 5)), ShapeError, "BatchNorm1d takes inputs of 2 or 3 axes"),
    (lambda: nn.BatchNorm2d(3)(zeros(2, 4, 5, 5)), ShapeError, "3 channels on axis 1"),
    (lambda: nn.BatchNorm1d(3)(zeros(1, 3)), ShapeError, "more than one value a channel in training"),
    (lambda: F.batch_norm(zeros(2, 3), None, None), ArgumentError, "takes running_mean and running_var in evaluation"),
    (lambda: nn.InstanceNorm1d(3)(zeros(2, 3, 1)), ShapeError, "more than one position"),
    (lambda: nn.InstanceNorm2d(3)(zeros(2, 3)), ShapeError, "3 or 4 axes"),
    (lambda: nn.ZeroPad2d((1, 2)), ArgumentError, "takes 1 or 4 numbers"),
    (lambda: nn.ReflectionPad2d(1)(zeros(2, 3)), ShapeError, "3 or 4 axes"),
    (lambda: nn.ReflectionPad1d(4)(zeros(1, 2, 4)), ShapeError, "adds at most 3, got 4 and 4"),
    (lambda: nn.CircularPad1d(5)(zeros(1, 2, 4)), ShapeError, "adds at most 4"),
    (lambda: nn.ReplicationPad1d(1)(zeros(1, 2, 0)), ShapeError, "adds at most 0"),
    (lambda: F.pad(zeros(2, 3), (-2, -2)), ShapeError, "crops 4 elements of axis 1"),
    (lambda: F.pad(zeros(2, 3), (1, 1), mode="mirror"), ArgumentError, "got 'mirror'"),
    (lambda: F.pad(zeros(2), (1, 1, 1, 1)), ShapeError, "two numbers for each of the last axes"),
    (lambda: nn.Upsample()(zeros(1, 1, 4)), ArgumentError, "either size or scale_factor"),
    (lambda: nn.Upsample(scale_factor=2, mode="cubic")(zeros(1, 1, 4)), ArgumentError, "got 'cubic'"),
    (lambda: nn.Upsample(scale_factor=2)(zeros(1, 4)), ShapeError, "with positions"),
    (lambda: F.l1_loss(zeros(2), zeros(3)), ShapeError, "l1_loss takes a prediction and a target of one shape"),
    (lambda: nn.HuberLoss(delta=0.0)(zeros(2), zeros(2)), ArgumentError, "delta above 0, got 0.0"),
    (lambda: nn.SmoothL1Loss(beta=-1.0)(zeros(2), zeros(2)), ArgumentError, "beta of at least 0"),
    (lambda: nn.BCELoss(reduction="avg"), ArgumentError, "reduction"),
    (lambda: F.kl_div(Tensor(0.0), Tensor(0.0), "batchmean"), ShapeError, "inputs with axes"),
    (lambda: F.gaussian_nll_loss(zeros(2), zeros(2), zeros(2), eps=0.0), ArgumentError, "eps above 0"),
    (lambda: F.cosine_embedding_loss(zeros(2, 3), zeros(2, 3), zeros(3)), ShapeError, r"target of shape \(N,\)"),
    (lambda: F.triplet_margin_loss(zeros(2, 3), zeros(2, 3), zeros(2)), ShapeError, "triplet_margin_loss"),
    (lambda: F.normalize(zeros(2, 3), p=0.0), ArgumentError, "p above 0"),
    (lambda: nn.MultiheadAttention(5, 2), ArgumentError, "multiple of num_heads, got 5 and 2"),
    (lambda: nn.MultiheadAttention(4, 2, dropout=2.0), ArgumentError, "p=2.0"),
    (lambda: nn.MultiheadAttention(4, 2)(*[zeros(3, 2, 5)] * 3), ShapeError, "query of 2 or 3 axes ending in 4"),
    (
        lambda: nn.MultiheadAttention(4, 2)(zeros(3, 2, 4), zeros(5, 2, 4), zeros(6, 2, 4)),
        ShapeError,
        "as many keys as values",
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(*[zeros(3, 2, 4)] * 3, attn_mask=zeros(2, 3)),
        ShapeError,
        r"attn_mask of shape \(3, 3\) or \(4, 3, 3\), got \(2, 3\)",
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(*[zeros(3, 2, 4)] * 3, key_padding_mask=zeros(3, 2)),
        ShapeError,
        r"key_padding_mask of shape \(2, 3\), got \(3, 2\)",
    ),
    (lambda: F.scaled_dot_product_attention(*[zeros(4)] * 3), ShapeError, r"a query \(..., L, E\)"),
    (
        lambda: F.scaled_dot_product_attention(*[zeros(4, 2)] * 3, attn_mask=np.zeros((4, 4), np.int64)),
        DTypeError,
        "bools or floats, got int64",
    ),
    (
        lambda: F.scaled_dot_product_attention(*[zeros(4, 2)] * 3, attn_mask=zeros(3, 4, 4)),
        ShapeError,
        r"broadcasts to the scores, \(4, 4\)",
    ),
    (
        lambda: F.scaled_dot_product_attention(zeros(3, 4, 2), *[zeros(2, 4, 2)] * 2, enable_gqa=True),
        ShapeError,
        "multiple of the number of key heads",
    ),
    (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), ArgumentError, "activation="),
    (lambda: nn.TransformerEncoder(nn.Identity(), 0), ArgumentError, "num_layers"),
    (lambda: nn.utils.clip_grad_value_([], -1.0), ArgumentError, "clip_value of at least 0"),
    (lambda: nn.utils.clip_grad_norm_([], 1.0, 0.0), ArgumentError, "norm_type above 0"),
    (lambda: lucid.optim.swa_utils.get_ema_avg_fn(1.5), ArgumentError, "decay from 0 to 1"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=range(len(CASES)))
def test_wrong_use(call: object, error: type[LucidError], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_layer_is_named_by_its_place() -> None:
    model = nn.Sequential(nn.Identity(), nn.BatchNorm1d(3))
    with pytest.raises(ShapeError, match=r"in 1: BatchNorm1d\(3, eps=1e-05"):
        model(zeros(2, 4))


@pytest.mark.parametrize("name", ["need_weights", "average_attn_weights", "is_causal"])
def test_an_array_is_no_flag_of_a_call_of_attention(name: str) -> None:
    layer, x, state = nn.MultiheadAttention(4, 2, dropout=0.5), lucid.ones(3, 2, 4), lucid.get_state()
    flags = {name: np.array([1, 2])}
    with pytest.raises(ArgumentTypeError, match=f"{name} is True or False"):
        layer(x, x, x, **flags)
    assert lucid.get_state() == state


def test_an_array_does_not_say_that_an_encoder_is_causal() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 1)
    with pytest.raises(ArgumentTypeError, match="is_causal is True or False"):
        encoder(lucid.ones(3, 2, 4), is_causal=np.array([1, 2]))
