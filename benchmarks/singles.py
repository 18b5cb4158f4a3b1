"""Single products and convolutions: rows of `compare.py` beside the steps that `workloads.py` declares."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]
FLOAT_BYTES = 4  # all workloads are float32
CUBE, CUBE_SHARE = "product-512-512-512-", 0.9  # the products of cubes, and their target: that much of the FMA peak


@dataclass(frozen=True)
class Product:
    """A matrix product of a Linear with x (m, k), weight (n, k) and gradient (m, n), or several independent ones.

    `form` says which: "forward" is x @ weight.T, "weight" gradient.T @ x, "input" gradient @ weight. One call makes
    `updates` of them with operands of their own, so that what is measured is the product and not the call.
    """

    name: str
    m: int
    k: int
    n: int
    form: str
    target = None  # the products as a whole have one: their geometric mean, and the worst of them
    busy = False
    p = 0.0

    @property
    def title(self) -> str:
        m, k, n = self.m, self.k, self.n
        shapes = {"forward": f"{m}x{k} by {k}x{n}T", "weight": f"{n}x{m}T by {m}x{k}", "input": f"{m}x{n} by {n}x{k}"}
        return f"{self.form}, {shapes[self.form]}"

    @property
    def updates(self) -> int:
        return max(1, min(16, 50_000_000 // (2 * self.m * self.k * self.n)))

    def operand_shapes(self) -> tuple[tuple[int, int], tuple[int, int]]:
        x, weight, gradient = (self.m, self.k), (self.n, self.k), (self.m, self.n)
        return {"forward": (x, weight), "weight": (gradient, x), "input": (gradient, weight)}[self.form]

    def multiply(self, left: Any, right: Any) -> Any:
        """The product, of arrays or tensors of any framework."""
        left, right = self.operands(left, right)
        return left @ right

    def operands(self, left: Any, right: Any) -> tuple[Any, Any]:
        """The factors as they are multiplied."""
        return left.T if self.form == "weight" else left, right.T if self.form == "forward" else right

    def arrays(self) -> Arrays:
        random = np.random.default_rng(0)
        left, right = self.operand_shapes()
        return {
            "left": random.random((self.updates, *left), np.float32),
            "right": random.random((self.updates, *right), np.float32),
        }

    def flops(self) -> int:
        return self.updates * 2 * self.m * self.k * self.n

    def bytes(self) -> int:
        return self.updates * (self.m * self.k + self.n * self.k + self.m * self.n) * FLOAT_BYTES


@dataclass(frozen=True)
class Convolution:
    """A convolution of square images (batch, inputs, size, size), as wide as they are where its stride is 1, no bias.

    `form` says what of it: "forward", or the gradient of the "image" or of the "weight" for a gradient of the result.
    """

    inputs: int
    outputs: int
    kernel: int
    size: int
    form: str
    stride: int = 1
    groups: int = 1
    target = None
    busy = False
    p = 0.0
    updates = 1

    batch = 8

    @property
    def name(self) -> str:
        sizes = f"{self.inputs}-{self.outputs}-{self.kernel}-{self.size}-{self.stride}-{self.groups}"
        return f"convolution-{sizes}-{self.form}"

    @property
    def title(self) -> str:
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        groups = f" in {self.groups} groups" if self.groups > 1 else ""
        kind = f"{self.kernel}x{self.kernel}{groups}{stride}"
        return f"{self.form}, {self.inputs} to {self.outputs} channels, {kind}, on {self.size}x{self.size}"

    @property
    def padding(self) -> int:
        return self.kernel // 2

    @property
    def positions(self) -> int:
        """Of the result, in each direction."""
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    def arrays(self) -> Arrays:
        """All three arrays, of which a form reads two."""
        random = np.random.default_rng(0)
        shapes = {
            "image": (self.batch, self.inputs, self.size, self.size),
            "weight": (self.outputs, self.inputs // self.groups, self.kernel, self.kernel),
            "gradient": (self.batch, self.outputs, self.positions, self.positions),
        }
        return {name: random.random(shape, np.float32) for name, shape in shapes.items()}

    def flops(self) -> int:
        """Of all forms the same, products with padding included."""
        weight = self.outputs * self.inputs // self.groups * self.kernel**2
        return 2 * self.batch * self.positions**2 * weight

    def bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays().values())


def digest(array: npt.NDArray[Any]) -> float:
    """A number that two arrays of positive elements share where they are equal up to rounding, order included."""
    flat = np.asarray(array, np.float64).ravel()
    return float(flat @ np.linspace(1.0, 2.0, flat.size))


def products() -> list[Product]:
    """The products of the steps above, and a cube."""
    shapes = [
        (batch, inputs, outputs)
        for batch, features in [(64, (784, 256)), (512, (1024, 1024)), *((b, (784, 512, 512, 10)) for b in (64, 512))]
        for inputs, outputs in pairwise(features)
    ]
    found = [
        Product(f"product-{m}-{k}-{n}-{form}", m, k, n, form)
        for m, k, n in shapes
        for form in ("forward", "weight", "input")
    ]
    named = {product.name: product for product in found}  # the cube 512-512-512 is a layer of the MLP
    return list(named.values())


def convolutions() -> list[Convolution]:
    """Those of ResNet-18, of MobileNet, and of ResNeXt."""
    sizes = [
        (3, 64, 7, 224, 2, 1),
        (64, 64, 3, 56, 1, 1),
        (64, 128, 3, 56, 2, 1),
        (64, 128, 1, 56, 2, 1),
        (128, 128, 3, 28, 1, 1),
        (256, 256, 3, 14, 1, 1),
        (512, 512, 3, 7, 1, 1),
        (3, 32, 3, 224, 2, 1),
        (32, 32, 3, 112, 1, 32),
        (32, 64, 1, 112, 1, 1),
        (256, 256, 3, 28, 1, 256),
        (256, 256, 1, 28, 1, 1),
        (512, 512, 3, 14, 2, 512),
        (512, 512, 1, 14, 1, 1),
        (1024, 1024, 3, 7, 1, 1024),
        (1024, 1024, 1, 7, 1, 1),
        (256, 256, 3, 14, 1, 32),
    ]
    return [
        Convolution(inputs, outputs, kernel, size, form, stride, groups)
        for inputs, outputs, kernel, size, stride, groups in sizes
        for form in ("forward", "image", "weight")
    ]
