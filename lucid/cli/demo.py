"""`lucid demo`: a network is trained eagerly and compiled, and its Dropout disappears into a kernel."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.cli.command import DONE, Command, InputError, painted, painted_ir
from lucid.compiler import CompiledFunction, compile
from lucid.ir.text import print_graph
from lucid.modes import no_grad
from lucid.random import seed
from lucid.tensor import Tensor

EXAMPLES = """\
  lucid demo
  lucid demo --output page.html"""

EAGER_STEPS, STEPS, POINTS = 100, 1000, 256


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="lucid-demo.html",
        help="where to write the page; lucid-demo.html by default",
    )


def run(options: Namespace) -> int:
    x, y = _moons()
    _title("1. A network learns to tell two half moons apart")
    print(
        "Linear -> Tanh -> Dropout -> Linear, and Adam: a step is a Python function, run eagerly and then compiled.\n"
    )
    eager, _ = _trained(x, y, EAGER_STEPS, compiled=False)
    losses, step = _trained(x, y, STEPS, compiled=True)
    apart = max(abs(a - b) / b for a, b in zip(eager[1], losses[1], strict=False))
    print(
        f"eager     {eager[0]:7.1f} us a step   loss {eager[1][0]:.4f} ... {eager[1][-1]:.4f} after {EAGER_STEPS} steps"
    )
    print(f"compiled  {losses[0]:7.1f} us a step   loss {losses[1][0]:.4f} ... {losses[1][-1]:.4f} after {STEPS} steps")
    print(f"\nThe first {EAGER_STEPS} losses agree to {apart:.0e} of their value: with the same masks, bit for bit.")

    _title("2. Where the Dropout goes")
    layer = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5))
    with no_grad():
        program = compile(layer).lower(np.ones((8, 4), "float32"))
    print("A Linear and a Dropout as they were traced: a product, a bias; a mask, a multiply and a scale.\n")
    print(painted_ir(print_graph(program.graph("traced"))))
    print("\nThe same as it runs: bias, mask, multiply and scale are one kernel, one pass over memory.\n")
    print(painted_ir(print_graph(program.graph("fused"))))

    _title("3. Kernel by kernel")
    print(step.explain())

    _title("4. All of it")
    try:
        page = step.explore(options.output)
    except OSError as error:
        raise InputError(f"{options.output} can't be written: {error.strerror}.") from None
    print(f"{page} shows every stage of the training step: open it in a browser.")
    print("For code of your own: lucid show train.py:model --input 64x784xf32 --train --as kernels")
    return DONE


def _title(text: str) -> None:
    print(f"\n{painted(text, 'bold')}\n")


def _moons() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Points on two half circles that reach into each other, with noise, and on which of them each is."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, POINTS)
    angles = generator.uniform(0.0, np.pi, POINTS)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lower = np.stack([1.0 - np.cos(angles), 0.5 - np.sin(angles)], axis=1)
    points = np.where(labels[:, None] == 0, upper, lower) + generator.normal(0.0, 0.1, (POINTS, 2))
    return points.astype(np.float32), labels


def _trained(x: Any, y: Any, steps: int, compiled: bool) -> tuple[tuple[float, list[float]], CompiledFunction]:
    """Train from a fixed seed: the median microseconds of a step, and the losses; and the step, compiled."""
    seed(0)
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Dropout(0.1), nn.Linear(64, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    def train_step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    native: CompiledFunction = compile(train_step)
    run: Callable[[Any, Any], Tensor] = native if compiled else train_step
    times, losses = [], []
    for _ in range(steps):
        start = time.perf_counter()
        loss = run(x, y)
        times.append(time.perf_counter() - start)
        losses.append(float(loss.item()))
    return (float(np.median(times)) * 1e6, losses), native


COMMAND = Command(
    "demo", "train a small network, eagerly and compiled, and see what became of it", EXAMPLES, configure, run
)
