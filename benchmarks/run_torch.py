"""The workloads with PyTorch: eager with fused optimizers, or through torch.compile.

Arguments are the mode of torch.compile, `default` or `max-autotune`; `channels_last`, where images and the weights of
convolutions have their channels last; and `cuda`, for the GPU, where float32 is computed as that, and not as TF32.

Compiled, the forward with the loss is one graph, its backward another, and the update a third: what PyTorch documents
as the way to compile a training step. Compiled autograd, which joins them, was slower on every workload here.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from cnn import model as cnn
from gpt import model as gpt
from singles import Arrays, Convolution, Product, digest
from worker import Step, UnavailableError, serve
from workloads import Dropout, Images, Language, Sequences, Training, Workload

MODE = next((mode for mode in ("default", "max-autotune") if mode in sys.argv[2:]), None)
CHANNELS_LAST = "channels_last" in sys.argv[2:]
DEVICE = "cuda" if "cuda" in sys.argv[2:] else "cpu"
torch.backends.cudnn.allow_tf32 = False  # as it is by default for products


def wait() -> None:
    """Until the GPU has done what it was told."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, mode=MODE) if MODE else function


def build(workload: Workload, arrays: Arrays) -> Step:
    if MODE and shutil.which(compiler := os.environ.get("CXX", "g++")) is None:
        raise UnavailableError(f"torch.compile needs a C++ compiler, and finds no {compiler}")
    tensors = {name: torch.from_numpy(array).to(DEVICE) for name, array in arrays.items()}
    if isinstance(workload, Dropout):
        return _dropout(workload, tensors)
    if isinstance(workload, Language):
        return _language(workload, tensors)
    if isinstance(workload, Images):
        return _images(workload, tensors)
    if isinstance(workload, Sequences):
        return _sequences(workload, tensors)
    if isinstance(workload, Product):
        return _product(workload, tensors)
    if isinstance(workload, Convolution):
        return _convolution(workload, tensors)
    return _training(workload, tensors)


def _dropout(workload: Dropout, tensors: dict[str, torch.Tensor]) -> Step:
    x, gradient = tensors["x"].requires_grad_(), tensors["gradient"]
    forward = compiled(lambda x: F.dropout(x, workload.p))

    def call() -> torch.Tensor:
        x.grad = None
        y: torch.Tensor = forward(x)
        y.backward(gradient)
        return y

    def run(count: int) -> None:
        for _ in range(count):
            call()
        wait()

    def check() -> float:
        y = call()
        assert x.grad is not None
        return digest(y.detach().numpy(force=True)) + digest(x.grad.numpy(force=True))

    return Step(run, check)


def _training(workload: Training, tensors: dict[str, torch.Tensor]) -> Step:
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(workload.layers()):
        linear = nn.Linear(inputs, outputs)
        linear.load_state_dict({"weight": tensors[f"weight{number}"], "bias": tensors[f"bias{number}"]})
        layers.append(linear)
        last = number + 1 == len(workload.layers())
        if workload.classifies and not last:
            layers.append(nn.ReLU())
        if workload.p and not (workload.classifies and last):
            layers.append(nn.Dropout(workload.p))
    model = nn.Sequential(*layers).to(DEVICE)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[workload.optimizer]
    optimizer = kind(model.parameters(), lr=workload.learning_rate, fused=True)
    loss_function = F.cross_entropy if workload.classifies else F.mse_loss
    return _stepping(optimizer, lambda x, y: loss_function(model(x), y), tensors["x"], tensors["y"], workload.updates)


def _language(workload: Language, tensors: dict[str, torch.Tensor]) -> Step:
    size = (workload.width, workload.heads, workload.layers, workload.length, workload.vocabulary)
    model = gpt(nn, F, *size, workload.p).to(DEVICE)
    x, y = tensors.pop("x"), tensors.pop("y")
    model.load_state_dict(tensors)
    optimizer = torch.optim.Adam(model.parameters(), lr=workload.learning_rate, fused=True)

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(x).reshape(-1, workload.vocabulary), y.reshape(-1))

    return _stepping(optimizer, loss_of, x, y, 1)


def _images(workload: Images, tensors: dict[str, torch.Tensor]) -> Step:
    model = cnn(nn, workload.channels, workload.features, workload.classes, workload.p).to(DEVICE)
    x, y = tensors.pop("x"), tensors.pop("y")
    model.load_state_dict(tensors)
    if CHANNELS_LAST:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=workload.learning_rate, fused=True)
    return _stepping(optimizer, lambda x, y: F.cross_entropy(model(x), y), x, y, 1)


def _sequences(workload: Sequences, tensors: dict[str, torch.Tensor]) -> Step:
    model = nn.LSTM(workload.features, workload.hidden).to(DEVICE)
    x, y = tensors.pop("x"), tensors.pop("y")
    model.load_state_dict(tensors)
    optimizer = torch.optim.Adam(model.parameters(), lr=workload.learning_rate, fused=True)
    return _stepping(optimizer, lambda x, y: F.mse_loss(model(x)[0], y), x, y, 1)


def _stepping(
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[..., torch.Tensor],
    x: torch.Tensor,
    y: torch.Tensor,
    updates: int,
) -> Step:
    forward = compiled(loss_of)
    update = compiled(lambda: optimizer.step())

    def call() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss: torch.Tensor = forward(x, y)
        loss.backward()
        update()
        return loss

    def run(count: int) -> None:
        for _ in range(count * updates):
            call()
        wait()

    def check() -> float:
        losses = [call().detach() for _ in range(updates)]
        return losses[-1].item()

    return Step(run, check)


def _product(workload: Product, tensors: dict[str, torch.Tensor]) -> Step:
    pairs = list(zip(tensors["left"], tensors["right"], strict=True))
    operands = [(*workload.operands(*pair), workload.multiply(*pair)) for pair in pairs]

    def run(count: int) -> None:
        for _ in range(count):
            for left, right, result in operands:
                torch.matmul(left, right, out=result)

    def check() -> float:
        run(1)
        return digest(torch.stack([result for _, _, result in operands]).numpy())

    return Step(run, check)


def _convolution(workload: Convolution, tensors: dict[str, torch.Tensor]) -> Step:
    if CHANNELS_LAST:
        tensors = {name: tensor.to(memory_format=torch.channels_last) for name, tensor in tensors.items()}

    sizes: dict[str, Any] = {"stride": workload.stride, "padding": workload.padding, "groups": workload.groups}

    def forward() -> torch.Tensor:
        return F.conv2d(tensors["image"], tensors["weight"], **sizes)

    call = forward
    if workload.form != "forward":
        wanted = tensors[workload.form].requires_grad_()
        y = forward()

        def call() -> torch.Tensor:
            return torch.autograd.grad(y, wanted, tensors["gradient"], retain_graph=True)[0]

    def run(count: int) -> None:
        for _ in range(count):
            call()

    return Step(run, lambda: digest(call().numpy()))


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    serve(build, {"version": torch.__version__})
