"""Train a classifier of scanned digits twice from one seed: eagerly, and through one compiled native step.

    python examples/01_train_digits.py [--epochs 30] [--out demo-output]

Prints the time of both and the accuracy on the test split. Writes to the output folder a plot of both loss curves,
which lie on each other, and everything the compiler did: the IR of each stage, the LLVM IR and the machine code.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.program import Program

try:
    import matplotlib
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    sys.exit(f'The demo needs {missing.name}, which is not installed.\n  hint: pip install "lucid-compiler[demo]"')

EPOCHS = 30
BATCH = 64
SEED = 0

Array = np.ndarray
Batch = tuple[Array, Array]


@dataclass
class Run:
    """What one training gave."""

    model: nn.Module
    step: Any  # the training step: a Python function, or what lucid.compile made of it
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of each step


def load_splits() -> tuple[Array, Array, Array, Array]:
    """Scans of digits, 64 pixels from 0 to 1 each: the images to train on and to test on, then the labels of both."""
    images, labels = load_digits(return_X_y=True)
    splits: tuple[Array, Array, Array, Array] = train_test_split(
        (images / 16.0).astype("float32"), labels, test_size=0.2, random_state=SEED, stratify=labels
    )
    return splits


def batches(images: Array, labels: Array, epochs: int) -> Iterator[Batch]:
    """Whole batches in a new order each epoch, the same at each run."""
    generator = np.random.default_rng(SEED)
    for _ in range(epochs):
        order = generator.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            yield images[chosen], labels[chosen]


def train(data: list[Batch], compiled: bool) -> Run:
    """Train a new model on each batch in turn."""
    lucid.seed(SEED)  # the same weights and the same dropout masks in both runs
    model = nn.Sequential(
        nn.Linear(64, 128),
        nn.GELU(),
        nn.Dropout(0.2),
        nn.Linear(128, 64),
        nn.GELU(),
        nn.Dropout(0.2),
        nn.Linear(64, 10),
    )
    optimizer = optim.Adam(model.parameters(), lr=2e-3)

    def train_step(x: Array, y: Array) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = Run(model, lucid.compile(train_step) if compiled else train_step)
    progress = tqdm(data, desc="compiled" if compiled else "eager   ", unit="step")
    for x, y in progress:
        start = time.perf_counter()
        loss = run.step(x, y)
        run.seconds.append(time.perf_counter() - start)
        run.losses.append(loss.item())
        progress.set_postfix(loss=f"{run.losses[-1]:.3f}", refresh=False)
    return run


def accuracy(model: nn.Module, images: Array, labels: Array) -> float:
    """The share of images whose label has the largest logit."""
    predict = lucid.compile(model.eval())
    with lucid.no_grad():
        logits = predict(images)
    return float((logits.numpy().argmax(axis=1) == labels).mean())


def plot(eager: Run, compiled: Run, path: Path) -> None:
    """Draw both loss curves, the compiled one thin on top of the eager one."""
    matplotlib.use("Agg")  # draws into a file, without a screen
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot(eager.losses, color="tab:orange", linewidth=4, alpha=0.5, label="eager")
    axes.plot(compiled.losses, color="black", linewidth=0.8, label="compiled")
    axes.set(xlabel="step", ylabel="cross-entropy of the batch", yscale="log", title="One program, run in two ways")
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def write_program(program: Program, folder: Path) -> None:
    """Write each stage of a program as text, and what LLVM got and made."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, stage in enumerate(program.stages):
        (folder / f"{number}-{stage}.ir").write_text(program.ir(stage) + "\n")
    (folder / "llvm.ll").write_text(program.llvm_ir())
    (folder / "machine.s").write_text(program.assembly())


def report(eager: Run, compiled: Run) -> None:
    """Print how long a step takes in both ways, and how far their losses are apart."""
    first, *later = compiled.seconds
    slow, fast = (1e6 * statistics.median(seconds) for seconds in (eager.seconds, later))
    expected = np.array(eager.losses)
    apart = np.abs(compiled.losses - expected) / expected
    print(f"""
eager     {slow:8.0f} us a step, in the median
compiled  {fast:8.0f} us a step, in the median; the first took {first:.2f} s to trace, compile and run
          Eager mode is the interpreter that defines what each operation means, to check and to debug with. It is
          not made to be fast and is no peer: read the ratio as no comparison with another library.
losses    agree to {apart.max():.1e} of their value in all {len(apart)} steps""")


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a classifier of scanned digits eagerly and compiled.")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="default: demo-output")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs takes a positive number, got {options.epochs}")

    train_images, test_images, train_labels, test_labels = load_splits()
    data = list(batches(train_images, train_labels, options.epochs))
    print(f"{len(train_images)} scanned digits to train on, {len(test_images)} to test, {len(data)} steps of {BATCH}")

    eager = train(data, compiled=False)
    compiled = train(data, compiled=True)

    report(eager, compiled)
    folder = options.out / "train_step"
    write_program(compiled.step.programs[0], folder)
    plot(eager, compiled, options.out / "losses.png")
    print(f"\nwritten   {options.out / 'losses.png'} and {folder}/, with a file for each stage of the compiler")
    print(f"accuracy  {accuracy(compiled.model, test_images, test_labels):.4f} on the test split, compiled")


if __name__ == "__main__":
    main()
