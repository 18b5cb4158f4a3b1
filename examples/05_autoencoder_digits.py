"""A variational autoencoder learns to draw digits: random numbers inside the compiled step, and a picture of the plane.

    python examples/05_autoencoder_digits.py [--epochs 100] [--out demo-output]

Kingma and Welling, "Auto-encoding variational Bayes", arXiv:1312.6114. The encoder gives each image a normal
distribution over points of a plane, the decoder draws an image for a point; the loss bounds the negative log-likelihood
of the image (their equation 10). Prints the bound on the test split, and writes a picture of what is drawn for the
points of a grid.
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
from lucid import Tensor
from lucid.data import DataLoader, TensorDataset

try:
    import matplotlib
    from sklearn.datasets import load_digits
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    sys.exit(f'The example needs {missing.name}, which is not installed.\n  hint: pip install "lucid-compiler[demo]"')

EPOCHS = 100
BATCH = 64
PIXELS, HIDDEN, LATENT = 64, 256, 2
TEST = 360  # images
SEED = 0

Array = np.ndarray


class Autoencoder(nn.Module):
    """Images of values from 0 to 1, (N, 64), to the bound of the negative log-likelihood of each, (N,), in nats."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, 2 * LATENT))
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, PIXELS)
        )

    def forward(self, images: Tensor) -> Tensor:
        mean, log_variance = self.encoder(images).chunk(2, -1)
        point = lucid.normal(mean, (0.5 * log_variance).exp())  # gradients flow into mean and standard deviation
        unlikely = F.binary_cross_entropy_with_logits(self.decoder(point), images, reduction="none").sum(-1)
        divergence = 0.5 * (mean * mean + log_variance.exp() - log_variance - 1.0).sum(-1)
        return unlikely + divergence


@dataclass
class Run:
    """What a training gave."""

    model: Autoencoder
    losses: list[float] = field(default_factory=list)  # the mean of each epoch
    seconds: list[float] = field(default_factory=list)  # of each step


def load_splits() -> tuple[Array, Array]:
    """Scans of digits, 64 pixels from 0 to 1 each: those to train on, and those to test on."""
    images = (load_digits().data / 16.0).astype("float32")
    return images[:-TEST], images[-TEST:]


def train(images: Array, epochs: int) -> Run:
    """Train a new model."""
    lucid.seed(SEED)
    run = Run(Autoencoder())
    optimizer = optim.Adam(run.model.parameters(), lr=2e-3)

    @lucid.compile
    def train_step(batch: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = run.model(batch).mean()
        loss.backward()
        optimizer.step()
        return loss

    loader = DataLoader(TensorDataset(images), batch_size=BATCH, shuffle=True, drop_last=True, seed=SEED)
    progress = tqdm(range(epochs), unit="epoch")
    for _ in progress:
        losses = []
        for (batch,) in loader:
            start = time.perf_counter()
            loss = train_step(batch)
            run.seconds.append(time.perf_counter() - start)
            losses.append(loss.item())
        run.losses.append(float(np.mean(losses)))
        progress.set_postfix(nats=f"{run.losses[-1]:.2f}")
    return run


def bound(model: Autoencoder, images: Array) -> float:
    """The mean bound over images, in nats, from one random point for each."""
    lucid.seed(SEED)
    with lucid.no_grad():
        return lucid.compile(model)(images).mean().item()


def plot(model: Autoencoder, images: Array, path: Path, side: int = 15) -> None:
    """Draw what the decoder makes of a grid of points, beside images and what becomes of them."""
    matplotlib.use("Agg")  # draws into a file, without a screen
    from matplotlib import pyplot

    line = lucid.linspace(-2.0, 2.0, side)
    grid = lucid.stack(lucid.meshgrid(line, line), -1).reshape(-1, LATENT)
    with lucid.no_grad():
        drawn = model.decoder(grid).sigmoid().numpy().reshape(side, side, 8, 8)
        again = model.decoder(model.encoder(images[:side])[:, :LATENT]).sigmoid().numpy()
    drawn = np.pad(drawn, ((0, 0), (0, 0), (1, 1), (1, 1)))  # digits stand apart
    figure, (left, right) = pyplot.subplots(ncols=2, figsize=(8.5, 7), width_ratios=(side, 2), layout="constrained")
    left.imshow(np.concatenate(np.concatenate(drawn, axis=1), axis=1), cmap="gray_r")
    left.set(title="the plane, from -2 to 2 both ways", xticks=[], yticks=[])
    pairs = np.concatenate([images[:side].reshape(-1, 8), again.reshape(-1, 8)], axis=1)
    right.imshow(pairs, cmap="gray_r")
    right.set(title="image, again", xticks=[], yticks=[])
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a variational autoencoder of scanned digits.")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default: {EPOCHS}")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="default: demo-output")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs takes a positive number, got {options.epochs}")
    training, test = load_splits()
    run = train(training, options.epochs)
    path = options.out / "autoencoder.png"
    plot(run.model, test, path)
    print(f"step      {1e6 * np.median(run.seconds):.0f} us, in the median of {len(run.seconds)}")
    seen, new = bound(run.model, training), bound(run.model, test)
    print(f"bound     {seen:.2f} nats an image in training, {new:.2f} on the test split")
    print(f"written   {path}")


if __name__ == "__main__":
    main()
