"""What `compare.py` measures: each workload is declared here once, with its data, its target and its floor.

The floor of a workload is a time that implementations hardly beat on this machine: the larger of its FLOPs over the
FMA peak and its bytes over the bandwidth of a large copy. The count is low, so that shares of the floor err low, too:

- FLOPs are those of the matrix products alone, 2 m n k each: the forward product of each layer, the gradient of its
  weight, and the gradient of its input except for the first layer of a perceptron, whose input needs none. Causal
  attention is counted below the diagonal, a convolution's products with its padding are counted.
- Bytes are those that have to move whatever is fused: inputs and everything that lives from step to step (weights,
  optimizer state) is read once, results and state are written once. Activations are taken to stay in the caches.
  Where all of it stays there, a step can beat this floor.

Targets were set for two threads, by what peers took with them. A row with another count is held against the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from singles import FLOAT_BYTES, Arrays, Convolution, Product, convolutions, products

SHARE_OF_FLOOR = 0.85  # meets a row's target wherever the target asks for more
TARGET_THREADS = 2  # the threads that the targets were set for


@dataclass(frozen=True)
class Dropout:
    """y = dropout(x) and the gradient of x for a given gradient of y, both of `size` elements."""

    name: str
    size: int
    p: float
    target: float | None = None
    busy = False
    updates = 1

    @property
    def title(self) -> str:
        return f"dropout {self.p:g} of {self.size} elements, forward + backward"

    def arrays(self) -> Arrays:
        random = np.random.default_rng(0)
        return {name: random.random(self.size, np.float32) for name in ("x", "gradient")}

    def flops(self) -> int:
        return 0

    def bytes(self) -> int:
        return 4 * self.size * FLOAT_BYTES  # reads x and the gradient, writes y and the gradient of x


@dataclass(frozen=True)
class Training:
    """One step of a perceptron: Linear layers, with ReLU between them, and Dropout behind all but the last of several.

    `features` are the widths from the input to the output. A single Linear has Dropout behind it and the mean square
    error to a target as its loss; several end in cross-entropy over classes. `updates` steps are one call.
    """

    name: str
    batch: int
    features: tuple[int, ...]
    p: float
    optimizer: str  # "sgd" or "adam"
    target: float | None = None  # of several updates a call: for each, against a peer's call for one
    updates: int = 1
    busy: bool = False  # measured with another process busy on one core, too

    # Small, so that thousands of steps on one batch stay training as usual: no vanishing losses, no denormal moments.
    learning_rate = 1e-4

    @property
    def classifies(self) -> bool:
        return len(self.features) > 2

    @property
    def title(self) -> str:
        widths = "-".join(map(str, self.features))
        network = f"MLP {widths}, ReLU" if self.classifies else f"Linear {widths}"
        dropout = f"Dropout {self.p:g}" if self.p else "no Dropout"
        repeated = f", {self.updates} updates a call" if self.updates > 1 else ""
        return f"{network}, {dropout}, batch {self.batch}, {self.optimizer}{repeated}"

    def layers(self) -> list[tuple[int, int]]:
        """The input and output widths of each Linear."""
        return list(pairwise(self.features))

    def arrays(self) -> Arrays:
        """A batch x and y, and the initial `weight0`, `bias0`, `weight1`, ..., laid out as in PyTorch."""
        random = np.random.default_rng(0)
        arrays: Arrays = {"x": random.random((self.batch, self.features[0]), np.float32)}
        if self.classifies:
            arrays["y"] = random.integers(0, self.features[-1], self.batch)
        else:
            arrays["y"] = random.random((self.batch, self.features[-1]), np.float32)
        for number, (inputs, outputs) in enumerate(self.layers()):
            bound = inputs**-0.5
            arrays[f"weight{number}"] = random.uniform(-bound, bound, (outputs, inputs)).astype(np.float32)
            arrays[f"bias{number}"] = random.uniform(-bound, bound, outputs).astype(np.float32)
        return arrays

    def flops(self) -> int:
        products = [2 * self.batch * inputs * outputs for inputs, outputs in self.layers()]
        return self.updates * (3 * sum(products) - products[0])

    def bytes(self) -> int:
        state = sum((inputs + 1) * outputs for inputs, outputs in self.layers())
        passes = {"sgd": 2, "adam": 6}[self.optimizer]  # reads and writes of weights and of both moments
        data = self.batch * (self.features[0] + (1 if self.classifies else self.features[-1]))
        return self.updates * (passes * state + data) * FLOAT_BYTES


@dataclass(frozen=True)
class Language:
    """One step of a GPT with Adam: cross-entropy of the next of `length` tokens, over `batch` texts. See `gpt.py`."""

    name: str
    p: float
    target: float | None = None
    busy = False
    updates = 1

    batch, length, width, heads, layers, vocabulary = 8, 64, 128, 4, 2, 96
    learning_rate = 1e-4  # small, as in Training

    @property
    def title(self) -> str:
        dropout = f"Dropout {self.p:g}" if self.p else "no Dropout"
        size = (
            f"{self.layers} layers, width {self.width}, {self.heads} heads, {self.length} tokens of {self.vocabulary}"
        )
        return f"GPT of {size}, {dropout}, batch {self.batch}, adam"

    def linears(self) -> dict[str, tuple[int, int]]:
        """The input and output widths of each Linear, by its name in the model."""
        width = self.width
        found = {}
        for layer in range(self.layers):
            found[f"blocks.{layer}.attention.1.inputs"] = width, 3 * width
            found[f"blocks.{layer}.attention.1.outputs"] = width, width
            found[f"blocks.{layer}.perceptron.1"] = width, 4 * width
            found[f"blocks.{layer}.perceptron.3"] = 4 * width, width
        return found | {"head.1": (width, self.vocabulary)}

    def norms(self) -> list[str]:
        """The names of the LayerNorms."""
        return [f"blocks.{layer}.{half}.0" for layer in range(self.layers) for half in ("attention", "perceptron")] + [
            "head.0"
        ]

    def arrays(self) -> Arrays:
        """Tokens x and those that follow them, y, and the initial weights by their names in the model."""
        random = np.random.default_rng(0)
        text = random.integers(0, self.vocabulary, (self.batch, self.length + 1))
        arrays: Arrays = {"x": text[:, :-1], "y": text[:, 1:]}
        for name, count in (("tokens", self.vocabulary), ("places", self.length)):
            arrays[f"{name}.weight"] = random.normal(0.0, 0.02, (count, self.width)).astype(np.float32)
        for name, (inputs, outputs) in self.linears().items():
            arrays[f"{name}.weight"] = random.normal(0.0, 0.02, (outputs, inputs)).astype(np.float32)
            arrays[f"{name}.bias"] = np.zeros(outputs, np.float32)
        for name in self.norms():
            arrays[f"{name}.weight"] = np.ones(self.width, np.float32)
            arrays[f"{name}.bias"] = np.zeros(self.width, np.float32)
        return arrays

    def weights(self) -> int:
        return sum(array.size for name, array in self.arrays().items() if name not in ("x", "y"))

    def flops(self) -> int:
        """Of the Linears and of attention below the diagonal; each product has two more in its backward."""
        linear = sum(2 * self.batch * self.length * inputs * outputs for inputs, outputs in self.linears().values())
        pairs = self.length * (self.length + 1) // 2
        attention = self.layers * self.batch * 2 * 2 * pairs * self.width  # scores and mixtures, in all heads
        return 3 * (linear + attention)

    def bytes(self) -> int:
        tokens = 2 * self.batch * self.length * 8
        return 6 * self.weights() * FLOAT_BYTES + tokens  # weights and both moments, read and written


@dataclass(frozen=True)
class Images:
    """One step of a convolutional network with Adam: cross-entropy of the classes of `batch` images. See `cnn.py`."""

    name: str
    p: float
    target: float | None = None
    busy = False
    updates = 1

    batch, size, channels, classes = 64, 28, (1, 16, 32), 10
    learning_rate = 1e-4  # small, as in Training

    @property
    def title(self) -> str:
        dropout = f"Dropout {self.p:g}" if self.p else "no Dropout"
        widths = "-".join(map(str, self.channels))
        return f"CNN {widths}, 3x3, ReLU, pools, {dropout}, batch {self.batch} of {self.size}x{self.size}, adam"

    @property
    def features(self) -> int:
        """Of the Linear: the last channels, each pool having halved the sides."""
        return self.channels[-1] * (self.size >> len(self.channels) - 1) ** 2

    def arrays(self) -> Arrays:
        """Images x, their classes y, and the initial weights by their names in the model."""
        random = np.random.default_rng(0)
        arrays: Arrays = {
            "x": random.random((self.batch, self.channels[0], self.size, self.size), np.float32),
            "y": random.integers(0, self.classes, self.batch),
        }
        shapes = [(outputs, inputs, 3, 3) for inputs, outputs in pairwise(self.channels)]
        names = [f"0.{3 * number}" for number in range(len(shapes))]
        for name, shape in zip([*names, "2"], [*shapes, (self.classes, self.features)], strict=True):
            bound = float(np.prod(shape[1:])) ** -0.5
            arrays[f"{name}.weight"] = random.uniform(-bound, bound, shape).astype(np.float32)
            arrays[f"{name}.bias"] = random.uniform(-bound, bound, shape[0]).astype(np.float32)
        return arrays

    def flops(self) -> int:
        """Two for each weight at each position, padding included, and again for each gradient: the images need none."""
        total = 3 * 2 * self.batch * self.features * self.classes
        for number, (inputs, outputs) in enumerate(pairwise(self.channels)):
            positions = self.batch * (self.size >> number) ** 2
            total += (3 if number else 2) * 2 * positions * outputs * inputs * 9
        return total

    def bytes(self) -> int:
        arrays = self.arrays()
        data = arrays.pop("x").nbytes + arrays.pop("y").nbytes
        return 6 * sum(array.nbytes for array in arrays.values()) + data  # weights and both moments, read and written


@dataclass(frozen=True)
class Sequences:
    """One step of an LSTM with Adam: the mean square error of all hidden states, over `batch` sequences."""

    name: str
    target: float | None = None
    p: float = 0.0
    busy = False
    updates = 1

    batch, length, features, hidden = 32, 64, 64, 128
    learning_rate = 1e-4  # small, as in Training

    @property
    def title(self) -> str:
        return f"LSTM {self.features}-{self.hidden}, {self.length} elements, batch {self.batch}, adam"

    def arrays(self) -> Arrays:
        """Sequences x, targets y of the hidden states, and the initial weights by their names in the layer."""
        random = np.random.default_rng(0)
        arrays: Arrays = {
            "x": random.random((self.length, self.batch, self.features), np.float32),
            "y": random.random((self.length, self.batch, self.hidden), np.float32),
        }
        bound, rows = self.hidden**-0.5, 4 * self.hidden
        shapes = {"weight_ih": (rows, self.features), "weight_hh": (rows, self.hidden)}
        for name, shape in {**shapes, "bias_ih": (rows,), "bias_hh": (rows,)}.items():
            arrays[f"{name}_l0"] = random.uniform(-bound, bound, shape).astype(np.float32)
        return arrays

    def flops(self) -> int:
        """Of the products with elements and with hidden states, and their gradients: the elements need none."""
        return 2 * self.batch * self.length * 4 * self.hidden * (2 * self.features + 3 * self.hidden)

    def bytes(self) -> int:
        arrays = self.arrays()
        data = arrays.pop("x").nbytes + arrays.pop("y").nbytes
        return 6 * sum(array.nbytes for array in arrays.values()) + data  # weights and both moments, read and written


Workload = Dropout | Training | Language | Images | Sequences | Product | Convolution


def without_dropout(workload: Workload) -> Workload:
    """The same computation, made comparable between random number generators."""
    return workload if isinstance(workload, Product | Convolution) else replace(workload, p=0.0)


def _trainings() -> list[Training]:
    """Each step without Dropout and with it: in this order, losses without it are known when they are compared."""
    with_dropout = [
        Training("linear-4-2", 1, (4, 2), 0.5, "sgd", 4.0),
        Training("linear-784-256", 64, (784, 256), 0.5, "sgd", 1.8),
        Training("linear-1024-1024", 512, (1024, 1024), 0.5, "sgd", 1.3),
        Training("mlp-b64", 64, (784, 512, 512, 10), 0.5, "adam", 1.7),
        Training("mlp-b512", 512, (784, 512, 512, 10), 0.5, "adam", 1.4, busy=True),
    ]
    targets_without = {"mlp-b64": 1.5, "mlp-b512": 1.25}
    trainings = []
    repeated = replace(with_dropout[0], name="linear-4-2-repeat", target=20.0, updates=1000)
    for workload in [*with_dropout, repeated]:
        off = replace(
            workload, name=f"{workload.name}-off", p=0.0, target=targets_without.get(workload.name), busy=False
        )
        trainings += [off, workload]
    return trainings


_LANGUAGE = [Language("gpt-off", 0.0, 1.6), Language("gpt", 0.1, 2.0)]
_IMAGES = [Images("cnn-off", 0.0), Images("cnn", 0.5, 3.0)]
_SEQUENCES = [Sequences("lstm")]
_ALL: list[Workload] = [
    Dropout("dropout", 2**22, 0.5, 10.0),
    *_trainings(),
    *_LANGUAGE,
    *_IMAGES,
    *_SEQUENCES,
    *products(),
    *convolutions(),
]
WORKLOADS = {workload.name: workload for workload in _ALL}
