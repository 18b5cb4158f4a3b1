"""The workloads written by hand with NumPy: a single Linear, Dropout, and the matrix products of its BLAS."""

from __future__ import annotations

import numpy as np
import threadpoolctl
from singles import Arrays, Product, digest
from worker import Step, UnavailableError, serve
from workloads import Dropout, Images, Language, Sequences, Training, Workload

RANDOM = np.random.Generator(np.random.SFC64(0))  # the fastest of NumPy's bit generators


def build(workload: Workload, arrays: Arrays) -> Step:
    if isinstance(workload, Dropout):
        return _dropout(workload, arrays)
    if isinstance(workload, Product):
        return _product(workload, arrays)
    if isinstance(workload, Language | Images | Sequences) or workload.classifies:
        raise UnavailableError("written by hand for a single Linear only")
    return _linear(workload, arrays)


def _dropout(workload: Dropout, arrays: Arrays) -> Step:
    x, gradient = arrays["x"], arrays["gradient"]
    scale = np.float32(1 / (1 - workload.p))
    uniform, mask, y, x_gradient = (np.ones_like(x) for _ in range(4))

    def call() -> None:
        if workload.p:
            RANDOM.random(out=uniform, dtype=np.float32)
            np.greater_equal(uniform, workload.p, out=mask, casting="unsafe")
            np.multiply(mask, scale, out=mask)
        np.multiply(x, mask, out=y)
        np.multiply(gradient, mask, out=x_gradient)

    def run(count: int) -> None:
        for _ in range(count):
            call()

    def check() -> float:
        call()
        return digest(y) + digest(x_gradient)

    return Step(run, check)


def _linear(workload: Training, arrays: Arrays) -> Step:
    x, target, weight, bias = (arrays[name] for name in ("x", "y", "weight0", "bias0"))
    y, uniform = np.empty_like(target), np.empty_like(target)
    weight_gradient = np.empty_like(weight)
    p, rate = workload.p, np.float32(workload.learning_rate)
    scale, slope = np.float32(1 / (1 - p)), np.float32(2 / target.size)

    def call() -> float:
        np.matmul(x, weight.T, out=y)
        np.add(y, bias, out=y)
        if p:
            RANDOM.random(out=uniform, dtype=np.float32)
            mask = (uniform >= p) * scale
            np.multiply(y, mask, out=y)
        np.subtract(y, target, out=y)
        flat = y.ravel()
        loss = np.dot(flat, flat) / flat.size
        np.multiply(y, slope, out=y)
        if p:
            np.multiply(y, mask, out=y)
        np.matmul(y.T, x, out=weight_gradient)
        np.multiply(weight_gradient, rate, out=weight_gradient)
        np.subtract(weight, weight_gradient, out=weight)
        np.subtract(bias, np.add.reduce(y, axis=0) * rate, out=bias)
        return float(loss)

    def run(count: int) -> None:
        for _ in range(count * workload.updates):
            call()

    def check() -> float:
        losses = [call() for _ in range(workload.updates)]
        return losses[-1]

    return Step(run, check)


def _product(workload: Product, arrays: Arrays) -> Step:
    pairs = list(zip(arrays["left"], arrays["right"], strict=True))
    operands = [(*workload.operands(*pair), workload.multiply(*pair)) for pair in pairs]

    def run(count: int) -> None:
        for _ in range(count):
            for left, right, result in operands:
                np.matmul(left, right, out=result)

    def check() -> float:
        run(1)
        return digest(np.stack([result for _, _, result in operands]))

    return Step(run, check)


if __name__ == "__main__":
    blas = [f"{pool['internal_api']} {pool.get('architecture', '')}" for pool in threadpoolctl.threadpool_info()]
    serve(build, {"version": f"{np.__version__} ({', '.join(blas)})"})
