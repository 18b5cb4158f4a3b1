"""Imports point one way: `lucid.ir` <- `lucid.codegen` <- the top level; `lucid.nn` and `lucid.optim` stand outside."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "lucid").rglob("*.py"))

# What of Lucid a layer may import; the top level, which is not listed, may import all.
MAY_IMPORT = {
    "lucid.context": (),
    "lucid.conditions": ("lucid.context",),
    "lucid.errors": ("lucid.context", "lucid.conditions"),
    "lucid.logs": (),
    "lucid.ir": ("lucid.ir", "lucid.errors", "lucid.logs"),
    "lucid.codegen": ("lucid.codegen", "lucid.ir", "lucid.errors"),
}
# What a layer must not import, wherever the rule above says nothing.
INSIDE = (
    "lucid.ir",
    "lucid.codegen",
    "lucid.eager",
    "lucid.recorder",
    "lucid.tracing",
    "lucid.trace",
    "lucid.program",
    "lucid.compiler",
)
MUST_NOT_IMPORT = {
    "lucid.nn": INSIDE,
    "lucid.optim": INSIDE,
    "lucid.operations": ("lucid.nn", "lucid.optim", "lucid.compiler"),
}
# The only modules that may import another: packages, so that everything else works where one is missing; and what
# stands outside of the library.
ONLY_IN = {
    "llvmlite": ("lucid.codegen.cpu",),
    "cupy": ("lucid.codegen.cuda",),
    "safetensors": ("lucid.serialization",),
    "lucid.cli": ("lucid.cli", "lucid.__main__"),
    "lucid.codegen.cuda.simulator": ("lucid.codegen.cuda.simulator", "lucid.targets"),
}
OPTIONAL = {"cupy", "safetensors"}


def module_name(source: Path) -> str:
    parts = source.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str) -> Iterator[str]:
    """The dotted name of everything that a source text imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "Lucid imports by full names"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_at_run_time(body: list[ast.stmt], modules: Collection[str]) -> Iterator[str]:
    """Those of `modules` that importing a module imports in turn: what is inside a function, or for types alone, comes
    later or never. `from a import b` imports the module a.b if there is one, whatever else a has."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in inner)
        elif isinstance(node, ast.Try) or (isinstance(node, ast.If) and ast.unparse(node.test) != "TYPE_CHECKING"):
            yield from imports_at_run_time(node.body, modules)


def within(name: str, layers: tuple[str, ...]) -> bool:
    return any(name == layer or name.startswith(f"{layer}.") for layer in layers)


def breaches(module: str, source: str) -> list[str]:
    """The imports of a module that the tables above forbid."""
    forbidden = []
    for name in imports(source):
        ours = within(name, ("lucid",))
        if (
            any(within(module, (layer,)) and ours and not within(name, may) for layer, may in MAY_IMPORT.items())
            or any(within(module, (layer,)) and within(name, ban) for layer, ban in MUST_NOT_IMPORT.items())
            or any(within(name, (package,)) and not within(module, layers) for package, layers in ONLY_IN.items())
        ):
            forbidden.append(name)
    return forbidden


@pytest.mark.parametrize("source", SOURCES, ids=module_name)
def test_imports_point_one_way(source: Path) -> None:
    assert not breaches(module_name(source), source.read_text())


def circles(sources: dict[str, str]) -> list[set[str]]:
    """The groups of modules that import each other."""
    graph = networkx.DiGraph()
    for module, source in sources.items():
        graph.add_edges_from((module, name) for name in imports_at_run_time(ast.parse(source).body, sources.keys()))
    return [group for group in networkx.strongly_connected_components(graph) if len(group) > 1]


def test_no_modules_import_each_other() -> None:
    assert not circles({module_name(source): source.read_text() for source in SOURCES})


def test_a_circle_is_noticed() -> None:
    typed = "if TYPE_CHECKING:\n    import lucid.tensor"
    assert circles({"lucid.tensor": "import lucid.eager", "lucid.eager": "from lucid import tensor"})
    assert not circles({"lucid.tensor": "import lucid.eager", "lucid.eager": typed})


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("lucid.ir.graph", "import lucid"),
        ("lucid.ir.graph", "from lucid import Tensor"),
        ("lucid.ir.passes.fuse", "def fuse():\n    import lucid.codegen.kernel"),
        ("lucid.ir.interpret", "import llvmlite.binding"),
        ("lucid.ir.types", "if TYPE_CHECKING:\n    from lucid.tensor import Tensor"),
        ("lucid.codegen.cpu.module", "from lucid.compiler import compile"),
        ("lucid.codegen.cuda.launch", "from llvmlite import ir"),
        ("lucid.nn.linear", "from lucid.ir.ops.contraction import Matmul"),
        ("lucid.optim.sgd", "from lucid import codegen"),
        ("lucid.tensor", "import cupy as cp"),
        ("lucid.nn.module", "import safetensors.numpy"),
        ("lucid.errors", "from lucid.ir.types import DType"),
        ("lucid.nn.recurrent", "from lucid.tracing import Tracer"),
        ("lucid.operations.sorting", "from lucid.nn.functional import relu"),
        ("lucid.explorer.page", "from lucid.cli.files import read_graph"),
        ("lucid.codegen.cuda.target", "from lucid.codegen.cuda.simulator.library import library"),
    ],
)
def test_a_breach_is_noticed(module: str, source: str) -> None:
    assert breaches(module, source)


def test_third_party_imports_are_the_declared_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    roots = {name.partition(".")[0] for source in SOURCES for name in imports(source.read_text())}
    assert declared == {"numpy", "llvmlite", "networkx"}
    assert roots - sys.stdlib_module_names - {"lucid"} - OPTIONAL <= declared


def test_importing_lucid_loads_no_package_but_numpy() -> None:
    """networkx costs 0.1 s or more and llvmlite half of that: who does not compile does not pay."""
    program = "import sys; before = {*sys.modules}; import lucid; print(*{*sys.modules} - before)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    packages = {name.partition(".")[0] for name in run.stdout.split()}
    assert packages - sys.stdlib_module_names == {"lucid", "numpy"}
