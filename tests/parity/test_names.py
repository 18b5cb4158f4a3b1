"""Names and arguments are PyTorch's: their order, their defaults, and which have to be named.

A call that fits a signature of PyTorch fits Lucid's of the same name, and means the same there, but for what the tables
below list with its reason. Lucid may ask for less: an argument that PyTorch wants named may be given by position, and
one that it wants given may be left out.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import lucid
import lucid.nn as nn
import lucid.optim as optim
from tests.parity import signatures
from tests.parity.compare import torch

# Arguments of PyTorch that no function of Lucid has, and why.
LEFT_OUT = {
    **dict.fromkeys(
        ("size_average", "reduce", "min_value", "max_value"), "deprecated: `reduction`, `min_val`, `max_val`"
    ),
    **dict.fromkeys(("_stacklevel", "names", "implicit"), "not for users, or not documented"),
    **dict.fromkeys(("layout", "memory_format", "pin_memory", "non_blocking"), "elements lie in row-major order"),
    **dict.fromkeys(("foreach", "fused", "capturable", "differentiable"), "a compiled step is one program as it is"),
    "out": "a result is a new tensor",
    "generator": "there is one specified random stream: lucid.seed, get_state and set_state",
    "sparse_grad": "gradients are dense",
    "create_graph": "lucid.grad(outputs, inputs, create_graph=True)",
    "inputs": "lucid.grad(outputs, inputs)",
    "last_epoch": "a schedule goes on by load_state_dict",
    "epoch": "deprecated",
    "keep_vars": "state dicts hold arrays",
    "assign": "parameters stay the same objects: module.astype(dtype) before",
    "force": "`numpy()` works for tensors that require a gradient, and on a GPU",
    "copy": "t.clone()",
    "compute_mode": "distances are computed from differences",
    "out_int32": "positions are int64",
    "sorter": "sort first",
    "assume_unique": "each element is compared with each other in any case",
}

# Names of Lucid for arguments that PyTorch calls otherwise: operands, which are given by position, and NumPy's names,
# for which PyTorch's are taken as well.
OPERANDS = {
    "x": ("input", "self", "other", "tensor", "a"),
    "y": ("other", "exponent", "vec", "vec2", "mat2", "tensor", "tensor1", "input", "b", "value", "divisor"),
    "z": ("tensor2",),
    "start": ("input",),
    "p": ("input",),
    "value": ("other", "src"),
    "shape": ("size", "dtype"),
    "modules": ("args", "sequential"),
    "indices": ("index",),
    "lines": ("tensors",),
}
ALSO_TAKEN = {
    "axis": ("dim", "dims"),
    "axes": ("dims",),
    "axis1": ("dim1",),
    "axis2": ("dim2",),
    "keepdims": ("keepdim",),
    "ord": ("p",),
    "k": ("diagonal",),
}

# Every other difference, and why it is there.
DELIBERATE: dict[str, tuple[set[str], str]] = {
    "lucid.meshgrid": (
        {"indexing is 'xy' by default"},
        "as in NumPy; PyTorch warns that its default will change to it",
    ),
    **dict.fromkeys(
        ("nn.LinearCrossEntropyLoss", "F.linear_cross_entropy"),
        ({"no options"}, "how to compute it is for the compiler to choose"),
    ),
    "lucid.bernoulli": ({"size is our own"}, "of one probability, many elements"),
    "lucid.take": ({"axis is our own"}, "NumPy's take, which without an axis is PyTorch's"),
    "Tensor.take": ({"axis is our own"}, "NumPy's take, which without an axis is PyTorch's"),
    "lucid.nan_to_num": ({"nan is 0.0 by default"}, "what PyTorch's None means"),
    "Tensor.nan_to_num": ({"nan is 0.0 by default"}, "what PyTorch's None means"),
    "lucid.norm": ({"ord is 2 by default"}, 'what PyTorch\'s "fro" means for vectors'),
    "Tensor.norm": ({"ord is 2 by default"}, 'what PyTorch\'s "fro" means for vectors'),
    "Tensor.split": ({"split_size is called split_size_or_sections"}, "as in torch.split"),
    "lucid.tensor_split": ({"tensor_indices_or_sections is called indices_or_sections"}, "takes both, as in Tensor"),
    "Tensor.tensor_split": ({"indices is called indices_or_sections"}, "takes both"),
    "Tensor.requires_grad_": ({"mode is called requires_grad"}, "as in PyTorch's documentation"),
    "Tensor.backward": ({"retain_graph is False by default"}, "what PyTorch's None means without create_graph"),
    "lucid.randperm": ({"dtype is lucid.int64 by default"}, "what PyTorch's default means"),
    "lucid.set_num_threads": ({"num is called threads"}, "what it is a number of"),
    "lucid.cross": ({"dim is -1 by default"}, "as in torch.linalg.cross; the other default is deprecated"),
    "Tensor.cross": ({"dim is -1 by default"}, "as in torch.linalg.cross; the other default is deprecated"),
    "Tensor.cuda": ({"no device"}, "there is one GPU"),
    "data.random_split": ({"seed is our own"}, "a split depends on the seed alone"),
    "data.DataLoader": (
        {f"no {name}" for name in ("timeout", "worker_init_fn", "multiprocessing_context", "pin_memory_device")}
        | {"no in_order", "seed is our own"},
        "threads instead of processes, and an order that depends on the seed and the epoch: docs/pytorch.md",
    ),
    "Module.cuda": ({"no device"}, "there is one GPU"),
    "ParameterDict.setdefault": ({"default is required"}, "a parameter, not None"),
    **dict.fromkeys(
        ("optim.RMSprop", "optim.ASGD"),
        ({"maximize has to be named"}, "it stands behind arguments that are left out"),
    ),
}

# What has another meaning in Lucid, so that arguments can't be compared.
OTHERWISE = {
    **dict.fromkeys(("data.Dataset", "data.Sampler"), "protocols of Lucid's own, which PyTorch's data sets fit"),
    **dict.fromkeys(
        ("data.RandomSampler", "data.SequentialSampler"), "an order is a function of the epoch: docs/data.md"
    ),
    **dict.fromkeys(
        [f"{name}.forward" for name in ("Module", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")],
        "takes what its classes take",
    ),
    "lucid.compile": "compiles for itself, with options of its own",
    "lucid.einsum": "takes the same, through *args in PyTorch",
    "lucid.load": "safetensors, no pickles: docs/saving.md",
    "lucid.save": "safetensors, no pickles: docs/saving.md",
    "lucid.seed": "takes the seed, as torch.manual_seed does",
    "lucid.Tensor": "makes tensors of data, as torch.tensor does",
    "lucid.enable_grad": "takes nothing, or a function",
    "lucid.no_grad": "takes nothing, or a function",
    "nn.Parameter": "takes the same, in C",
    "nn.Module": "takes nothing",
    "Module.state_dict": "takes the same, and PyTorch's deprecated *args as well",
    "Module.to": "takes the same, through *args in PyTorch",
    "nn.Identity": "takes anything, and so does PyTorch's",
    "F.logsigmoid": "takes input, in C",
    "lucid.relu": "takes input, in C",
}

OWNERS: dict[str, tuple[Any, Any]] = {
    "lucid": (lucid, torch),
    "Tensor": (lucid.Tensor, torch.Tensor),
    "nn": (nn, torch.nn),
    "F": (nn.functional, torch.nn.functional),
    "init": (nn.init, torch.nn.init),
    "utils": (nn.utils, torch.nn.utils),
    "optim": (optim, torch.optim),
    "Optimizer": (optim.Optimizer, torch.optim.Optimizer),
    "lr_scheduler": (optim.lr_scheduler, torch.optim.lr_scheduler),
    "LRScheduler": (optim.lr_scheduler.LRScheduler, torch.optim.lr_scheduler.LRScheduler),
    "swa_utils": (optim.swa_utils, torch.optim.swa_utils),
    "data": (lucid.data, torch.utils.data),
    "Module": (nn.Module, torch.nn.Module),
}
OWNERS |= {
    name: (getattr(nn, name), getattr(torch.nn, name))
    for name in nn.__all__
    if isinstance(getattr(nn, name), type) and name not in OWNERS and hasattr(torch.nn, name) and name != "Parameter"
}


def is_compared(owner: Any, name: str) -> bool:
    """Whether a name of an owner is its own: not imported there, and not of a base class that is compared itself."""
    value = getattr(owner, name)
    if inspect.ismodule(owner):
        return (
            name in getattr(owner, "__all__", vars(owner))
            and not name.startswith("_")
            and (owner in (lucid, nn.functional) or getattr(value, "__module__", "").startswith(owner.__name__))
        )
    return not name.startswith("_") and (
        owner in (nn.Module, lucid.Tensor) or not hasattr(nn.Module, name) or name == "forward"
    )


def pairs() -> Iterator[tuple[str, Callable[..., Any], Any, str]]:
    """The full names that Lucid and PyTorch both have, what they stand for in Lucid, and where to look in PyTorch."""
    for prefix, (ours, theirs) in OWNERS.items():
        for name in dir(ours):
            both = hasattr(theirs, name) and callable(getattr(ours, name)) and callable(getattr(theirs, name))
            if both and is_compared(ours, name):
                yield f"{prefix}.{name}", getattr(ours, name), theirs, name


PAIRS = {full: rest for full, *rest in pairs()}


def differences(full: str) -> set[str]:
    function, theirs, name = PAIRS[full]
    ours = signatures.constructors(function)[0] if isinstance(function, type) else signatures.of(function)
    if full.startswith("Tensor.") and ours and ours[0].name in ("x", "y", "start"):
        ours = ours[1:]  # the tensor itself
    spelled = OPERANDS | ALSO_TAKEN if full.startswith(("lucid.", "Tensor.")) else {"modules": OPERANDS["modules"]}
    return signatures.differences(ours, signatures.theirs(theirs, name), LEFT_OUT, spelled)


@pytest.mark.parametrize("full", [full for full in PAIRS if full not in OTHERWISE])
def test_arguments(full: str) -> None:
    assert differences(full) == DELIBERATE.get(full, (set(), ""))[0]


def test_there_is_much_to_compare() -> None:
    assert len(PAIRS) > 500
    assert PAIRS.keys() >= OTHERWISE.keys() | DELIBERATE.keys()


def test_a_difference_is_found() -> None:
    theirs = [signatures._parsed("def f(input, dim=None, *, keepdim=False, eps=1e-5): ...")]
    for ours, found in [
        ("def f(input, dim=None, *, keepdim=False, eps=1e-5): ...", set()),
        ("def f(input, dim=None, keepdim=False, eps=1e-5): ...", set()),  # may be given by position
        ("def f(input=0, dim=None, keepdim=False, eps=1e-5): ...", set()),  # may be left out
        ("def f(x, dim=None, *, keepdim=False, eps=1e-5): ...", {"input is called x"}),
        ("def f(input, dim, *, keepdim=False, eps=1e-5): ...", {"dim is required"}),
        ("def f(input, dim=-1, *, keepdim=False, eps=1e-5): ...", {"dim is -1 by default"}),
        ("def f(input, *, dim=None, keepdim=False, eps=1e-5): ...", {"dim has to be named"}),
        ("def f(input, dim=None, *, keepdim=False): ...", {"no eps"}),
        ("def f(input, dim=None, p=2, *, keepdim=False, eps=1e-5): ...", {"p is our own"}),
        ("def f(dim, input=None, *, keepdim=False, eps=1e-5): ...", {"input is called dim", "dim is called input"}),
    ]:
        assert signatures.differences(signatures._parsed(ours), theirs, {}, {}) == found, ours


NAMED = {
    name: inspect.signature(function).parameters
    for name in lucid.__all__
    if inspect.isfunction(function := getattr(lucid, name)) and "aliases" in inspect.signature(function).parameters
}


@pytest.mark.parametrize("name", NAMED)
def test_names_of_pytorch_are_taken_beside_those_of_numpy(name: str) -> None:
    """What `ALSO_TAKEN` says is so: with an argument of PyTorch's name, the result is that with NumPy's."""
    function, parameters = getattr(lucid, name), NAMED[name]
    x = lucid.Tensor([[[1.0], [4.0]]])
    needed = {"x": x, "y": x, "tensors": [x, x], "split_size_or_sections": 1, "chunks": 1, "q": 0.5, "shifts": 1}
    needed |= {"k": 1} if name == "topk" else {}
    fixed = {own: needed[own] for own, each in parameters.items() if own in needed and each.default is each.empty}
    values = {"axis": 0, "axes": 1, "axis1": 0, "axis2": 2, "keepdims": True, "ord": 3, "k": 1}
    spelled = [(own, other) for own in parameters if own not in fixed for other in ALSO_TAKEN.get(own, ())]
    taken = set()
    for own, other in spelled:
        expected = function(**fixed, **{own: values[own]})
        try:
            found = function(**fixed, **{other: values[own]})
        except TypeError as error:
            assert f"got an unexpected keyword argument '{other}'" in str(error)  # noqa: PT017
            continue
        taken.add(own)
        assert str(found) == str(expected)
    assert taken == {own for own, _ in spelled}
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'nonsense'"):
        function(**fixed, nonsense=1)
