"""The workloads with JAX: the whole step under one `jit`, its state donated. The argument names the generator."""

from __future__ import annotations

import functools
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from singles import Arrays, Product, digest
from worker import Step, serve
from workloads import Dropout, Images, Language, Sequences, Training, Workload

jax.config.update("jax_default_matmul_precision", "highest")  # on a GPU, float32 would be computed as TF32

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def dropout(key: jax.Array, x: jax.Array, p: float) -> jax.Array:
    if p == 0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - p, x.shape), x * (1 / (1 - p)), 0)


def build(workload: Workload, arrays: Arrays) -> Step:
    if isinstance(workload, Dropout):
        return _dropout(workload, arrays)
    if isinstance(workload, Language):
        return _language(workload, arrays)
    if isinstance(workload, Images):
        return _images(workload, arrays)
    if isinstance(workload, Sequences):
        return _sequences(workload, arrays)
    if isinstance(workload, Product):
        return _product(workload, arrays)
    assert isinstance(workload, Training), "convolutions are compared with PyTorch alone"
    return _training(workload, arrays)


def _dropout(workload: Dropout, arrays: Arrays) -> Step:
    x, gradient = jnp.asarray(arrays["x"]), jnp.asarray(arrays["gradient"])
    key = jax.random.key(0)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(key: jax.Array, x: jax.Array, gradient: jax.Array) -> Any:
        key, drawn = jax.random.split(key)
        y, pullback = jax.vjp(lambda x: dropout(drawn, x, workload.p), x)
        return key, y, *pullback(gradient)

    def run(count: int) -> None:
        nonlocal key
        for _ in range(count):
            key, _, x_gradient = step(key, x, gradient)
        x_gradient.block_until_ready()

    def check() -> float:
        nonlocal key
        key, y, x_gradient = step(key, x, gradient)
        return digest(np.asarray(y)) + digest(np.asarray(x_gradient))

    return Step(run, check)


