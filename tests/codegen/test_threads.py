"""Threads, vector widths and forks change no bit; the pool does each chunk once, whatever its workers do."""

import ctypes
import hashlib
import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

import lucid
import lucid.nn.functional as F
from lucid import nn, optim
from lucid.codegen.cpu.machine import machine
from lucid.codegen.cpu.pool import TEAM, Pool, pool
from lucid.codegen.cpu.pool_text import PARALLEL
from lucid.codegen.threads import available_processors
from lucid.errors import ArgumentError
from tests.codegen.processors import need_wider_than, on_x86

STEPS = 4


def perceptron() -> tuple[nn.Module, tuple[int, ...]]:
    layers = nn.Linear(300, 257), nn.GELU(), nn.Dropout(0.3), nn.LayerNorm(257), nn.Linear(257, 10)
    return nn.Sequential(*layers), (333, 300)


def convolutional() -> tuple[nn.Module, tuple[int, ...]]:
    depthwise = nn.Conv2d(9, 9, 3, padding=1, groups=9)
    first = nn.Conv2d(2, 9, 3, padding=1), depthwise, nn.ReLU(), nn.MaxPool2d(3, 1, padding=1)
    second = nn.Conv2d(9, 51, (3, 2), stride=2, groups=3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(51 * 3 * 3, 10)
    return nn.Sequential(*first, *second), (61, 2, 13, 14)


class Attention(nn.Module):
    """Scores, softmax and mixtures, of heads whose rows no vector divides."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(44, 4, 70, 0.1, activation="gelu", batch_first=True)
        self.head = nn.Linear(44, 10)

    def forward(self, x: lucid.Tensor) -> lucid.Tensor:
        return self.head(self.layer(x).mean(1))


class Recurrent(nn.Module):
    """Two loops, one in each direction."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.LSTM(21, 35, bidirectional=True, batch_first=True)
        self.head = nn.Linear(70, 10)

    def forward(self, x: lucid.Tensor) -> lucid.Tensor:
        return self.head(self.layer(x)[0][:, -1])


def attention() -> tuple[nn.Module, tuple[int, ...]]:
    return Attention(), (37, 23, 44)


def recurrent() -> tuple[nn.Module, tuple[int, ...]]:
    return Recurrent(), (131, 7, 21)


def in_double() -> tuple[nn.Module, tuple[int, ...]]:
    """Products, a convolution and a normalization in float64."""
    first = nn.Conv2d(2, 9, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9 * 6 * 7, 57)
    return nn.Sequential(*first, nn.LayerNorm(57), nn.GELU(), nn.Linear(57, 10)).double(), (61, 2, 13, 14)


NETS = {
    "perceptron": perceptron,
    "convolutional": convolutional,
    "attention": attention,
    "recurrent": recurrent,
    "in double": in_double,
}


def training_bits(name: str) -> str:
    """A digest of the weights after some steps of a net with sizes that no tile or vector divides, whose program shares
    work among threads."""
    lucid.seed(1)
    model, shape = NETS[name]()
    dtype = next(model.parameters()).dtype
    table = nn.Embedding(777, math.prod(shape[1:]), dtype=dtype)
    optimizer = optim.Adam([*model.parameters(), *table.parameters()], lr=1e-3)
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=shape).astype(dtype.numpy), generator.integers(0, 10, shape[0])
    words = generator.integers(0, 777, shape[0]) * generator.integers(0, 2, shape[0])  # many are 0

    @lucid.compile
    def step(x: object, words: object, y: object) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x + table(words).reshape(shape)), y)
        loss.backward()
        optimizer.step()
        return loss

    assert step.lower(x, words, y)._compiled.executable._plan.shares
    digest = hashlib.sha256()
    for _ in range(STEPS):
        digest.update(step(x, words, y).numpy().tobytes())
    for parameter in (*model.parameters(), *table.parameters()):
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    before = lucid.get_num_threads()
    pool(machine()).share()
    yield
    lucid.set_num_threads(before)


def parallel() -> Callable[[int | None, None, int], None]:
    """The function that runs the chunks of a task."""
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    return kind(pool(machine()).addresses[PARALLEL])


def tasks() -> set[int]:
    """The threads of this process, as Linux counts them."""
    return set(map(int, os.listdir("/proc/self/task")))


def wait_for(workers: Iterable[int]) -> None:
    """Wait until workers sleep."""
    for worker in workers:
        state = ""
        while state != "S":
            time.sleep(0.002)
            with open(f"/proc/self/task/{worker}/stat") as stat:
                state = stat.read().rsplit(")", 1)[1].split()[0]


@pytest.mark.parametrize("name", NETS)
def test_the_number_of_threads_changes_no_bit(name: str) -> None:
    found = []
    for threads in (1, 2, 3, 8):
        lucid.set_num_threads(threads)
        found.append(training_bits(name))
    assert len(set(found)) == 1


