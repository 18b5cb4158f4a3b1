"""The workloads with Lucid. Arguments are `cuda`, for the GPU, and `graphs`, which has it replay CUDA graphs there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import numpy as np
from cnn import model as cnn
from gpt import model as gpt
from singles import Arrays, Convolution, Product, digest
from worker import Step, serve
from workloads import Dropout, Images, Language, Sequences, Training, Workload

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim

DEVICE = "cuda" if "cuda" in sys.argv[2:] else "cpu"  # which is the name of the target, too
if "graphs" in sys.argv[2:]:
    os.environ["LUCID_CUDA_GRAPHS"] = "1"


def put(array: np.ndarray) -> lucid.Tensor:
    return lucid.Tensor(array).to(DEVICE)


def wait() -> None:
    """Until the GPU has done what it was told."""
    if DEVICE == "cuda":
        from lucid.codegen.cuda import target

        target.gpu().check()


def build(workload: Workload, arrays: Arrays) -> Step:
    if isinstance(workload, Dropout):
        return _dropout(workload, arrays)
    if isinstance(workload, Product):
        return _product(workload, arrays)
    if isinstance(workload, Convolution):
        return _convolution(workload, arrays)
    if isinstance(workload, Language):
        return _language(workload, arrays)
    if isinstance(workload, Images):
        return _images(workload, arrays)
    if isinstance(workload, Sequences):
        return _sequences(workload, arrays)
    return _training(workload, arrays)


def _dropout(workload: Dropout, arrays: Arrays) -> Step:
    x, gradient = put(arrays["x"]), put(arrays["gradient"])
    x.requires_grad = True

    @lucid.compile(target=DEVICE)
    def step(x: lucid.Tensor, gradient: lucid.Tensor) -> lucid.Tensor:
        x.grad = None
        y = F.dropout(x, workload.p)
        y.backward(gradient)
        return y.detach()

    def run(count: int) -> None:
        for _ in range(count):
            step(x, gradient)
        wait()

    def check() -> float:
        y = step(x, gradient)
        assert x.grad is not None
        return digest(y.numpy()) + digest(x.grad.numpy())

    return Step(run, check)


def _training(workload: Training, arrays: Arrays) -> Step:
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(workload.layers()):
        linear = nn.Linear(inputs, outputs)
        linear.load_state_dict({"weight": arrays[f"weight{number}"], "bias": arrays[f"bias{number}"]})
        layers.append(linear)
        last = number + 1 == len(workload.layers())
        if workload.classifies and not last:
            layers.append(nn.ReLU())
        if workload.p and not (workload.classifies and last):
            layers.append(nn.Dropout(workload.p))
    model = nn.Sequential(*layers)
    kind = {"sgd": optim.SGD, "adam": optim.Adam}[workload.optimizer]
    optimizer = kind(model.parameters(), lr=workload.learning_rate)
    loss_function = F.cross_entropy if workload.classifies else F.mse_loss
    step = _compiled(optimizer, lambda x, y: loss_function(model(x), y))
    if workload.updates > 1:
        return _repeated(step, workload, arrays)
    return _stepping(step, arrays)


def _language(workload: Language, arrays: Arrays) -> Step:
    size = (workload.width, workload.heads, workload.layers, workload.length, workload.vocabulary)
    model = gpt(nn, F, *size, workload.p)

    def loss_of(x: lucid.Tensor, y: lucid.Tensor) -> lucid.Tensor:
        return F.cross_entropy(model(x).reshape(-1, workload.vocabulary), y.reshape(-1))

    return _stepping(_compiled(_adam(model, workload, arrays), loss_of), arrays)


def _images(workload: Images, arrays: Arrays) -> Step:
    model = cnn(nn, workload.channels, workload.features, workload.classes, workload.p)
    optimizer = _adam(model, workload, arrays)
    return _stepping(_compiled(optimizer, lambda x, y: F.cross_entropy(model(x), y)), arrays)


def _sequences(workload: Sequences, arrays: Arrays) -> Step:
    model = nn.LSTM(workload.features, workload.hidden)
    optimizer = _adam(model, workload, arrays)
    return _stepping(_compiled(optimizer, lambda x, y: F.mse_loss(model(x)[0], y)), arrays)


def _adam(model: nn.Module, workload: Language | Images | Sequences, arrays: Arrays) -> optim.Optimizer:
    """Adam for a model whose weights are set to those of the workload."""
    model.load_state_dict({name: array for name, array in arrays.items() if name not in ("x", "y")})
    return optim.Adam(model.parameters(), lr=workload.learning_rate)


def _compiled(
    optimizer: optim.Optimizer, loss_of: Callable[[lucid.Tensor, lucid.Tensor], lucid.Tensor]
) -> lucid.compiler.CompiledFunction:
    @lucid.compile(target=DEVICE)
    def step(x: lucid.Tensor, y: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()  # the gradients are not wanted after the step: nothing stores them
        return loss.detach()

    return step


def _stepping(step: lucid.compiler.CompiledFunction, arrays: Arrays) -> Step:
    x, y = put(arrays["x"]), put(arrays["y"])

    def run(count: int) -> None:
        for _ in range(count):
            step(x, y)
        wait()

    return Step(run, lambda: step(x, y).item(), lambda: step.programs)


def _repeated(step: lucid.compiler.CompiledFunction, workload: Training, arrays: Arrays) -> Step:
    xs, ys = (put(np.stack([arrays[name]] * workload.updates)) for name in ("x", "y"))

    def run(count: int) -> None:
        for _ in range(count):
            step.repeat(xs, ys)
        wait()

    return Step(run, lambda: float(step.repeat(xs, ys).numpy()[-1]))


def _product(workload: Product, arrays: Arrays) -> Step:
    # Captured, not passed: what is measured is the products, not the arguments of a call.
    pairs = [(lucid.Tensor(a), lucid.Tensor(b)) for a, b in zip(arrays["left"], arrays["right"], strict=True)]

    @lucid.compile
    def products() -> list[lucid.Tensor]:
        return [workload.multiply(left, right) for left, right in pairs]

    def run(count: int) -> None:
        for _ in range(count):
            products()

    return Step(run, lambda: digest(np.stack([result.numpy() for result in products()])))


def _convolution(workload: Convolution, arrays: Arrays) -> Step:
    tensors = {name: lucid.Tensor(array) for name, array in arrays.items()}
    sizes = {"stride": workload.stride, "padding": workload.padding, "groups": workload.groups}
    if workload.form != "forward":
        tensors[workload.form].requires_grad_()

    @lucid.compile
    def call() -> lucid.Tensor:
        y = F.conv2d(tensors["image"], tensors["weight"], **sizes)
        if workload.form == "forward":
            return y
        return lucid.grad(y, tensors[workload.form], tensors["gradient"])

    def run(count: int) -> None:
        for _ in range(count):
            call()

    return Step(run, lambda: digest(call().numpy()))


if __name__ == "__main__":
    serve(build, {"version": lucid.__version__})
