"""Every public function, method and operator of Tensor has a row in the table, or a reason for having none."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import lucid
import lucid.nn.functional as F
from lucid import Tensor
from tests.table.functions import ROWS

ROW_NAMES = {row.name for row in ROWS}
CREATES = "makes a tensor of numbers: tests/test_creation.py"
DRAWS = "draws random numbers: tests/test_sampling.py"
SETS = "sets or tells how Lucid works, and computes nothing"
CONVERTS = "gives no tensor: tests/test_tensor.py"
DIFFERENTIATES = "is what the tests of all rows call"

FUNCTIONS_WITHOUT_ROW = {
    **dict.fromkeys(("arange", "as_tensor", "eye", "full", "full_like", "linspace", "ones", "ones_like"), CREATES),
    **dict.fromkeys(("logspace", "tensor", "tril_indices", "triu_indices", "zeros", "zeros_like"), CREATES),
    **dict.fromkeys(("bernoulli", "multinomial", "normal", "rand", "rand_like", "randint", "randn"), DRAWS),
    **dict.fromkeys(("randn_like", "randperm", "uniform"), DRAWS),
    **dict.fromkeys(("get_num_threads", "get_state", "is_grad_enabled", "seed", "set_num_threads", "set_state"), SETS),
    **dict.fromkeys(("audit", "no_grad", "enable_grad"), SETS),
    **dict.fromkeys(("compile", "grad"), DIFFERENTIATES),
    "apply": "makes a function of a user's op: tests/extend",
    "check_index": "gives no tensor: tests/test_indexing.py",
    "custom_vjp": "takes a function: tests/test_custom_vjp.py",
    "scan": "takes a function: tests/test_loops.py",
    **dict.fromkeys(("load", "save"), "reads and writes files: tests/serialization"),
}
LAYERS_WITHOUT_ROW = {
    **dict.fromkeys(("check_approximation", "check_probability", "check_reduction"), "checks arguments for modules"),
    **dict.fromkeys(("channel_mask_shape", "sample_mask_shape", "resolved_padding"), "computes a shape for modules"),
    **dict.fromkeys(("drop", "drop_to_alpha", "drop_path"), "draws masks: tests/nn/test_dropout_family.py"),
    "gumbel_softmax": "draws random numbers: tests/parity/test_further_layers.py",
}
METHODS_WITHOUT_ROW = {
    **dict.fromkeys(("device", "dim", "dtype", "is_leaf", "name", "ndim", "numel", "shape", "size", "type"), CONVERTS),
    **dict.fromkeys(("item", "numpy", "tolist"), CONVERTS),
    **dict.fromkeys(("backward", "grad", "requires_grad", "requires_grad_", "zero_grad"), DIFFERENTIATES),
    "cuda": "needs a GPU: tests/codegen",
}
OPERATORS_WITHOUT_ROW = {
    **dict.fromkeys(("__init__", "__deepcopy__", "__reduce__", "__repr__", "__str__", "__format__"), CONVERTS),
    "__getattr__": "answers for missing names: tests/test_tensor.py",
    "__hash__": "is Python's",
    **dict.fromkeys(
        ("__divmod__", "__rdivmod__", "__round__"), "calls others: tests/errors/test_messages_of_habits.py"
    ),
    "__setitem__": "writes into a leaf: tests/parity/test_assignment.py",
    **dict.fromkeys(("__array_ufunc__", "__array_function__"), "calls a function of Lucid's: tests/test_ufuncs.py"),
}


def expect_rows(names: set[str], reasons: Mapping[str, str], prefix: str = "") -> None:
    """A row or a reason for each name, not both, and no reason for what there is not."""
    missing = {name for name in names - reasons.keys() if prefix + name not in ROW_NAMES}
    assert not missing, f"tests/table has no rows for {sorted(missing)}"
    assert reasons.keys() <= names, f"there are none of {sorted(reasons.keys() - names)}"
    assert not {name for name in reasons if prefix + name in ROW_NAMES}


def test_functions() -> None:
    is_function = {name: inspect.isroutine(getattr(lucid, name)) for name in lucid.__all__}
    names = {name for name, is_one in is_function.items() if is_one} | {"audit", "no_grad", "enable_grad"}
    expect_rows(names, FUNCTIONS_WITHOUT_ROW)


def test_functions_of_layers() -> None:
    expect_rows(set(F.__all__), LAYERS_WITHOUT_ROW, "nn.functional.")


def test_methods() -> None:
    """A method that is a function of Lucid, under any name, shares its row."""
    functions = {id(getattr(lucid, name)) for name in lucid.__all__}
    names = {name for name in dir(Tensor) if not name.startswith("_")}
    own = {name for name in names if id(inspect.getattr_static(Tensor, name)) not in functions}
    assert {"abs", "clamp", "exp", "pow", "sum", "topk"} <= names - own
    expect_rows(own, METHODS_WITHOUT_ROW, "Tensor.")


def test_operators() -> None:
    functions = {id(getattr(lucid, name)) for name in lucid.__all__}
    defined = {name: value for name, value in vars(Tensor).items() if name.startswith("__") and callable(value)}
    own = {name for name, value in defined.items() if id(value) not in functions}
    assert {"__add__", "__matmul__", "__le__", "__invert__"} <= defined.keys() - own
    expect_rows(own, OPERATORS_WITHOUT_ROW, "Tensor.")


def test_rows_name_what_there_is() -> None:
    assert not [row.name for row in ROWS if not callable(row.make(lucid)) and not row.name.startswith("Tensor.")]
