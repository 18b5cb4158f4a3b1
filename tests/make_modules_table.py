"""The table of modules, functions, optimizers and schedules, from what is public.

`python -m tests.make_modules_table` writes docs/modules.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import lucid.nn as nn
import lucid.nn.functional as F
from lucid import optim
from lucid.optim import lr_scheduler, swa_utils
from tests.codegen.cuda_programs import CONTAINERS, MODULES as ON_CUDA
from tests.table.modules import HOLD_OTHERS, ROWS, WITHOUT_ROW
from tests.table.row import Outcomes

PAGE = Path(__file__).parents[1] / "docs" / "modules.md"
HEAD = """\
# Modules, functions, optimizers and schedules

All that is public, from the code: `python -m tests.make_modules_table` writes this page, and a test holds it to that.

All modules and optimizers work eagerly, and in steps compiled for the CPU. Steps compiled for CUDA work in the
simulator, which executes their kernels on the CPU, and [an H200 has run them](gpu.md). The columns of modules say which
tests run each of them: eager code and the CPU are held to PyTorch and to finite differences (`tests/table`), simulated
CUDA code to the bits of the CPU (`tests/codegen/cuda_programs.py`), which runs all optimizers as well.
Functions work where their ops do, of which [docs/ops.md](ops.md) has the table; a schedule steps outside.
[docs/pytorch.md](pytorch.md) says what PyTorch's other names are here. The last column has what
`tests/parity/test_table.py` finds where inputs are empty or integers; where PyTorch refuses operands of several dtypes,
Lucid promotes them, or refuses them with an error that says what to cast.
"""
DIFFERENCES = {
    "ours": "takes an empty batch",
    "theirs": "refuses integers",
    "promoted": "gives floats for integers",
}


def page() -> str:
    """The text of the page."""
    sections = [
        ("Modules", nn, "nn"),
        ("Functions", F, "nn.functional"),
        ("Optimizers", optim, "optim"),
        ("Schedules", lr_scheduler, "optim.lr_scheduler"),
        ("Averages of weights", swa_utils, "optim.swa_utils"),
        ("Gradients and parameters", nn.utils, "nn.utils"),
        ("Initial values", nn.init, "nn.init"),
    ]
    return HEAD + "".join(f"\n## {title}\n\n{_table(module, path)}" for title, module, path in sections)


def _table(module: ModuleType, path: str) -> str:
    outcomes = {row.name: row.outcomes for row in ROWS}
    is_of_modules = path == "nn"
    lines = ["| name | meaning |" + " eager, CPU | CUDA, simulated | differs from PyTorch |" * is_of_modules]
    lines.append("| --- | --- |" + " --- | --- | --- |" * is_of_modules)
    for name, item in _public(module):
        line = f"| `{path}.{name}` | {_meaning(item)} |"
        if is_of_modules:
            is_run = f"nn.{name}" in outcomes or name in WITHOUT_ROW
            found = (_runs(name, is_run), _runs(name, name in ON_CUDA))
            line += f" {' | '.join(found)} | {_differences(outcomes.get(f'nn.{name}', {}))} |"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _runs(name: str, is_run: bool) -> str:
    """What a column says of a module that tests run, or do not."""
    return "yes" if is_run else "as what it holds" if name in HOLD_OTHERS | CONTAINERS else "no"


def _public(module: ModuleType) -> Iterator[tuple[str, object]]:
    own = [name for name, item in vars(module).items() if getattr(item, "__module__", "") == module.__name__]
    for name in sorted(getattr(module, "__all__", own), key=str.lower):
        item = getattr(module, name)
        if name[0] != "_" and (inspect.isclass(item) or inspect.isfunction(item)):
            yield name, item


def _meaning(item: object) -> str:
    """The first paragraph of a docstring."""
    text = inspect.getdoc(item)
    assert text, item
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")


def _differences(outcomes: Outcomes) -> str:
    outcomes = {name: outcome for name, outcome in outcomes.items() if not name.startswith("wide")}
    return ", ".join(text for outcome, text in DIFFERENCES.items() if outcome in outcomes.values())


if __name__ == "__main__":
    PAGE.write_text(page())
