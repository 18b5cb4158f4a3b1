"""Matrix products of Lucid against those of NumPy's OpenBLAS, without what a call from Python costs.

    python benchmarks/products.py [--threads 1,2] [--only linears,vectors] [--below 0.95]

Both are called from native loops: of Lucid the entry of a compiled graph of one product, of OpenBLAS the function that
`numpy.matmul` calls, `cblas_sgemm`, or `cblas_sgemv` where an operand is a vector. Samples of both take turns.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import threadpoolctl
from cores import Cores

import lucid
from lucid.codegen.cpu.machine import assemble, load, machine
from lucid.codegen.cpu.target import CPUTarget
from lucid.ir.passes.order import order
from lucid.ir.text import parse

SAMPLE_SECONDS = 5e-4
SAMPLES = 15
TURNS = 3
LONG = 0.1  # seconds of a product that is sampled once a turn
PAUSE = 0.2  # seconds between turns of several threads: OpenBLAS's idle ones spin for 0.11, and hold their cores

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112  # of the CBLAS

# Names in the libraries that wheels of NumPy carry and that distributions ship, the first two with 64-bit sizes.
NAMES = "scipy_cblas_{}64_", "cblas_{}64_", "scipy_cblas_{}", "cblas_{}"


@dataclass(frozen=True)
class Product:
    """C = A B for each of a batch, A (m, k) and B (k, n), either read transposed; float32."""

    batch: int
    m: int
    k: int
    n: int
    a: bool = False
    b: bool = False

    @property
    def title(self) -> str:
        batch = f"{self.batch} x " if self.batch > 1 else ""
        return f"{batch}{self.m}x{self.k}{'T' if self.a else ' '} by {self.k}x{self.n}{'T' if self.b else ' '}"

    @property
    def flops(self) -> int:
        return 2 * self.batch * self.m * self.k * self.n

    def arrays(self) -> list[np.ndarray[Any, Any]]:
        shapes = (self.k, self.m) if self.a else (self.m, self.k), (self.n, self.k) if self.b else (self.k, self.n)
        random = np.random.default_rng(0)
        operands = [random.random((self.batch, *shape), np.float32) for shape in shapes]
        return [*operands, np.zeros((self.batch, self.m, self.n), np.float32)]


def transposed(batch: int, m: int, k: int, n: int) -> Iterator[Product]:
    """In all four layouts."""
    for a, b in itertools.product((False, True), repeat=2):
        yield Product(batch, m, k, n, a, b)


def linears() -> Iterator[Product]:
    """The products of Linear layers, forward and for both gradients."""
    for m, k, n in [
        (64, 784, 256),
        (512, 1024, 1024),
        *((batch, k, n) for batch in (64, 512) for k, n in ((784, 512), (512, 512), (512, 10))),
        *((512, k, n) for k, n in ((128, 384), (128, 128), (128, 512), (512, 128), (128, 65))),
    ]:
        yield Product(1, m, k, n, b=True)
        yield Product(1, n, m, k, a=True)
        yield Product(1, m, n, k)


def short() -> Iterator[Product]:
    """Those of `linears` that take less than ten microseconds: of the last layer of a classifier."""
    m, k, n = 64, 512, 10
    yield Product(1, m, k, n, b=True)
    yield Product(1, n, m, k, a=True)
    yield Product(1, m, n, k)


def narrow() -> Iterator[Product]:
    """Few rows or columns of a result."""
    for few in (1, 2, 3, 5, 8, 10, 16, 17, 31, 33):
        yield from transposed(1, 256, 512, few)
        yield from transposed(1, few, 512, 256)


def shallow() -> Iterator[Product]:
    """Few products to sum."""
    for few in (1, 2, 3, 5, 8, 10, 16, 17, 31, 33):
        yield from transposed(1, 256, few, 256)


def vectors() -> Iterator[Product]:
    """A matrix by a vector, either way, within the caches and beyond."""
    for m, k in ((10, 10), (64, 64), (128, 1000), (1000, 128), (512, 512), (1024, 1024), (4096, 4096)):
        yield from transposed(1, m, k, 1)
        yield from transposed(1, 1, m, k)
    yield Product(1, 1, 100_000, 1)
    yield from (Product(1, 1, k, 1) for k in (64, 1024))


def tiny() -> Iterator[Product]:
    """Squares and their neighbours up to 33."""
    for size in (1, 2, 3, 4, 5, 8, 10, 16, 17, 24, 31, 33):
        yield from transposed(1, size, size, size)
    for m, k, n in ((1, 4, 2), (4, 64, 64), (16, 3, 64), (2, 17, 31), (31, 2, 17), (33, 5, 10), (8, 64, 1), (3, 31, 3)):
        yield Product(1, m, k, n)
        yield Product(1, m, k, n, b=True)
        yield Product(1, m, k, n, a=True)


def batches() -> Iterator[Product]:
    """Attention, and many small matrices."""
    for batch, m, k in ((32, 64, 32), (32, 128, 64), (16, 256, 64), (64, 100, 16)):
        yield Product(batch, m, k, m, b=True)  # scores
        yield Product(batch, m, m, k)  # weighted values, and the gradient of the queries
        yield Product(batch, m, m, k, a=True)  # the gradients of keys and values
    for size in (2, 4, 8, 16, 32):
        yield from transposed(256, size, size, size)
    yield Product(64, 1, 64, 64)
    yield Product(64, 64, 64, 1)


def squares() -> Iterator[Product]:
    """Cubes, and sizes that fit no tile."""
    for size in (64, 100, 128, 256, 512, 1000, 1024):
        yield from transposed(1, size, size, size)
    for m, k, n in ((100, 1000, 17), (1000, 31, 100), (33, 256, 1000), (513, 511, 127), (1000, 64, 64), (64, 1024, 64)):
        yield from transposed(1, m, k, n)


def large() -> Iterator[Product]:
    """Beyond the caches, as a Linear has them, forward and for both gradients."""
    for m, k, n in ((1536, 1536, 1536), (2048, 2048, 2048), (4096, 4096, 4096), (8192, 2048, 2048)):
        yield Product(1, m, k, n, b=True)
        yield Product(1, n, m, k, a=True)
        yield Product(1, m, n, k)


GROUPS: dict[str, Callable[[], Iterator[Product]]] = {
    function.__name__: function
    for function in (linears, short, squares, large, batches, narrow, shallow, vectors, tiny)
}


class Blas:
    """OpenBLAS, called in native loops."""

    def __init__(self) -> None:
        found = [pool for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"]
        if not found:
            raise SystemExit("products.py compares with OpenBLAS, and this NumPy does not use it.")
        self.about = f"OpenBLAS {found[0]['version']} for {found[0]['architecture']}"
        library = ctypes.CDLL(found[0]["filepath"])
        pattern = next(name for name in NAMES if hasattr(library, name.format("sgemm")))
        self.addresses = {
            name: ctypes.cast(getattr(library, pattern.format(name)), ctypes.c_void_p).value
            for name in ("sgemm", "sgemv")
        }
        size, self.size = ("i64", ctypes.c_int64) if "64" in pattern else ("i32", ctypes.c_int32)
        triple, layout = machine().layout()
        text = _LOOPS.format(triple=triple, layout=layout, size=size)
        self.loops, self.loaded = load(machine(), [assemble(machine(), text)], ["gemm_loop", "gemv_loop"])

    def runner(self, product: Product, arrays: list[np.ndarray[Any, Any]]) -> Callable[[int], None]:
        """A function that computes a product so many times."""
        p = product
        number, size, pointer, flag = ctypes.c_int64, self.size, ctypes.c_void_p, ctypes.c_int32
        pointers = [x.ctypes.data for x in arrays]
        if p.batch == 1 and 1 in (p.m, p.n):
            # A row by B is B^T by a column.
            matrix, vector = (1, 0) if p.m == 1 else (0, 1)
            rows, columns = arrays[matrix].shape[1:]
            turned = (p.m == 1) != (p.b if p.m == 1 else p.a)
            gemv = ctypes.CFUNCTYPE(None, pointer, number, flag, *[size] * 2, *[pointer] * 3)(self.loops["gemv_loop"])
            where = pointers[matrix], pointers[vector], pointers[2]
            sizes = TRANSPOSED if turned else PLAIN, rows, columns
            return lambda times: gemv(self.addresses["sgemv"], times, *sizes, *where)
        gemm = ctypes.CFUNCTYPE(None, pointer, number, number, flag, flag, *[size] * 6, *[number] * 3, *[pointer] * 3)(
            self.loops["gemm_loop"]
        )
        flags = [TRANSPOSED if flag else PLAIN for flag in (p.a, p.b)]
        lines = [x.shape[2] for x in arrays]
        bytes_of_each = [x.nbytes // p.batch for x in arrays]
        sizes = p.m, p.n, p.k, *lines, *bytes_of_each
        return lambda times: gemm(self.addresses["sgemm"], times, p.batch, *flags, *sizes, *pointers)


_LOOPS = """
target triple = "{triple}"
target datalayout = "{layout}"

