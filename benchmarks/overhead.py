"""What a compiled step costs beside its arithmetic: a call, the first call, the import.

    python benchmarks/overhead.py [--json]

Each figure is a median, with the fastest and the slowest of its samples. Other work on the machine makes them larger.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import llvmlite
import numpy as np

import lucid
import lucid.nn as nn
import lucid.optim as optim

CALLS = 1000  # in one sample of the time of a call

IMPORT = """
import time
import numpy
start = time.perf_counter()
import lucid, lucid.nn, lucid.optim
print(time.perf_counter() - start)
"""

# What a whole process is timed with, by what it is: a start of Python, and what `import lucid` adds to it.
PROGRAMS = {
    "python -c pass, the whole process": "pass",
    "the same with import numpy": "import numpy",
    "the same with import lucid": "import lucid",
    "the same with llvmlite, which the first call of a compiled function imports": "import lucid, llvmlite.binding",
}

FIRST_CALL = """
import time
import numpy as np
import lucid, lucid.nn as nn, lucid.nn.functional as F, lucid.optim as optim

lucid.seed(0)
model = nn.Sequential(
    nn.Linear(64, 128), nn.GELU(), nn.Dropout(0.2), nn.Linear(128, 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, 10)
)
optimizer = optim.Adam(model.parameters(), lr=2e-3)
x, y = np.ones((64, 64), np.float32), np.zeros(64, np.int64)

@lucid.compile
def train_step(x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss

start = time.perf_counter()
train_step(x, y)
print(time.perf_counter() - start)
"""


@dataclass
class Figure:
    """The median of some samples, and their range."""

    what: str
    unit: str
    median: float
    fastest: float
    slowest: float
    samples: int


def figure(what: str, unit: str, samples: list[float]) -> Figure:
    return Figure(what, unit, statistics.median(samples), min(samples), max(samples), len(samples))


def smallest_step() -> Callable[[lucid.Tensor], lucid.Tensor]:
    """A compiled training step with next to no arithmetic: Linear(4, 2) -> Dropout on one row, and SGD."""
    model = nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5))
    optimizer = optim.SGD(model.parameters(), lr=1e-3)

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        optimizer.zero_grad()
        loss: lucid.Tensor = model(x).sum()
        loss.backward()
        optimizer.step()
        return loss

    return step


def step_of_many(count: int) -> lucid.compiler.CompiledFunction:
    """A compiled step with SGD on so many parameters of one element each."""
    model = nn.ParameterList([nn.Parameter(np.ones(1, np.float32)) for _ in range(count)])
    optimizer = optim.SGD(model.parameters(), lr=1e-3)

    @lucid.compile
    def step(x: lucid.Tensor) -> lucid.Tensor:
        loss: lucid.Tensor = (lucid.concatenate(list(model)) * x).sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def microseconds_beside_the_native_code(step: lucid.compiler.CompiledFunction) -> float:
    """What a call takes longer than one of the runs of `repeat`."""
    x, xs = lucid.ones(1), lucid.ones((CALLS, 1))
    for _ in range(3):
        step(x)
    start = time.perf_counter()
    for _ in range(CALLS):
        step(x)
    middle = time.perf_counter()
    step.repeat(xs)
    return 1e6 * (2 * middle - start - time.perf_counter()) / CALLS


def microseconds_of_a_call(step: Callable[[lucid.Tensor], lucid.Tensor]) -> float:
    x = lucid.Tensor([[1.0, 2.0, 3.0, 4.0]])
    step(x)
    start = time.perf_counter()
    for _ in range(CALLS):
        step(x)
    return 1e6 * (time.perf_counter() - start) / CALLS


def seconds_of_a_process(program: str) -> float:
    """What a process takes from its start to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - start


def seconds_printed_by(program: str, cache: str | None = None) -> float:
    """What a program prints, run in a fresh process, with the disk cache in a folder, or in a new one."""
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, "LUCID_CACHE_DIR": os.path.join(cache or empty, "cache")}
        command = [sys.executable, "-c", program]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(run.stdout)


def seconds_from_disk(program: str, samples: int) -> list[float]:
    """What a program prints in fresh processes, when another one has filled the disk cache before them."""
    with tempfile.TemporaryDirectory() as cache:
        seconds_printed_by(program, cache)
        return [seconds_printed_by(program, cache) for _ in range(samples)]


def measure() -> list[Figure]:
    step = smallest_step()
    counts = {count: step_of_many(count) for count in (1, 50, 500)}
    return [
        figure(
            "a call of a 1x4 -> 2 Linear -> Dropout step with SGD",
            "us",
            [microseconds_of_a_call(step) for _ in range(50)],
        ),
        *(
            figure(
                f"a call with SGD on {count} parameters, without what its native code takes",
                "us",
                [microseconds_beside_the_native_code(many) for _ in range(20)],
            )
            for count, many in counts.items()
        ),
        figure(
            "the first call of the digits step, in a fresh process with an empty disk cache",
            "s",
            [seconds_printed_by(FIRST_CALL) for _ in range(7)],
        ),
        figure("the same call, from the disk cache", "s", seconds_from_disk(FIRST_CALL, 7)),
        figure("import lucid, after numpy, in a fresh process", "s", [seconds_printed_by(IMPORT) for _ in range(7)]),
        *(figure(what, "s", [seconds_of_a_process(program) for _ in range(7)]) for what, program in PROGRAMS.items()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a compiled step costs beside its arithmetic.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    setting = {
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "llvmlite": llvmlite.__version__,
        "lucid": lucid.__version__,
    }
    figures = measure()
    if options.json:
        print(json.dumps({"setting": setting, "figures": [asdict(one) for one in figures]}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    for one in figures:
        spread = f"({one.fastest:.3g} to {one.slowest:.3g}, {one.samples} samples)"
        print(f"{one.median:8.3g} {one.unit:2}  {spread}  {one.what}")


if __name__ == "__main__":
    main()
