"""Convolutions: values and gradients of inputs and parameters, initial weights, and training of a small network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
from lucid import Tensor, optim
from lucid.errors import ShapeError
from tests.parity.compare import assert_close, assert_same, assert_same_both, assert_same_module, normal, torch
from tests.training import classifying_step

MODULES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "plain": (lambda nn: nn.Conv2d(3, 5, 3), (2, 3, 7, 9)),
    "padded": (lambda nn: nn.Conv2d(3, 5, 3, padding=1, bias=False), (2, 3, 6, 5)),
    "strided": (lambda nn: nn.Conv2d(2, 4, (3, 2), stride=(2, 3), padding=(1, 0)), (2, 2, 9, 8)),
    "stride above kernel": (lambda nn: nn.Conv2d(2, 3, 2, stride=3), (1, 2, 8, 8)),
    "dilated": (lambda nn: nn.Conv2d(2, 3, 3, dilation=(2, 3), padding=2), (1, 2, 8, 9)),
    "in groups": (lambda nn: nn.Conv2d(4, 6, 3, groups=2, stride=2), (2, 4, 7, 7)),
    "depthwise": (lambda nn: nn.Conv2d(4, 8, 3, groups=4, padding=1), (2, 4, 5, 5)),
    "same": (lambda nn: nn.Conv2d(2, 3, (4, 3), padding="same", dilation=(1, 2)), (2, 2, 6, 7)),
    "valid": (lambda nn: nn.Conv2d(2, 3, 2, padding="valid"), (2, 2, 5, 4)),
    "reflect": (lambda nn: nn.Conv2d(2, 3, 3, padding=(2, 1), padding_mode="reflect"), (2, 2, 5, 6)),
    "replicate": (lambda nn: nn.Conv1d(2, 3, 3, padding=2, padding_mode="replicate"), (2, 2, 5)),
    "circular": (lambda nn: nn.Conv2d(2, 3, 4, padding="same", padding_mode="circular"), (1, 2, 5, 6)),
    "one dimension": (lambda nn: nn.Conv1d(3, 4, 5, stride=2, padding=3), (2, 3, 17)),
    "three dimensions": (lambda nn: nn.Conv3d(2, 3, (2, 3, 1), stride=(1, 2, 1), padding=(0, 1, 2)), (2, 2, 4, 5, 3)),
    "no batch": (lambda nn: nn.Conv2d(2, 3, 3), (2, 5, 5)),
    "batch of one": (lambda nn: nn.Conv2d(2, 3, 3), (1, 2, 3, 3)),
    "transposed": (lambda nn: nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), (2, 3, 4, 5)),
    "transposed in groups": (lambda nn: nn.ConvTranspose1d(4, 6, 3, groups=2, bias=False), (2, 4, 5)),
    "transposed, dilated": (
        lambda nn: nn.ConvTranspose2d(2, 3, 2, stride=2, dilation=3, output_padding=2, padding=(0, 2)),
        (1, 2, 4, 4),
    ),
    "transposed, three dimensions": (lambda nn: nn.ConvTranspose3d(2, 3, 2, stride=(1, 2, 3)), (2, 2, 3, 2, 2)),
    "transposed, no batch": (lambda nn: nn.ConvTranspose1d(2, 3, 4, padding=2), (2, 6)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")  # PyTorch's
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODULES)
def test_module(name: str, dtype: str) -> None:
    make, shape = MODULES[name]
    ours, theirs = make(nn), make(torch.nn)
    if dtype == "float64":
        ours, theirs = ours.astype("float64"), theirs.double()
    assert ours.extra_repr() == theirs.extra_repr()
    assert_same_module(ours, theirs, [normal(*shape, dtype=dtype)])


@pytest.mark.parametrize("name", ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d"])
def test_functions(name: str) -> None:
    axes = int(name[-2])
    inputs = [normal(2, 4, *(6, 5, 4)[:axes]), normal(4, 2, *(3, 2, 2)[:axes], seed=1), normal(4, seed=2)]
    arguments = {"stride": 2, "padding": 1, "groups": 2}
    ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
    assert_same_both(lambda *x: ours(*x, **arguments), lambda *x: theirs(*x, **arguments), inputs, wrt=(0, 1, 2))


def test_inputs_that_are_not_contiguous() -> None:
    x = normal(6, 5, 4, 2)
    assert_same(
        lambda x, w: F.conv2d(x.permute(3, 2, 1, 0)[..., ::2], w),
        lambda x, w: torch.nn.functional.conv2d(x.permute(3, 2, 1, 0)[..., ::2], w),
        [x, normal(3, 4, 2, 2)],
        wrt=(0, 1),
    )


@pytest.mark.parametrize("size", [(9, 9), (10, 11), (2, 3, 10, 10)])
def test_the_size_of_a_transposed_convolution(size: tuple[int, ...]) -> None:
    ours, theirs = (library.ConvTranspose2d(2, 3, 3, stride=(2, 3), padding=(1, 0)) for library in (nn, torch.nn))
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    x = normal(2, 2, 5, 3)
    assert ours(x, output_size=size).shape[-2:] == size[-2:]
    assert_same_both(lambda x: ours(x, size), lambda x: theirs(x, output_size=size), [x])
    with pytest.raises(ShapeError, match=r"takes an output_size from \(9, 9\) to \(10, 11\) for inputs of shape"):
        ours(x, (8, 9))


def test_an_empty_batch() -> None:
    ours, theirs = nn.Conv2d(2, 3, 3), torch.nn.Conv2d(2, 3, 3)
    assert_same_module(ours, theirs, [normal(0, 2, 5, 5)])


def test_second_derivatives() -> None:
    def penalty(conv2d: Any, grad: Any, x: Any, w: Any) -> Any:
        y = conv2d(x, w, stride=2, padding=1)
        (to_x,) = grad((y * y * y).sum(), [x], create_graph=True)
        return (to_x * to_x).sum()

    x, w = normal(2, 2, 5, 5), normal(3, 2, 3, 3, seed=1)
    ours = [Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)]
    theirs = [torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)]
    penalty(F.conv2d, lucid.grad, *ours).backward()
    penalty(torch.nn.functional.conv2d, torch.autograd.grad, *theirs).backward()
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    "make", [lambda nn: nn.Conv2d(16, 64, 3, groups=4), lambda nn: nn.ConvTranspose2d(64, 16, 3, groups=2)]
)
def test_initial_weights_are_distributed_alike(make: Callable[[Any], Any]) -> None:
    lucid.seed(0)
    torch.manual_seed(0)
    for ours, theirs in zip(make(nn).parameters(), make(torch.nn).parameters(), strict=True):
        array, expected = ours.numpy(), theirs.detach().numpy()
        assert array.shape == expected.shape
        np.testing.assert_allclose(np.abs(array).max(), np.abs(expected).max(), rtol=0.15)
        np.testing.assert_allclose(array.std(), expected.std(), rtol=0.2)


def test_training_follows_the_same_trajectory() -> None:
    def net(nn: Any) -> Any:
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(128, 5),
        )

    ours, theirs = net(nn), net(torch.nn)
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    our_optimizer, their_optimizer = optim.Adam(ours.parameters()), torch.optim.Adam(theirs.parameters())
    x, y = normal(16, 1, 8, 8), np.arange(16) % 5

    step = lucid.compile(classifying_step(ours, our_optimizer))

    for _ in range(100):
        their_optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
        loss.backward()
        their_optimizer.step()
        assert_close(step(x, y), loss, rtol=1e-3)
    for name, array in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], array.numpy(), rtol=1e-2, atol=1e-4, err_msg=name)
