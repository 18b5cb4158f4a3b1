"""A convolutional network learns to tell pictures apart: compiled steps, and a picture of what it gets wrong.

    python examples/03_cnn.py [--data fashion-mnist | digits | FOLDER] [--epochs 3] [--out demo-output]

`fashion-mnist` are 70,000 pictures of clothes, 28x28 (Xiao, Rasul and Vollgraf, arXiv:1708.07747), from the folder
/usr/share/datasets/fashion-mnist, where Debian's package dataset-fashion-mnist puts them, or from the folder that is
given: four files as the authors publish them. `digits` are 1,797 scans of 8x8 that scikit-learn brings along.
"""

import argparse
import gzip
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
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    sys.exit(f'The example needs {missing.name}, which is not installed.\n  hint: pip install "lucid-compiler[demo]"')

FASHION = Path("/usr/share/datasets/fashion-mnist")
CLOTHES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
BATCH = 64
SEED = 0
CHUNK = 500  # test images at a time

Array = np.ndarray


@dataclass
class Data:
    """Images (N, 1, H, W) of values from 0 to 1 and their labels, to train on and to test on, and the labels' names."""

    images: Array
    labels: Array
    test_images: Array
    test_labels: Array
    names: list[str]


@dataclass
class Run:
    """What a training gave."""

    model: nn.Module
    losses: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of each step


def read_idx(path: Path) -> Array:
    """The array in a compressed IDX file of bytes: a magic number that ends in its axes, the extents, the elements."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\0\0\x08":
        sys.exit(f"{path} is not an IDX file of bytes.")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def load_fashion(folder: Path) -> Data:
    """The pictures of clothes in a folder."""
    parts = []
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            path = folder / f"{part}-{kind}-ubyte.gz"
            if not path.exists():
                sys.exit(
                    f"{path} is missing.\n  hint: install Debian's package dataset-fashion-mnist, name a folder with "
                    "--data FOLDER, or take the small pictures of scikit-learn with --data digits"
                )
            parts.append(read_idx(path))
    images, labels, test_images, test_labels = parts
    scaled = [(array[:, None] / 255.0).astype("float32") for array in (images, test_images)]
    return Data(scaled[0], labels.astype("int64"), scaled[1], test_labels.astype("int64"), CLOTHES)


def load_digits() -> Data:
    """The scans of digits of scikit-learn, every fifth to test on."""
    try:
        from sklearn import datasets
    except ModuleNotFoundError:
        sys.exit('The digits need sklearn, which is not installed.\n  hint: pip install "lucid-compiler[demo]"')
    images, labels = datasets.load_digits(return_X_y=True)
    images = (images / 16.0).astype("float32").reshape(-1, 1, 8, 8)
    test = np.arange(len(images)) % 5 == 0
    return Data(images[~test], labels[~test], images[test], labels[test], list("0123456789"))


def network(size: int, classes: int) -> nn.Module:
    """A network for square pictures of a size that 4 divides."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * (size // 4) ** 2, classes),
    )


def train(data: Data, epochs: int) -> Run:
    """Train a network on whole batches in a new order each epoch."""
    lucid.seed(SEED)
    run = Run(network(data.images.shape[-1], len(data.names)))
    optimizer = optim.Adam(run.model.parameters(), lr=2e-3)
    loader = DataLoader(TensorDataset(data.images, data.labels), BATCH, shuffle=True, drop_last=True, seed=SEED)

    @lucid.compile
    def train_step(images: Tensor, labels: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(run.model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    with tqdm(total=epochs * len(loader), desc="training", unit="step") as progress:
        for _ in range(epochs):
            for images, labels in loader:
                start = time.perf_counter()
                run.losses.append(train_step(images, labels).item())
                run.seconds.append(time.perf_counter() - start)
                progress.set_postfix(loss=f"{run.losses[-1]:.3f}", refresh=False)
                progress.update()
    return run


def predict(model: nn.Module, images: Array) -> Array:
    """The label with the largest logit, for each image."""
    logits = lucid.compile(model.eval())
    found = []
    with lucid.no_grad():
        for start in range(0, len(images), CHUNK):
            found.append(logits(images[start : start + CHUNK]).numpy().argmax(axis=1))
    return np.concatenate(found)


def plot(run: Run, data: Data, predicted: Array, path: Path) -> None:
    """Draw the loss, and some of the test images that the network gets wrong."""
    matplotlib.use("Agg")  # draws into a file, without a screen
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(9, 4.5), layout="constrained")
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    axes.plot(run.losses, color="tab:blue", linewidth=0.6)
    axes.set(xlabel="step", ylabel="cross-entropy of the batch", yscale="log")
    right.suptitle("taken for something else")
    wrong = np.flatnonzero(predicted != data.test_labels)
    for cell, which in zip(right.subplots(3, 4).flat, wrong[:12], strict=False):
        cell.imshow(data.test_images[which, 0], cmap="gray_r")
        is_, seems = data.names[data.test_labels[which]], data.names[predicted[which]]
        cell.set_title(f"{is_}: {seems}", fontsize=7)
    for cell in right.axes:
        cell.axis("off")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a convolutional network by compiled steps.")
    parser.add_argument("--data", default="fashion-mnist", help="fashion-mnist, digits or a folder; default: the first")
    parser.add_argument("--epochs", type=int, default=3, help="default: 3")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="default: demo-output")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs takes a positive number, got {options.epochs}")

    if options.data == "digits":
        data = load_digits()
    else:
        data = load_fashion(FASHION if options.data == "fashion-mnist" else Path(options.data))
    print(f"{len(data.images)} pictures to train on, {len(data.test_images)} to test")
    run = train(data, options.epochs)
    predicted = predict(run.model, data.test_images)

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "cnn.png"
    plot(run, data, predicted, path)
    first, *later = run.seconds
    print(f"step      {1e3 * np.median(later):.2f} ms, in the median; the first took {first:.2f} s")
    print(f"written   {path}")
    print(f"accuracy  {(predicted == data.test_labels).mean():.4f} on the test pictures")


if __name__ == "__main__":
    main()
