"""Calls of the methods of tensors and modules, of data sets and loaders, of files, and of what works on functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.errors.calls.arrays import BLOCK, COUNTS, LINE, LONG_LINE, NUMBER, SQUARE, TABLE, floats, integers
from tests.errors.calls.call import Call, Of, call, find, unlike

NO_TENSOR = "rank shape dtype"
ANY = "rank shape dtype value"
COMPLEX = TABLE.astype(np.complex64)


def linear(library: Any) -> Any:
    return library.nn.Linear(3, 2)


def batch_norm(library: Any) -> Any:
    return library.nn.BatchNorm1d(3)


def data(library: Any) -> Any:
    return find(library, "data.TensorDataset")(library.tensor(TABLE), library.tensor(integers(2)))


def recorded(library: Any) -> Any:
    x = library.tensor(TABLE, requires_grad=True)
    return x * x


MODEL, NORM, DATA, RECORDED = Of(linear), Of(batch_norm), Of(data), Of(recorded)
HOOK = Of(lambda _: lambda *arguments: None)

CALLS: list[Call] = [
    # Methods of tensors that are not functions of `lucid`.
    call("Tensor.astype", TABLE, "float64", takes="rank shape value", bad={"dtype": [{1: "complex64"}, {1: 1}]}),
    call("Tensor.backward", RECORDED, TABLE, takes="rank shape value dtype", bad={"gradient": [{0: TABLE}, {1: LINE}]}),
    *(
        call(f"Tensor.{name}", TABLE, takes=ANY)
        for name in (
            "bool",
            "clone",
            "cpu",
            "detach",
            "dim",
            "double",
            "float",
            "int",
            "long",
            "numel",
            "numpy",
            "tolist",
            "zero_",
            "zero_grad",
        )
    ),
    call(
        "Tensor.copy_",
        TABLE,
        TABLE,
        takes="rank value",
        bad={"shape": {1: LONG_LINE}, "type": {1: "x"}, "dtype": {1: ["x"]}},
    ),
    call("Tensor.fill_", TABLE, 0.5, takes="shape value", bad={"rank": {1: BLOCK}, "dtype": {1: "x"}}),
    call("Tensor.expand", floats(1, 3), 2, 3, takes="rank dtype value", bad={"shape": {1: 2, 2: 4}, "type": {1: 0.5}}),
    call(
        "Tensor.expand_as", floats(1, 3), TABLE, takes="dtype value", bad={"rank": {1: LINE}, "shape": {1: LONG_LINE}}
    ),
    call("Tensor.item", NUMBER, takes="dtype shape rank", bad={"value": {0: TABLE}}),
    call(
        "Tensor.new_full",
        TABLE,
        (2,),
        0.5,
        takes="rank",
        bad={"shape": {1: (-1,)}, "dtype": {"dtype": "complex64"}, "type": {2: "x"}},
    ),
    call(
        "Tensor.new_ones",
        TABLE,
        2,
        takes="rank",
        bad={"shape": {1: -1}, "dtype": {"dtype": "complex64"}, "type": {1: 0.5}},
    ),
    call(
        "Tensor.new_zeros",
        TABLE,
        2,
        takes="rank",
        bad={"shape": {1: -1}, "dtype": {"dtype": "complex64"}, "type": {1: 0.5}},
    ),
    call("Tensor.permute", TABLE, 1, 0, takes="dtype", bad={"rank": {1: 0}, "shape": {1: 0}, "type": {1: 0.5}}),
    call("Tensor.repeat", TABLE, 2, 2, takes="rank shape dtype", bad={"value": [{1: -1}, {1: 0.5}]}),
    call("Tensor.requires_grad_", TABLE, True, takes="rank shape value", bad={"dtype": {0: COUNTS}}),
    call("Tensor.reshape", TABLE, 3, 2, takes="rank dtype", bad={"shape": {1: 4}, "type": {1: 0.5}}),
    call("Tensor.reshape_as", TABLE, floats(3, 2), takes="rank dtype value", bad={"shape": {1: LINE}}),
    call(
        "Tensor.to",
        TABLE,
        "cpu",
        takes="rank shape",
        bad={"dtype": [{"dtype": "complex64"}, {1: 1}], "value": {1: "tpu"}},
    ),
    call("Tensor.type_as", TABLE, COUNTS, takes=ANY),
    call(
        "Tensor.__getitem__",
        TABLE,
        (0, 1),
        takes="dtype",
        bad={
            "rank": unlike({1: (0, 0, 0)}, error=IndexError),
            "data": {1: 2},
            "type": {1: "x"},
            "shape": {1: (np.zeros(2, int), np.zeros(3, int))},
        },
    ),
    call(
        "Tensor.__setitem__",
        TABLE,
        (0, 1),
        0.5,
        takes="dtype",
        bad={
            "rank": unlike({1: (0, 0, 0)}, error=IndexError),
            "data": {1: 2},
            "type": {1: "x"},
            "shape": {1: 0, 2: LONG_LINE},
        },
    ),
    call("Tensor.__len__", TABLE, takes="rank shape dtype", bad={"type": {0: NUMBER}}),
    call("Tensor.__iter__", TABLE, takes="shape dtype value rank"),
    # Methods of modules.
    call(
        "nn.Module.add_module",
        MODEL,
        "extra",
        MODEL,
        takes=NO_TENSOR,
        bad={"value": [{1: "a.b"}, {1: ""}], "type": [{1: 1}, {2: 1}]},
    ),
    call(
        "nn.Module.register_buffer",
        MODEL,
        "extra",
        TABLE,
        takes=NO_TENSOR,
        bad={"value": [{1: "a.b"}, {2: RECORDED}], "type": {2: 1}},
    ),
    call(
        "nn.Module.register_parameter",
        MODEL,
        "extra",
        None,
        takes=NO_TENSOR,
        bad={"value": {1: "a.b"}, "type": {2: TABLE}},
    ),
    call("nn.Module.register_forward_hook", MODEL, HOOK, takes=NO_TENSOR + " value", bad={"type": {1: 1}}),
    call("nn.Module.register_forward_pre_hook", MODEL, HOOK, takes=NO_TENSOR + " value", bad={"type": {1: 1}}),
    call("nn.Module.apply", MODEL, HOOK, takes=NO_TENSOR + " value", bad={"type": {1: 1}}),
    call("nn.Module.get_buffer", NORM, "running_mean", takes=NO_TENSOR, bad={"value": {1: "nothing"}, "type": {1: 1}}),
    call("nn.Module.get_parameter", MODEL, "weight", takes=NO_TENSOR, bad={"value": {1: "nothing"}, "type": {1: 1}}),
    call("nn.Module.get_submodule", MODEL, "", takes=NO_TENSOR, bad={"value": {1: "nothing"}, "type": {1: 1}}),
    call(
        "nn.Module.load_state_dict",
        MODEL,
        Of(lambda library: linear(library).state_dict()),
        takes="rank shape dtype value",
        bad={"state": [{1: {}}, {1: {"weight": TABLE, "bias": LINE}}], "type": {1: 1}},
    ),
    call("nn.Module.to", MODEL, "cpu", takes="rank shape", bad={"dtype": [{1: 1}], "value": {1: "tpu"}}),
    call("nn.Module.astype", MODEL, "float64", takes="rank shape value", bad={"dtype": [{1: "int64"}, {1: 1}]}),
    call("nn.Module.train", MODEL, False, takes=NO_TENSOR + " value", bad={"type": {1: "x"}}),
    call("nn.Module.requires_grad_", MODEL, False, takes=ANY),
    call("nn.Module.zero_grad", MODEL, True, takes=ANY),
]


def two_layers(library: Any) -> Any:
    return [library.nn.Linear(3, 3), library.nn.ReLU()]


def parameter(library: Any) -> Any:
    return library.nn.Parameter(library.tensor(TABLE))


def loader(library: Any) -> Any:
    return find(library, "data.DataLoader")(data(library), 2)


LAYERS, PARAMETER = Of(two_layers), Of(parameter)
NAMED_LAYERS = Of(lambda library: dict(zip("ab", two_layers(library), strict=True)))
NAMED_PARAMETERS = Of(lambda library: {"a": parameter(library)})
NO_FILE = "/nowhere/nothing.safetensors"

CALLS += [
    # Containers.
    call("nn.Sequential", Of(linear), takes=NO_TENSOR + " value", bad={"type": [{0: 1}, {0: LAYERS}]}),
    call("nn.ModuleList", LAYERS, takes=NO_TENSOR + " value", bad={"type": [{0: 1}, {0: [1]}]}),
    call(
        "nn.ModuleDict",
        NAMED_LAYERS,
        takes=NO_TENSOR,
        bad={"type": [{0: 1}, {0: {"a": 1}}], "value": {0: Of(lambda library: {"a.b": library.nn.ReLU()})}},
    ),
    call(
        "nn.ParameterList",
        Of(lambda library: [parameter(library)]),
        takes=NO_TENSOR + " value",
        bad={"type": [{0: 1}, {0: [1]}]},
    ),
    call(
        "nn.ParameterDict",
        NAMED_PARAMETERS,
        takes=NO_TENSOR,
        bad={"type": [{0: 1}, {0: {"a": "x"}}], "value": {0: Of(lambda library: {"a.b": parameter(library)})}},
    ),
    call("nn.Parameter", TABLE, takes="rank shape value", bad={"dtype": {0: COUNTS}}),
    call("nn.Module", takes=ANY),
    call("nn.generate_square_subsequent_mask", 3, takes="rank dtype", bad={"shape": {0: -1}, "type": {0: 0.5}}),
    # Data.
    call("data.TensorDataset", TABLE, integers(2), takes=NO_TENSOR, bad={"value": [{0: NUMBER}, {1: LINE}]}),
    call(
        "data.Subset",
        DATA,
        [0, 1],
        takes=NO_TENSOR,
        bad={"value": [{1: [[0]]}, {1: [2]}], "type": [{0: 1}, {1: ["x"]}]},
    ),
    call(
        "data.ConcatDataset",
        Of(lambda library: [data(library)] * 2),
        takes=NO_TENSOR,
        bad={"value": {0: []}, "type": [{0: 1}, {0: [1]}]},
    ),
    call(
        "data.random_split",
        DATA,
        [1, 1],
        takes=NO_TENSOR,
        bad={"value": [{1: [1, 2]}, {1: [-1, 3]}, {1: [0.2, 0.3]}], "type": [{0: 1}, {1: "x"}, {1: 2}]},
    ),
    call(
        "data.DataLoader",
        DATA,
        2,
        takes=NO_TENSOR,
        bad={
            "value": [{1: 0}, {"num_workers": -1}, {"batch_sampler": [[0]]}, {"prefetch_factor": 2}, {"sampler": [9]}],
            "type": [{1: 0.5}, {0: 1}, {"collate_fn": 1}, {"sampler": 1}, {1: 1, "batch_sampler": 1}],
        },
    ),
    call(
        "data.BatchSampler",
        [0, 1],
        2,
        True,
        takes=NO_TENSOR,
        bad={"value": {1: 0}, "type": [{0: 1}, {1: "x"}]},
    ),
    call("data.RandomSampler", 3, takes=NO_TENSOR, bad={"value": {0: -1}, "type": [{0: "x"}, {1: "x"}]}),
    call("data.SequentialSampler", 3, takes=NO_TENSOR, bad={"value": {0: -1}, "type": {0: "x"}}),
    call(
        "data.collate",
        [TABLE, TABLE],
        takes=NO_TENSOR,
        bad={"value": [{0: [TABLE, LINE]}, {0: [TABLE, SQUARE]}, {0: [TABLE, COUNTS]}, {0: []}], "type": {0: 1}},
    ),
]