def _training(workload: Training, arrays: Arrays) -> Step:
    layers = len(workload.layers())
    dropouts = max(1, layers - 1)
    x, y = jnp.asarray(arrays["x"]), jnp.asarray(arrays["y"])
    rate = workload.learning_rate

    def loss_of(weights: Any, keys: list[jax.Array], x: jax.Array, y: jax.Array) -> jax.Array:
        for number, (weight, bias) in enumerate(weights):
            x = x @ weight.T + bias
            last = number + 1 == layers
            if workload.classifies and not last:
                x = jax.nn.relu(x)
            if not (workload.classifies and last):
                x = dropout(keys[number], x, workload.p)
        if workload.classifies:
            return -jnp.mean(jnp.sum(jax.nn.one_hot(y, x.shape[-1]) * jax.nn.log_softmax(x), axis=-1))
        return jnp.mean((x - y) ** 2)

    def update(state: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        weights, moments, key = state
        key, *keys = jax.random.split(key, 1 + dropouts)
        loss, gradients = jax.value_and_grad(loss_of)(weights, keys, x, y)
        if workload.optimizer == "adam":
            weights, moments = adam(weights, moments, gradients, rate)
        else:
            weights = jax.tree.map(lambda weight, gradient: weight - rate * gradient, weights, gradients)
        return (weights, moments, key), loss

    weights = [(jnp.asarray(arrays[f"weight{i}"]), jnp.asarray(arrays[f"bias{i}"])) for i in range(layers)]
    zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    moments = (*zeros, jnp.zeros((), jnp.int32)) if workload.optimizer == "adam" else None
    state = (weights, moments, jax.random.key(0))
    if workload.updates == 1:
        step = jax.jit(update, donate_argnums=0)
    else:
        x, y = (jnp.stack([array] * workload.updates) for array in (x, y))

        @functools.partial(jax.jit, donate_argnums=0)
        def step(state: Any, xs: jax.Array, ys: jax.Array) -> Any:
            return jax.lax.scan(lambda state, batch: update(state, *batch), state, (xs, ys))

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, loss = step(state, x, y)
        loss.block_until_ready()

    def check() -> float:
        nonlocal state
        state, loss = step(state, x, y)
        return float(np.ravel(loss)[-1])

    return Step(run, check)


def _language(workload: Language, arrays: Arrays) -> Step:
    x, y = jnp.asarray(arrays.pop("x")), jnp.asarray(arrays.pop("y"))
    batch, length, width, heads = workload.batch, workload.length, workload.width, workload.heads
    allowed = jnp.tril(jnp.ones((length, length), bool))

    def normalized(weights: Any, name: str, x: jax.Array) -> jax.Array:
        centered = x - x.mean(-1, keepdims=True)
        scaled = centered * jax.lax.rsqrt((centered * centered).mean(-1, keepdims=True) + 1e-5)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def linear(weights: Any, name: str, x: jax.Array) -> jax.Array:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def loss_of(weights: Any, keys: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        keys = iter(keys)
        h = dropout(next(keys), weights["tokens.weight"][x] + weights["places.weight"], workload.p)
        for layer in range(workload.layers):
            block = f"blocks.{layer}"
            inputs = linear(weights, f"{block}.attention.1.inputs", normalized(weights, f"{block}.attention.0", h))
            query, key, value = (
                part.reshape(batch, length, heads, width // heads).swapaxes(1, 2) for part in jnp.split(inputs, 3, -1)
            )
            scores = jnp.where(allowed, query @ key.swapaxes(-1, -2) / (width // heads) ** 0.5, -jnp.inf)
            mixed = dropout(next(keys), jax.nn.softmax(scores), workload.p) @ value
            mixed = mixed.swapaxes(1, 2).reshape(batch, length, width)
            h = h + dropout(next(keys), linear(weights, f"{block}.attention.1.outputs", mixed), workload.p)
            inner = linear(weights, f"{block}.perceptron.1", normalized(weights, f"{block}.perceptron.0", h))
            outer = linear(weights, f"{block}.perceptron.3", jax.nn.gelu(inner, approximate=False))
            h = h + dropout(next(keys), outer, workload.p)
        logits = jax.nn.log_softmax(linear(weights, "head.1", normalized(weights, "head.0", h)))
        return -jnp.take_along_axis(logits, y[..., None], -1).mean()

    return _stepping(loss_of, arrays, x, y, workload.learning_rate, dropouts=1 + 3 * workload.layers)


def _images(workload: Images, arrays: Arrays) -> Step:
    """Channels stand last, which is faster here; a pool is a maximum over a reshaped array, faster than reduce_window,
    whose gradient scatters."""
    x, y = jnp.asarray(arrays.pop("x").transpose(0, 2, 3, 1)), jnp.asarray(arrays.pop("y"))
    *convolutions, linear = (name.removesuffix(".weight") for name in arrays if name.endswith(".weight"))

    def loss_of(weights: Any, keys: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        for name in convolutions:
            kernel = weights[f"{name}.weight"].transpose(2, 3, 1, 0)
            x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + weights[f"{name}.bias"])
            batch, height, width, channels = x.shape
            x = x.reshape(batch, height // 2, 2, width // 2, 2, channels).max((2, 4))
        flat = dropout(keys[0], x.transpose(0, 3, 1, 2).reshape(len(x), -1), workload.p)
        logits = jax.nn.log_softmax(flat @ weights[f"{linear}.weight"].T + weights[f"{linear}.bias"])
        return -jnp.take_along_axis(logits, y[:, None], -1).mean()

    return _stepping(loss_of, arrays, x, y, workload.learning_rate, dropouts=1)


def _sequences(workload: Sequences, arrays: Arrays) -> Step:
    """The elements are multiplied at once, outside of the scan."""
    x, y = jnp.asarray(arrays.pop("x")), jnp.asarray(arrays.pop("y"))
    zeros = jnp.zeros((workload.batch, workload.hidden))

    def loss_of(weights: Any, keys: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        def cell(state: Any, gates: jax.Array) -> Any:
            hidden, memory = state
            i, f, g, o = jnp.split(gates + hidden @ weights["weight_hh_l0"].T, 4, -1)
            memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(g)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(memory)
            return (hidden, memory), hidden

        gates = x @ weights["weight_ih_l0"].T + (weights["bias_ih_l0"] + weights["bias_hh_l0"])
        _, hidden = jax.lax.scan(cell, (zeros, zeros), gates)
        return jnp.mean((hidden - y) ** 2)

    return _stepping(loss_of, arrays, x, y, workload.learning_rate, dropouts=0)


def _product(workload: Product, arrays: Arrays) -> Step:
    lefts, rights = ([jnp.asarray(array) for array in arrays[name]] for name in ("left", "right"))

    @jax.jit
    def products(lefts: list[jax.Array], rights: list[jax.Array]) -> list[jax.Array]:
        return [workload.multiply(left, right) for left, right in zip(lefts, rights, strict=True)]

    def run(count: int) -> None:
        for _ in range(count):
            results = products(lefts, rights)
        jax.block_until_ready(results)

    return Step(run, lambda: digest(np.stack([np.asarray(result) for result in products(lefts, rights)])))


def _stepping(loss_of: Any, arrays: Arrays, x: jax.Array, y: jax.Array, rate: float, dropouts: int) -> Step:
    """Steps of Adam on a loss of weights, a key for each dropout, x and y."""

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: Any, x: jax.Array, y: jax.Array) -> Any:
        weights, moments, key = state
        key, *keys = jax.random.split(key, 1 + dropouts)
        loss, gradients = jax.value_and_grad(loss_of)(weights, keys, x, y)
        weights, moments = adam(weights, moments, gradients, rate)
        return (weights, moments, key), loss

    weights = {name: jnp.asarray(array) for name, array in arrays.items()}
    zeros = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
    state = (weights, (*zeros, jnp.zeros((), jnp.int32)), jax.random.key(0))

    def run(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, loss = step(state, x, y)
        loss.block_until_ready()

    def check() -> float:
        nonlocal state
        state, loss = step(state, x, y)
        return float(loss)

    return Step(run, check)


def adam(weights: Any, moments: Any, gradients: Any, rate: float) -> Any:
    mean, square, count = moments
    count = count + 1
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, gradients)
    square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, square, gradients)
    step_size, correction = rate / (1 - BETA1**count), jnp.sqrt(1 - BETA2**count)
    weights = jax.tree.map(
        lambda w, m, v: w - step_size * m / (jnp.sqrt(v) / correction + EPSILON), weights, mean, square
    )
    return weights, (mean, square, count)


if __name__ == "__main__":
    jax.config.update("jax_default_prng_impl", sys.argv[2])
    serve(build, {"version": jax.__version__})