define void @gemv_loop(ptr %gemv, i64 %times, i32 %flag, {size} %rows, {size} %columns, ptr %a, ptr %x, ptr %y) {{
entry:
  br label %next
next:
  %t = phi i64 [ 0, %entry ], [ %t1, %next ]
  call void %gemv(i32 101, i32 %flag, {size} %rows, {size} %columns, float 1.0, ptr %a, {size} %columns, ptr %x,
    {size} 1, float 0.0, ptr %y, {size} 1)
  %t1 = add i64 %t, 1
  %more = icmp slt i64 %t1, %times
  br i1 %more, label %next, label %end
end:
  ret void
}}

define void @gemm_loop(ptr %gemm, i64 %times, i64 %batch, i32 %of_a, i32 %of_b, {size} %m, {size} %n, {size} %k,
    {size} %la, {size} %lb, {size} %lc, i64 %next_a, i64 %next_b, i64 %next_c, ptr %a0, ptr %b0, ptr %c0) {{
entry:
  br label %next
next:
  %t = phi i64 [ 0, %entry ], [ %t1, %done ]
  br label %one
one:
  %i = phi i64 [ 0, %next ], [ %i1, %one ]
  %a = phi ptr [ %a0, %next ], [ %a1, %one ]
  %b = phi ptr [ %b0, %next ], [ %b1, %one ]
  %c = phi ptr [ %c0, %next ], [ %c1, %one ]
  call void %gemm(i32 101, i32 %of_a, i32 %of_b, {size} %m, {size} %n, {size} %k, float 1.0, ptr %a, {size} %la,
    ptr %b, {size} %lb, float 0.0, ptr %c, {size} %lc)
  %a1 = getelementptr i8, ptr %a, i64 %next_a
  %b1 = getelementptr i8, ptr %b, i64 %next_b
  %c1 = getelementptr i8, ptr %c, i64 %next_c
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %batch
  br i1 %more, label %one, label %done
done:
  %t1 = add i64 %t, 1
  %again = icmp slt i64 %t1, %times
  br i1 %again, label %next, label %end
end:
  ret void
}}
"""


def lucid_runner(product: Product, arrays: list[np.ndarray[Any, Any]]) -> Callable[[int], None]:
    """A function that computes a product so many times."""
    flags = f"transpose_a={str(product.a).lower()}, transpose_b={str(product.b).lower()}"
    a, b, _ = ((1, *x.shape[1:]) if product.batch == 1 else x.shape for x in arrays)
    if product.batch == 1:
        a, b = a[1:], b[1:]
    text = f"graph(%a: f32{list(a)}, %b: f32{list(b)}) {{ %c = matmul %a, %b, {flags};"
    executable = CPUTarget().compile(order(parse(f"{text} return %c }}")))
    table = executable.new_table()
    table[:3] = [x.ctypes.data for x in arrays]
    nothing = np.zeros(0, np.int64)
    runs = ctypes.c_int64()
    return lambda times: executable.repeat(table.ctypes.data, times, nothing, nothing, runs)


def compare(product: Product, blas: Blas, cores: Cores, samples: int) -> tuple[float, float]:
    """Seconds of a product with Lucid and with the BLAS: medians of samples in turns."""
    arrays = product.arrays()
    runners = lucid_runner(product, arrays), blas.runner(product, arrays)
    results = []
    for run in runners:
        arrays[2][:] = np.nan
        run(1)
        results.append(arrays[2].copy())
    np.testing.assert_allclose(*results, rtol=1e-4)
    counts = []
    for run in runners:
        count = 1
        while (seconds := _seconds(run, count)) < SAMPLE_SECONDS:
            count = max(count + 1, min(8 * count, math.ceil(1.2 * count * SAMPLE_SECONDS / max(seconds, 1e-7))))
        counts.append(count)
        samples = TURNS if seconds > LONG else samples
    times: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for run, count, found in zip(runners, counts, times, strict=True):
            if lucid.get_num_threads() > 1:
                time.sleep(PAUSE)
                cores.wait()
                run(count)
            found += (_seconds(run, count) / count for _ in range(-(-samples // TURNS)))
    return statistics.median(times[0]), statistics.median(times[1])


def _seconds(run: Callable[[int], None], times: int) -> float:
    start = time.perf_counter()
    run(times)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="Matrix products against NumPy's OpenBLAS.")
    parser.add_argument("--threads", default="1", help="numbers of threads, with commas between")
    parser.add_argument("--only", default=",".join(GROUPS), help="groups of products, with commas between")
    parser.add_argument("--below", type=float, default=math.inf, help="list products with a lower ratio alone")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    arguments = parser.parse_args()
    blas = Blas()
    print(f"product: time, GFLOP/s of Lucid and of {blas.about}, how many times as fast")
    for threads in map(int, arguments.threads.split(",")):
        lucid.set_num_threads(threads)
        cores = Cores(threads)
        with threadpoolctl.threadpool_limits(threads):
            for group in arguments.only.split(","):
                ratios = []
                for product in GROUPS[group]():
                    ours, theirs = compare(product, blas, cores, arguments.samples)
                    ratios.append(theirs / ours)
                    if ratios[-1] < arguments.below:
                        rates = [f"{product.flops / seconds / 1e9:7.1f}" for seconds in (ours, theirs)]
                        print(f"  {product.title:32} {ours * 1e6:9.3f} us {' '.join(rates)} {ratios[-1]:6.2f}")
                mean, below = statistics.geometric_mean(ratios), sum(ratio < 0.95 for ratio in ratios)
                print(f"{group}, {threads} threads: geometric mean {mean:.2f}, worst {min(ratios):.2f}, ", end="")
                print(f"{below} of {len(ratios)} below 0.95", flush=True)


if __name__ == "__main__":
    main()
