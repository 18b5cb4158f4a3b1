"""Teach an LSTM to remember: the sum of the two marked numbers of a long sequence, trained by compiled steps.

    python examples/04_lstm_adding.py [--steps 2000] [--length 60] [--out demo-output]

An element of a sequence is a number from 0 to 1 and a mark, which is 1 at one place in each half of the sequence and 0
elsewhere. Guessing 1 for each sum has a mean squared error of 1/6; the network has to carry both numbers to the end.
Prints progress, the time of a step, and the error on sequences it has not seen. Writes a plot of the error during
training, and of sums against predictions.
Hochreiter and Schmidhuber, "Long short-term memory", 1997, experiment 4.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim

try:
    import matplotlib
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    sys.exit(f'The demo needs {missing.name}, which is not installed.\n  hint: pip install "lucid-compiler[demo]"')

STEPS = 2000
LENGTH = 60
BATCH = 64
HIDDEN = 64
AT_ONCE = 50  # steps in one call of `repeat`
GUESS = 1.0 / 6.0  # the mean squared error of the best constant
SEED = 0

Array = np.ndarray


class Adder(nn.Module):
    """An LSTM over a sequence (N, L, 2), and the sum that it reads off the last hidden state: (N,)."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.memory = nn.LSTM(2, hidden_size, batch_first=True)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x: lucid.Tensor) -> lucid.Tensor:
        _, (hidden, _) = self.memory(x)
        return self.head(hidden[0]).squeeze(-1)


@dataclass
class Run:
    """What the training gave."""

    model: Adder
    lines: int = 0  # of the IR of a step
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of each call of `repeat`


def sequences(count: int, length: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Sequences (count, length, 2) of numbers and marks, and the sums of their marked numbers."""
    numbers = generator.random((count, length), np.float32)
    marks = np.zeros((count, length), np.float32)
    rows, half = np.arange(count), length // 2
    marks[rows, generator.integers(0, half, count)] = 1.0
    marks[rows, generator.integers(half, length, count)] = 1.0
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=1)


def train(steps: int, length: int) -> Run:
    """Train on new sequences at each step."""
    lucid.seed(SEED)
    run = Run(Adder(HIDDEN))
    optimizer = optim.Adam(run.model.parameters(), lr=3e-3)

    @lucid.compile
    def step(x: lucid.Tensor, y: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = F.mse_loss(run.model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        optimizer.step()
        return loss

    generator = np.random.default_rng(SEED)
    progress = tqdm(total=steps, unit="step")
    while len(run.losses) < steps:
        count = min(AT_ONCE, steps - len(run.losses))
        x, y = sequences(count * BATCH, length, generator)
        start = time.perf_counter()
        losses = step.repeat(x.reshape(count, BATCH, length, 2), y.reshape(count, BATCH))
        run.seconds.append((time.perf_counter() - start) / count)
        run.losses += losses.tolist()
        progress.update(count)
        progress.set_postfix(error=f"{np.mean(run.losses[-count:]):.4f}", refresh=False)
    progress.close()
    (program,) = step.programs
    run.lines = len(program.ir().splitlines())
    return run


def predict(model: Adder, x: Array) -> Array:
    """The sums that a model reads in sequences."""
    with lucid.no_grad():
        sums: Array = lucid.compile(model)(x).numpy()
    return sums


def plot(run: Run, expected: Array, predicted: Array, path: Path) -> None:
    """Draw the error during training, and predictions over the sums that they should be."""
    matplotlib.use("Agg")  # draws into a file, without a screen
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
    left.plot(run.losses, color="tab:blue", linewidth=0.6)
    left.axhline(GUESS, color="black", linewidth=0.8, linestyle="--", label="guessing 1")
    left.set(xlabel="step", ylabel="mean squared error of the batch", yscale="log", title="Learning to remember")
    left.legend()
    right.plot([0, 2], [0, 2], color="black", linewidth=0.8)
    right.plot(expected, predicted, ".", color="tab:blue", markersize=3)
    right.set(xlabel="sum of the marked numbers", ylabel="prediction", title="Sequences not seen in training")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Teach an LSTM to add the two marked numbers of a sequence.")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS}")
    parser.add_argument("--length", type=int, default=LENGTH, help=f"of a sequence, default: {LENGTH}")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="default: demo-output")
    options = parser.parse_args()
    if options.steps < 1 or options.length < 2:
        parser.error("--steps takes a number from 1 and --length one from 2")

    print(f"{options.steps} steps of {BATCH} sequences of {options.length} elements, {AT_ONCE} steps a call")
    run = train(options.steps, options.length)
    x, expected = sequences(1000, options.length, np.random.default_rng(SEED + 1))
    predicted = predict(run.model, x)
    path = options.out / "lstm_adding.png"
    plot(run, expected, predicted, path)
    error = float(np.mean((predicted - expected) ** 2))
    print(f"""
compiled  {1e3 * float(np.median(run.seconds)):.2f} ms a step: forward, backward and optimizer
program   {run.lines} lines of IR, which do not grow with the length of a sequence
written   {path}
error     {error:.5f} on sequences not seen, where guessing gives {GUESS:.4f}""")


if __name__ == "__main__":
    main()
