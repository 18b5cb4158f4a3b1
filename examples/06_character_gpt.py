"""A small GPT learns to write like Python's help, letter by letter, from the text that Python itself ships.

    python examples/06_character_gpt.py [--steps 1500] [--out demo-output]

Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.3, in small: two blocks of causal
attention and a perceptron each. The text is that of the topics of `help()`, half a megabyte of English about Python.
Prints what the model writes, and writes a picture of the loss on text that it has learnt from and on text that it has
not seen.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor

try:
    import matplotlib
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    sys.exit(f'The example needs {missing.name}, which is not installed.\n  hint: pip install "lucid-compiler[demo]"')

STEPS = 1500
BATCH, LENGTH = 16, 64  # texts a step, and their letters
WIDTH, HEADS, LAYERS, DROPOUT = 128, 4, 2, 0.1
WARM_UP = 100  # steps in which the learning rate rises
SEED = 0

Array = np.ndarray


class Attention(nn.Module):
    """Each letter takes from those before it what its query asks for: (N, T, WIDTH) to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.outputs = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        parts = (part.reshape(batch, length, HEADS, -1) for part in self.inputs(x).chunk(3, -1))
        query, key, value = (part.transpose(1, 2) for part in parts)
        dropout = DROPOUT if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return self.outputs(mixed.transpose(1, 2).reshape(batch, length, WIDTH))


class Block(nn.Module):
    """Attention and a perceptron, each added to what comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(WIDTH), Attention(), nn.Dropout(DROPOUT))
        inner = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU())
        self.perceptron = nn.Sequential(inner, nn.Linear(4 * WIDTH, WIDTH), nn.Dropout(DROPOUT))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.perceptron(x)


class GPT(nn.Module):
    """Letters by number, (N, LENGTH), to the logits of the letter that follows each, (N, LENGTH, letters)."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(letters, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, letters))
        for name, parameter in self.named_parameters():
            if name.endswith("weight") and parameter.ndim == 2:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.dropout(self.letters(x) + self.places.weight)))


class Text:
    """A text as numbers of its letters: nine tenths to learn from, the rest to test on."""

    def __init__(self, text: str) -> None:
        self.alphabet = sorted(set(text))
        self.number = {letter: number for number, letter in enumerate(self.alphabet)}
        numbers = np.array([self.number[letter] for letter in text])
        split = len(numbers) * 9 // 10
        self.training, self.test = numbers[:split], numbers[split:]

    def batch(self, part: Array, generator: np.random.Generator) -> tuple[Array, Array]:
        """Pieces of a part, and the same one letter on."""
        starts = generator.integers(0, len(part) - LENGTH, BATCH)
        pieces = part[starts[:, None] + np.arange(LENGTH + 1)]
        return pieces[:, :-1], pieces[:, 1:]


def python_help() -> Text:
    """The topics of Python's `help()`, one after the other; letters outside ASCII become spaces."""
    text = "\n".join(topics[name] for name in sorted(topics))
    return Text("".join(letter if letter.isascii() else " " for letter in text))


@dataclass
class Run:
    """What one training gave."""

    model: GPT
    losses: list[float] = field(default_factory=list)  # nats a letter, of each step
    tests: list[tuple[int, float]] = field(default_factory=list)  # after so many steps, on the test part
    seconds: list[float] = field(default_factory=list)  # of each step


def train(text: Text, steps: int) -> Run:
    """Train a new model."""
    lucid.seed(SEED)
    generator = np.random.default_rng(SEED)
    run = Run(GPT(len(text.alphabet)))
    optimizer = optim.AdamW(run.model.parameters(), lr=2e-3)
    fall = optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps - WARM_UP, 1))
    rise = optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=WARM_UP)
    schedule = optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], [WARM_UP])

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(run.model(x).flatten(0, 1), y.flatten())

    @lucid.compile
    def train_step(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        optimizer.step()
        return loss

    test_loss = lucid.compile(loss_of)
    progress = tqdm(range(steps), unit="step")
    for step in progress:
        start = time.perf_counter()
        run.losses.append(train_step(*text.batch(text.training, generator)).item())
        run.seconds.append(time.perf_counter() - start)
        schedule.step()
        if (step + 1) % 100 == 0 or step + 1 == steps:
            run.model.eval()
            with lucid.no_grad():
                losses = [test_loss(*text.batch(text.test, generator)).item() for _ in range(20)]
            run.model.train()
            run.tests.append((step + 1, float(np.mean(losses))))
            progress.set_postfix(test=f"{run.tests[-1][1]:.2f}")
    return run


def write(model: GPT, text: Text, start: str, count: int) -> str:
    """Continue a text by so many letters, each drawn from the probabilities that the model gives."""
    generator = np.random.default_rng(SEED)
    next_logits = lucid.compile(model.eval())
    written = [text.number[letter] for letter in start.rjust(LENGTH)]
    with lucid.no_grad():
        for _ in range(count):
            logits = next_logits(np.array([written[-LENGTH:]])).numpy()[0, -1].astype(np.float64)
            chances = np.exp(logits - logits.max())
            written.append(int(generator.choice(len(chances), p=chances / chances.sum())))
    return start + "".join(text.alphabet[number] for number in written[LENGTH:])


def plot(run: Run, path: Path) -> None:
    """Draw the loss of each step, and that on the test part."""
    matplotlib.use("Agg")  # draws into a file, without a screen
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot(run.losses, color="tab:orange", linewidth=0.8, alpha=0.7, label="learnt from")
    axes.plot(*zip(*run.tests, strict=True), color="black", marker="o", markersize=3, label="not seen")
    axes.set(xlabel="step", ylabel="nats a letter", title="A character GPT on the text of Python's help()")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a character GPT on the text of Python's help().")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"default: {STEPS}")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="default: demo-output")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps takes a positive number, got {options.steps}")
    text = python_help()
    run = train(text, options.steps)
    path = options.out / "character_gpt.png"
    plot(run, path)
    print(f"step      {1e3 * np.median(run.seconds):.1f} ms, in the median of {len(run.seconds)}")
    print(
        f"loss      {np.mean(run.losses[-100:]):.3f} nats a letter in training, {run.tests[-1][1]:.3f} on text not seen"
    )
    print(f"written   {path}\n")
    print(write(run.model, text, "The class statement ", 400))


if __name__ == "__main__":
    main()
