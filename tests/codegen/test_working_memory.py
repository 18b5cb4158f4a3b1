"""What programs keep aside is had before they run: a step allocates its results alone, and needs nothing else."""

import gc
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn, optim
from lucid.codegen.cpu import library, pool as pools
from lucid.codegen.cpu.machine import machine
from lucid.codegen.cpu.pool import Pool, common_parts, pool
from lucid.codegen.cpu.pool_text import LINE
from lucid.codegen.cpu.target import CPUExecutable
from lucid.codegen.cpu.team_text import team_text
from lucid.errors import AllocationError
from lucid.ir.types import float32
from tests.benchmarks import STEPS, benchmark_step
from tests.codegen.test_threads import NETS, training_bits
from tests.oracle import Array
from tests.training import classifying_step

WITHIN = """
import resource
import numpy as np
import lucid

def sorted_and_counted(x):
    count.copy_(count + 1.0)
    return lucid.argsort(x)

count = lucid.zeros(())
step = lucid.compile(sorted_and_counted)
step(np.arange(1000.0))  # compiles what programs share
x = np.arange(4.0e6)[::-1].copy()
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
_, most = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (taken + (90 << 20), most))  # a sort takes 128 MB aside
try:
    step(x)
except MemoryError as error:
    print(type(error).__name__, str(error).splitlines()[0], count.item())
resource.setrlimit(resource.RLIMIT_AS, (most, most))
print(step(x)[:3].tolist(), count.item())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux says of memory")
def test_memory_that_cannot_be_had_is_an_error_before_anything_runs() -> None:
    run = subprocess.run([sys.executable, "-c", WITHIN], capture_output=True, text=True, check=True)
    failed, done = run.stdout.splitlines()
    assert re.fullmatch(
        r"AllocationError kernels on \d+ threads keep \d+ bytes each aside, more memory than there is\. 1\.0", failed
    )
    assert done == "[3999999, 3999998, 3999997] 2.0"


def test_threads_that_there_is_no_memory_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made, before = pool(machine()), lucid.get_num_threads()
    monkeypatch.setattr(made, "_reserved", (0, 1 << 60))
    memory = made._memory
    with pytest.raises(AllocationError, match="more memory than there is"):
        lucid.set_num_threads(before + 1)
    assert lucid.get_num_threads() == before
    assert made._memory is memory


def test_reserving_is_all_or_nothing() -> None:
    made = pool(machine())
    before = made._reserved, made._memory
    with pytest.raises(AllocationError, match="bytes each aside, more memory than there is"):
        made.reserve(1 << 60, 0)
    assert (made._reserved, made._memory) == before


def test_temporaries_that_do_not_fit_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lucid.compile(lambda x: (x.exp() @ x).exp()).lower(np.ones((64, 64), np.float32))
    executable = program._compiled.executable
    assert isinstance(executable, CPUExecutable)
    monkeypatch.setitem(executable.code.plan, "arena", 1 << 60)
    with pytest.raises(AllocationError, match="the temporaries of a program take 1152921504606846976 bytes"):
        CPUExecutable(executable.code, machine(), executable.written)


class GuardedMemory:
    """NumPy for the pool: behind the zeros that it asks for lie words that nobody may write."""

    uint8 = np.uint8

    @staticmethod
    def zeros(size: int, dtype: type) -> Array:
        array: Array = np.full(size + GUARD, 0xA5, dtype)
        array[:size] = 0
        return array[:size]

    @staticmethod
    def is_whole(array: Array, reserved: int) -> bool:
        assert array.base is not None
        behind = -array.ctypes.data % LINE + LINE + reserved
        return not array[behind:].any() and bool((array.base[array.size :] == 0xA5).all())


GUARD = 1 << 16
PRODUCTS = [  # by what computes them, A and B transposed, and the sizes m, k, n
    ("matmul", False, False, 65, 130, 70),
    ("matmul", True, True, 65, 2100, 49),
    ("matmul", False, True, 513, 40, 130),
    ("small", False, True, 9, 14, 9),
    ("small", False, False, 9, 30, 15),
    ("dots", False, True, 200, 3000, 3),
    ("matmul", True, False, 3, 3000, 200),
    ("dots", True, True, 1, 3000, 20),
    ("sweeps", False, False, 1, 3000, 700),
    ("sweeps", True, False, 1200, 300, 3),
    ("sweeps", True, True, 1200, 300, 3),
]


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A pool whose memory is new, for three threads, and guarded."""
    made, before = pool(machine()), lucid.get_num_threads()
    reserved = made._reserved  # for programs that others have loaded
    with monkeypatch.context() as patch:
        patch.setattr(pools, "np", GuardedMemory)
        made._memory, made._reserved = [], (0, 0)
        lucid.set_num_threads(3)
        yield made
    kept, taken = made._memory, made._reserved
    made._memory, made._reserved = [], reserved
    lucid.set_num_threads(before)
    assert len(kept) == 3
    assert all(GuardedMemory.is_whole(array, taken[worker > 0]) for worker, array in enumerate(kept))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "transpose_a", "transpose_b", "m", "k", "n"), PRODUCTS)
