"""Averages of weights, and what goes with them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid.errors import ArgumentError, CheckError
from tests.parity.compare import assert_close, normal, torch
from tests.parity.test_schedules import assert_same_rates, optimizers


def models() -> tuple[nn.Module, Any]:
    ours, theirs = (
        library.Sequential(library.Linear(4, 3), library.BatchNorm1d(3), library.Dropout(0.0))
        for library in (nn, torch.nn)
    )
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    return ours, theirs


def assert_same_state(ours: nn.Module, theirs: Any) -> None:
    expected = theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    for name, array in ours.state_dict().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


AVERAGES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "mean": lambda library: {},
    "mean of buffers": lambda library: {"avg_fn": library.get_swa_avg_fn(), "use_buffers": True},
    "ema": lambda library: {"avg_fn": library.get_ema_avg_fn(0.9)},
    "ema of buffers": lambda library: {"avg_fn": library.get_ema_avg_fn(0.9), "use_buffers": True},
    "all mean": lambda library: {"multi_avg_fn": library.get_swa_multi_avg_fn()},
    "all ema of buffers": lambda library: {"multi_avg_fn": library.get_ema_multi_avg_fn(0.9), "use_buffers": True},
}


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_averaged_model(average: str, compiled: bool) -> None:
    ours, theirs = models()
    averages = [
        library.swa_utils.AveragedModel(model, **AVERAGES[average](library.swa_utils))
        for library, model in ((optim, ours), (torch.optim, theirs))
    ]
    optimizers = [optim.SGD(ours.parameters(), lr=0.1), torch.optim.SGD(theirs.parameters(), lr=0.1)]

    def our_step(x: np.ndarray) -> None:
        ours.zero_grad()
        (ours(x) ** 2).sum().backward()
        optimizers[0].step()
        averages[0].update_parameters(ours)

    step_once = lucid.compile(our_step) if compiled else our_step
    for step in range(10):
        x = normal(6, 4, seed=step)
        theirs.zero_grad()
        (theirs(torch.tensor(x)) ** 2).sum().backward()
        optimizers[1].step()
        averages[1].update_parameters(theirs)
        step_once(x)
    assert_same_state(*averages)
    if compiled:
        assert len(step_once.programs) == 1


def test_one_function_for_averages() -> None:
    swa = optim.swa_utils
    with pytest.raises(ArgumentError) as caught:
        swa.AveragedModel(nn.ReLU(), avg_fn=swa.get_ema_avg_fn(), multi_avg_fn=swa.get_ema_multi_avg_fn())
    assert caught.value.sentence == "AveragedModel takes avg_fn or multi_avg_fn, got both."


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 1, 7, 40])
def test_rate_of_averages(strategy: str, epochs: int) -> None:
    pair = optimizers("Adam")
    options = {"swa_lr": [0.05, 0.5], "anneal_epochs": epochs, "anneal_strategy": strategy}
    ours, theirs = (
        library.SWALR(optimizer, **options)
        for library, optimizer in zip((optim.swa_utils, torch.optim.swa_utils), pair, strict=True)
    )
    assert_same_rates(ours, theirs, pair)


def test_rate_of_averages_that_follows_another_schedule() -> None:
    pair = optimizers()
    schedules = [
        [library.lr_scheduler.ExponentialLR(optimizer, 0.9), library.swa_utils.SWALR(optimizer, 0.05, 4)]
        for library, optimizer in zip((optim, torch.optim), pair, strict=True)
    ]
    pair[1].step()
    for epoch in range(12):
        for first, later in schedules:
            (later if epoch > 4 else first).step()
        found, expected = ([group["lr"] for group in optimizer.param_groups] for optimizer in pair)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("wrap", [lambda x, y: x, lambda x, y: (x, y)], ids=["tensors", "tuples"])
def test_update_of_statistics(wrap: Callable[[Any, Any], Any]) -> None:
    ours, theirs = models()
    batches = [normal(5, 4, seed=seed) for seed in range(3)]
    for model in (ours, theirs):
        model.eval()
        model[2].train()
    optim.swa_utils.update_bn([wrap(x, 0) for x in batches], ours)
    torch.optim.swa_utils.update_bn([wrap(torch.tensor(x), 0) for x in batches], theirs)
    assert_same_state(ours, theirs)
    assert ours[1].momentum == 0.1
    assert [module.training for module in ours.modules()] == [False, False, False, True]  # PyTorch has eval for all


def test_an_update_of_statistics_that_fails_changes_nothing() -> None:
    model, _ = models()
    model(normal(5, 4))
    before = {name: array.copy() for name, array in model.state_dict().items()}
    with pytest.raises(lucid.LucidError):
        optim.swa_utils.update_bn([normal(5, 4), normal(5, 3)], model)
    assert model[1].momentum == 0.1
    for name, array in model.state_dict().items():
        assert array.tolist() == before[name].tolist()


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 2.0])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_gradients_that_are_not_finite(value: float, compiled: bool) -> None:
    weight = lucid.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([weight], lr=0.1)

    def step(x: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        (weight * x).sum().backward()
        norm = nn.utils.clip_grad_norm_([weight], 1.0, error_if_nonfinite=True)
        optimizer.step()
        return norm

    run = lucid.compile(step) if compiled else step
    if value == 2.0:
        assert_close(run(lucid.Tensor([value, 0.0])), torch.tensor(2.0))
        assert weight.tolist() == pytest.approx([0.9, 2.0])
    else:
        with pytest.raises(CheckError) as caught:
            run(lucid.Tensor([value, 0.0]))
        assert caught.value.sentence == ("clip_grad_norm_ takes tensors whose total norm is finite, which is not so.")
        assert weight.tolist() == [1.0, 2.0]


def test_clip_with_a_norm_that_is_known() -> None:
    gradients = [normal(3, 2), normal(4)]
    ours, theirs = (
        [make(np.zeros_like(g)) for g in gradients]
        for make in (lambda x: lucid.Tensor(x, requires_grad=True), lambda x: torch.tensor(x, requires_grad=True))
    )
    for parameter, other, gradient in zip(ours, theirs, gradients, strict=True):
        parameter.grad, other.grad = lucid.Tensor(gradient), torch.tensor(gradient)
    for library, parameters in ((nn, ours), (torch.nn, theirs)):
        norm = library.utils.get_total_norm([p.grad for p in parameters], 3.0, error_if_nonfinite=True)
        library.utils.clip_grads_with_norm_(parameters, 0.5, norm)
    for parameter, other in zip(ours, theirs, strict=True):
        assert_close(parameter.grad, other.grad)
    with pytest.raises(lucid.LucidError, match=r"takes a total_norm without axes, got shape \(2,\)"):
        nn.utils.clip_grads_with_norm_(ours, 0.5, lucid.ones(2))