@on_x86
@pytest.mark.parametrize("cpu", ["x86-64-v2", "x86-64-v3"])
def test_the_width_of_vectors_changes_no_bit(cpu: str) -> None:
    need_wider_than(cpu)
    code = "from tests.codegen.test_threads import NETS, training_bits; print(*map(training_bits, NETS))"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LUCID_CPU": cpu})
    assert run.stdout.split() == [*map(training_bits, NETS)]


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_pool_of_its_own() -> None:
    lucid.set_num_threads(2)
    expected = training_bits("perceptron")  # the parent's workers are running now
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, training_bits("perceptron").encode())
            os._exit(0)
        finally:  # or an error would have the child run the tests behind this one
            os._exit(1)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100).decode() == expected
    assert training_bits("perceptron") == expected


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_pool_runs_each_chunk_once(threads: int) -> None:
    lucid.set_num_threads(threads)
    task_type = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    seen: list[tuple[int, int, int]] = []
    task = task_type(lambda context, chunk, worker, job: seen.append((chunk, worker, job)))
    run = parallel()
    earlier: set[int] = set()
    for count in (0, 1, 2, 7, 64) * 20:
        seen.clear()
        run(ctypes.cast(task, ctypes.c_void_p).value, None, count)
        assert sorted(chunk for chunk, *_ in seen) == list(range(count))
        assert all(0 <= worker < threads for _, worker, _ in seen)
        jobs = {job for *_, job in seen}
        assert len(jobs) == min(count, 1)
        assert earlier.isdisjoint(jobs | {0})
        earlier |= jobs


def test_workers_are_there_where_a_program_shares_work_among_threads() -> None:
    first, second = Pool(machine()), Pool(machine())
    first.resize(2)
    assert TEAM not in first.addresses
    first.share()
    assert TEAM in first.addresses
    second.resize(1)
    second.share()
    assert TEAM not in second.addresses
    second.resize(2)
    assert TEAM in second.addresses


def test_a_number_of_threads_that_is_none_is_refused() -> None:
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(ArgumentError, match="set_num_threads takes an integer from 1 to 256"):
            lucid.set_num_threads(wrong)  # type: ignore[arg-type]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there does the pool move its workers")
@pytest.mark.skipif(available_processors() < 2, reason="takes two cores")
def test_workers_may_run_anywhere_behind_many_wakes() -> None:
    """What a worker was lent to be woken it has given back when it sleeps again."""
    others = tasks()
    lucid.set_num_threads(8)
    step = lucid.compile(lambda x: lucid.tanh(x) * 2.0)
    x = lucid.Tensor(np.ones((256, 256), np.float32))
    pauses = np.random.default_rng(0).uniform(0.0, 8e-4, 2000)
    for pause in pauses:
        time.sleep(pause)
        step(x)
    allowed = os.sched_getaffinity(0)
    workers = tasks() - others
    wait_for(workers)
    assert len(workers) >= 7
    assert all(os.sched_getaffinity(thread) == allowed for thread in workers)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux counts")
def test_as_many_workers_are_woken_as_there_are_chunks_for() -> None:
    others = tasks()
    lucid.set_num_threads(8)
    task = ctypes.cast(ctypes.CDLL(None).labs, ctypes.c_void_p).value  # takes no time
    run = parallel()
    run(task, None, 2)
    workers = tasks() - others

    def sleeps(worker: int) -> int:
        with open(f"/proc/self/task/{worker}/status") as status:
            return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status.read(), re.MULTILINE)[1])  # type: ignore[index]

    def woken(chunks: int) -> int:
        time.sleep(0.05)  # until all sleep
        before = {worker: sleeps(worker) for worker in workers}
        run(task, None, chunks)
        time.sleep(0.05)
        return sum(sleeps(worker) != count for worker, count in before.items())

    # A busy system may now and then leave one awake for longer.
    for chunks, expected in ((2, 1), (4, 3), (64, 7)):
        assert statistics.median(woken(chunks) for _ in range(7)) == expected


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there does the pool move its workers")
@pytest.mark.skipif(available_processors() < 2, reason="takes two cores")
def test_workers_stay_where_others_have_put_them() -> None:
    others = tasks()
    lucid.set_num_threads(4)
    task = ctypes.cast(ctypes.CDLL(None).labs, ctypes.c_void_p).value
    run = parallel()
    run(task, None, 4)
    workers = sorted(tasks() - others)
    wait_for(workers)  # one that is leaving a core would undo what is chosen
    first, second, *_ = sorted(os.sched_getaffinity(0))
    cores = [{first}, {second}, {first, second}]
    for worker, chosen in zip(workers, cores, strict=True):
        os.sched_setaffinity(worker, chosen)
    for _ in range(20):
        time.sleep(0.002)
        run(task, None, 4)
    wait_for(workers)
    assert [os.sched_getaffinity(worker) for worker in workers] == cores