def test_products_stay_within_the_memory_that_they_take(
    kind: str, transpose_a: bool, transpose_b: bool, m: int, k: int, n: int, dtype: type, guarded: Pool
) -> None:
    a: Array = np.ones((k, m) if transpose_a else (m, k), dtype)
    b: Array = np.ones((n, k) if transpose_b else (k, n), dtype)
    step = lucid.compile(lambda a, b: (a.T if transpose_a else a) @ (b.T if transpose_b else b))
    for _ in range(3):
        np.testing.assert_array_equal(step(a, b).numpy(), k)
    (program,) = step.programs
    assert kind in " ".join(program._compiled.executable.code.plan["imports"])


@pytest.mark.parametrize("name", NETS)
def test_nets_stay_within_the_memory_that_they_take(name: str, guarded: Pool) -> None:
    training_bits(name)
    assert min(guarded._reserved) > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("length", [7, 1000])
def test_sorts_stay_within_the_memory_that_they_take(dtype: type, length: int, guarded: Pool) -> None:
    x: Array = np.random.default_rng(0).permuted(np.tile(np.arange(length), (40, 1)), axis=1).astype(dtype)
    np.testing.assert_array_equal(lucid.compile(lambda x: lucid.sort(x).values)(x).numpy(), np.sort(x))


def test_a_step_allocates_its_results_alone() -> None:
    model = nn.Sequential(nn.Linear(300, 400), nn.GELU(), nn.Dropout(0.5), nn.Linear(400, 10))
    optimizer = optim.Adam(model.parameters())
    step = lucid.compile(classifying_step(model, optimizer))
    x, y = np.ones((256, 300), np.float32), np.zeros(256, np.int64)
    for _ in range(3):
        step(x, y)
    (program,) = step.programs
    arena = program._compiled.executable.code.plan["arena"]
    assert arena > 500_000, "so that it would show"
    assert _allocated(lambda: [step(x, y) for _ in range(5)]) < 10_000


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_the_benchmark_allocates_its_results_alone(
    name: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What NumPy and Python allocate is a loss and its tensor, and native code calls for none."""
    before = lucid.get_num_threads()
    lucid.set_num_threads(threads)
    try:
        step = benchmark_step(name, monkeypatch)
        step.run(4)  # of which some make what later ones use
        (program,) = step.programs()
        assert _allocated(lambda: step.run(20)) < 1_000
    finally:
        lucid.set_num_threads(before)
    assert not _allocators(program.llvm_ir())
    arena = program._compiled.executable.code.plan["arena"]
    assert name == "linear-4-2" or arena > 100_000, "so that it would show"


@pytest.mark.parametrize("may_fail", [False, True])
def test_a_repeat_allocates_no_more_for_more_runs_but_their_results(may_fail: bool) -> None:
    model = nn.Sequential(nn.Linear(30, 200), nn.GELU(), nn.Dropout(0.5), nn.Linear(200, 10))
    optimizer = optim.Adam(model.parameters())

    @lucid.compile
    def step(x: lucid.Tensor, y: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        scores, chances = model(x), (y[:, None] == lucid.arange(10)).astype("float32")
        loss = F.cross_entropy(scores, y) if may_fail else F.mse_loss(scores, chances)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    assert step.lower(lucid.ones((40, 30)), lucid.zeros(40, dtype="int64"))._compiled.executable.may_fail is may_fail

    def allocated(runs: int) -> int:
        x, y = lucid.ones((runs, 40, 30)), lucid.zeros((runs, 40), dtype="int64")
        for _ in range(3):
            step.repeat(x, y)
        return _allocated(lambda: step.repeat(x, y))

    few, many = allocated(10), allocated(510)
    assert many - few < 2 * 500 * 4 + 1_000  # a loss of each


def _allocated(run: Callable[[], object]) -> int:
    """The most bytes that Python and NumPy have allocated at a time meanwhile: the least of some runs, for what else
    the process does, such as a thread that an earlier test has left, is counted, too."""
    found = []
    tracemalloc.start()
    try:
        run()  # the first one is measured with what it finds
        for _ in range(3):
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            run()
            found.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return min(found)


def _allocators(text: str) -> list[str]:
    """The functions that allocate or free memory among those that LLVM IR calls and does not define."""
    called = re.findall(r"declare [^@]*@\"?([\w.]+)", text)
    return [name for name in called if re.search("alloc|mmap|sbrk|free", name)]


def test_no_native_code_allocates() -> None:
    program = lucid.compile(lambda x: lucid.sort(x.exp() @ x)).lower(np.ones((80, 80), np.float32))
    texts = [program.llvm_ir(), team_text(*machine().layout()), *(text for text, _ in common_parts(machine()))]
    texts += [str(library._module(machine(), prefixes, float32)) for prefixes in library._MODULES]
    assert any(re.search("declare .*lucid_scratch", text) for text in texts), "so declarations are found"
    assert not [name for text in texts for name in _allocators(text)]
