"""Names of PyTorch that Lucid does not have, and typos: the hint says what to write, and protocols notice nothing."""

import copy
import functools
import pickle
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import nn, optim
from lucid.errors import MissingImportError, MissingNameError
from lucid.missing_names import EXPLAINED, NUMPYS, SAFETENSORS, WRITE_INSTEAD
from lucid.nn import functional
from tests.parity.compare import torch

OPTIMIZER = optim.SGD(nn.Linear(3, 4).parameters(), lr=0.1)
OWNERS = {
    "Tensor": lucid.Tensor([1.0]),
    "lucid": lucid,
    "lucid.autograd": lucid.autograd,
    "lucid.random": lucid.random,
    "Scheduler": optim.lr_scheduler.StepLR(OPTIMIZER, 2),
    "Module": nn.Linear(3, 4),
    "lucid.nn": nn,
    "lucid.nn.functional": functional,
    "lucid.nn.utils": nn.utils,
    "lucid.optim": optim,
}
JAXS = {"value_and_grad", "PRNGKey", "key", "split", "pmap", "lax", "numpy"}  # what is JAX's alone
PAGE = Path(__file__).parents[2] / "docs" / "pytorch.md"


def entries() -> Iterator[tuple[str, str, str]]:
    for owner, table in WRITE_INSTEAD.items():
        for name, instead in table.items():
            yield owner, name, instead


@pytest.mark.parametrize(("owner", "name", "instead"), [*entries()], ids=lambda text: text)
def test_a_name_of_pytorch_says_what_to_write(owner: str, name: str, instead: str) -> None:
    assert not hasattr(OWNERS[owner], name)
    with pytest.raises(MissingNameError) as raised:
        getattr(OWNERS[owner], name)
    shown = owner if owner in ("Tensor", "lucid") or "." in owner else type(OWNERS[owner]).__name__
    assert str(raised.value).startswith(f"{shown} has no {name!r}.\n")
    assert raised.value.hint == f"write `{instead}`."
    model = nn.Linear(3, 4)
    names = {
        "lucid": lucid,
        "nn": nn,
        "F": functional,
        "optim": optim,
        "numpy": np,
        "t": lucid.Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        "x": lucid.Tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]]),
        "a": lucid.ones((2, 3, 4)),
        "b": lucid.ones((2, 4, 3)),
        "image": lucid.ones((1, 3, 4, 4)),
        "array": np.ones(3),
        "counts": lucid.Tensor([4, 9]),
        "mask": lucid.Tensor([[True, False, True], [False, True, False]]),
        "value": 0.5,
        "shape": (2, 3),
        "state": (0, 0),
        "axis": 1,
        "start": 0,
        "stop": 2,
        "model": model,
        "layer": nn.TransformerEncoderLayer(4, 2, 8),
        "parameters": model.parameters(),
        "optimizer": OPTIMIZER,
        "scheduler": OWNERS["Scheduler"],
    }
    exec(instead, names)


def test_typos_are_told_the_name_that_is_near() -> None:
    for owner, name, near in [
        (functional, "cros_entropy", "cross_entropy"),
        (nn, "Lienar", "Linear"),
        (optim, "Addam", "Adam"),
        (lucid, "concatenat", "concatenate"),
        (lucid.Tensor([1.0]), "reshpe", "reshape"),
        (lucid.data, "Dataloader", "DataLoader"),
        (lucid.debug, "prnt", "print"),
        (lucid.extend, "Unry", "Unary"),
        (nn.init, "xavier_normal", "xavier_normal_"),
        (nn.utils, "clip_grad_norm", "clip_grad_norm_"),
        (optim.lr_scheduler, "StepLr", "StepLR"),
        (optim.swa_utils, "AverageModel", "AveragedModel"),
        (nn.Linear(3, 4), "wieght", "weight"),
        (nn.Sequential(nn.ReLU()), "apend", "append"),
        (OPTIMIZER, "zero_grads", "zero_grad"),
        (optim.lr_scheduler.StepLR(OPTIMIZER, 2), "get_lst_lr", "get_last_lr"),
        (lucid.data.DataLoader([1, 2]), "batchsize", "batch_size"),
        (lucid.compile(lambda x: x), "repat", "repeat"),
        (lucid.compile(nn.Linear(3, 4)), "wieght", "weight"),
        (lucid.compile(lambda x: x * 2.0).lower(lucid.ones(2)), "assmbly", "assembly"),
        (lucid.ones(2).sort(), "indexes", "indices"),
    ]:
        with pytest.raises(MissingNameError) as raised:
            getattr(owner, name)
        assert raised.value.hint == f"did you mean `{near}`?"


def test_a_hyperparameter_is_no_attribute_to_read_or_to_set() -> None:
    for kind in (getattr(optim, name) for name in optim.__all__ if isinstance(getattr(optim, name), type)):
        if not issubclass(kind, optim.Optimizer) or kind is optim.Optimizer:
            continue
        optimizer = kind([lucid.ones((2, 2)).requires_grad_()], lr=0.1)
        before = [dict(group) for group in optimizer.param_groups]
        for name, key in [("learning_rate", "lr"), *((key, key) for key in optimizer.defaults)]:
            for use in (lambda: getattr(optimizer, name), lambda: setattr(optimizer, name, 0.5)):  # noqa: B023
                with pytest.raises(MissingNameError) as raised:
                    use()
                assert raised.value.sentence == f"{kind.__name__} has no {name!r}."
                assert raised.value.hint == f'write `optimizer.param_groups[0]["{key}"]`.'
            assert not hasattr(optimizer, name)
        assert optimizer.param_groups == before
        optimizer.comment = "a user's own"  # type: ignore[attr-defined]


def test_typos_in_capitals_are_told_the_name() -> None:
    for owner, name, near in [
        (nn, "Maxpool2d", "`MaxPool2d`"),
        (nn, "Relu", "`ReLU`"),
        (nn, "Lstm", "`LSTM`"),
        (nn, "Gelu", "`GELU`"),
        (nn, "Batchnorm2", "`BatchNorm2d`"),
        (optim, "Sgd", "`SGD`"),
        (lucid, "tensr", "`tensor`"),
        (lucid, "Tensr", "`Tensor`"),
        (nn, "BatchNorm", "`BatchNorm1d`, `BatchNorm2d` or `BatchNorm3d`"),
        (nn, "Conv", "`Conv1d`, `Conv2d` or `Conv3d`"),
        (nn, "maxpool", "`MaxPool1d`, `MaxPool2d` or `MaxPool3d`"),
    ]:
        with pytest.raises(MissingNameError) as raised:
            getattr(owner, name)
        assert raised.value.hint == f"did you mean {near}?"


def test_names_of_safetensors_are_told_those_of_lucid() -> None:
    theirs = pytest.importorskip("safetensors.torch")
    for name, ours in SAFETENSORS.items():
        assert hasattr(theirs, name)
        with pytest.raises(MissingNameError) as raised:
            getattr(lucid, name)
        assert raised.value.hint == f"did you mean `{ours}`?"


def test_names_of_numpy_are_told_those_of_lucid() -> None:
    for name, ours in NUMPYS.items():
        assert hasattr(np, name) or hasattr(np.random, name) or hasattr(np.random.default_rng(), name)
        with pytest.raises(MissingNameError) as raised:
            getattr(lucid, name)
        assert raised.value.hint == f"did you mean `{ours}`?"
    with pytest.raises(MissingNameError) as raised:
        lucid.Tensor([1.0]).mod  # noqa: B018
    assert raised.value.hint == "did you mean `remainder`?"


def test_in_place_forms_of_methods() -> None:
    t = lucid.Tensor([4.0])
    with pytest.raises(MissingNameError) as raised:
        t.sqrt_()  # type: ignore[attr-defined]
    assert raised.value.hint == "write `t = t.sqrt(...)`, or `t.copy_(t.sqrt(...))` to update a leaf in place."


def test_a_name_that_is_near_nothing_has_no_hint() -> None:
    with pytest.raises(MissingNameError) as raised:
        lucid.qqqqq  # type: ignore[attr-defined]  # noqa: B018
    assert raised.value.hint is None
    assert "qqqqq  # type" in str(raised.value)  # the user's line


def test_protocols_notice_nothing() -> None:
    t = lucid.Tensor([1.0, 2.0])
    assert getattr(t, "half", None) is None
    for name in ("__array_interface__", "_repr_html_", "_ipython_display_"):
        with pytest.raises(AttributeError) as raised:
            getattr(t, name)
        assert type(raised.value) is AttributeError
    assert copy.deepcopy(t).tolist() == [1.0, 2.0]
    assert np.asarray(t).tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="tensors are not pickled"):
        pickle.dumps(t)


def test_a_compiled_step_gives_the_hint_too() -> None:
    with pytest.raises(MissingNameError, match=r"Tensor has no 'masked_fill_'\."):
        lucid.compile(lambda x: x.masked_fill_(x < 0, 0.0))(lucid.Tensor([1.0]))


def test_the_page_has_the_whole_table() -> None:
    rows = re.findall(r"^\| `(\S+)` \| `(.+)` \|$", PAGE.read_text(), re.MULTILINE)
    prefix = {
        "Scheduler": "scheduler.",
        "Tensor": "t.",
        "lucid": "torch.",
        "lucid.autograd": "torch.autograd.",
        "lucid.random": "torch.random.",
        "Module": "model.",
        "lucid.nn": "nn.",
        "lucid.nn.functional": "F.",
        "lucid.optim": "optim.",
    }
    assert rows == [(prefix[owner] + name, instead) for owner, name, instead in entries()]


def test_the_page_has_what_there_is_nothing_to_write_for() -> None:
    explained = {(owner, name): why for owner, names in EXPLAINED.items() for name, why in names.items()}
    assert {f"{name}: {why}" for (_, name), why in explained.items()} == {
        f"{name}: {why}"
        for name, why in re.findall(r"^\| `[.\w]*?(\w+)=?` \| (\w.+) \|$", PAGE.read_text(), re.MULTILINE)
    }
    for (owner, name), why in explained.items():
        if owner != "compile":
            with pytest.raises(MissingNameError) as raised:
                getattr(OWNERS[owner], name)
            assert raised.value.hint == why
            theirs = (torch, torch.func, torch.autograd, torch.random, torch.nn, torch.nn.utils, torch.optim)
            known = owner == "Tensor" or name in JAXS or any(hasattr(each, name) for each in theirs)
            assert known or find_spec(f"{owner.replace('lucid', 'torch')}.{name}") is not None


def test_what_is_said_of_other_names_works() -> None:
    xs, v = [lucid.ones(2, 3), lucid.ones(4, 3)], lucid.Tensor([2.0], requires_grad=True)
    padded = lucid.stack([functional.pad(x, (0, 0, 0, 4 - len(x))) for x in xs])
    assert (padded.shape, padded.sum((1, 2)).tolist()) == ((2, 4, 3), [6.0, 12.0])
    t = lucid.index_put(lucid.zeros(3), (lucid.Tensor([1]),), v)
    assert lucid.grad(t, v).tolist() == [1.0]
    for value, dtype in [("FloatTensor", "float32"), ("LongTensor", "int64"), ("BoolTensor", "bool")]:
        assert str(eval(WRITE_INSTEAD["lucid"][value]).dtype).endswith(dtype)


def test_a_name_that_another_module_has_says_which() -> None:
    for owner, name, instead in [
        (lucid, "cross_entropy", "lucid.nn.functional.cross_entropy"),
        (lucid, "Linear", "lucid.nn.Linear"),
        (lucid, "functional", "lucid.nn.functional"),
        (nn, "sigmoid", "lucid.sigmoid"),
        (nn, "Adam", "lucid.optim.Adam"),
        (functional, "DataLoader", "lucid.data.DataLoader"),
        (lucid.random, "randn", "lucid.randn"),
        (lucid.autograd, "custom_vjp", "lucid.custom_vjp"),
    ]:
        with pytest.raises(MissingNameError) as raised:
            getattr(owner, name)
        assert raised.value.hint == f"write `{instead}`."


class Wrapped(nn.Module):
    """Its properties raise AttributeErrors: of a name that Lucid refuses, and of Python's own."""

    asked = 0

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)

    @property
    def width(self) -> int:
        self.asked += 1
        return self.liner.in_features  # type: ignore[no-any-return]

    @functools.cached_property
    def depth(self) -> int:
        self.asked += 1
        return self._layers  # type: ignore[no-any-return]

    @property
    def height(self) -> int:
        self.asked += 1
        return len(None.rows)  # type: ignore[attr-defined]


def test_a_property_that_raises_says_what_itself_lacks_and_is_asked_once() -> None:
    for name, sentence, hint, line in [
        ("width", "Wrapped.width raised an AttributeError: Wrapped has no 'liner'.", "linear", "in_features"),
        ("depth", "Wrapped.depth raised an AttributeError: Wrapped has no '_layers'.", None, "self._layers"),
    ]:
        module = Wrapped()
        with pytest.raises(MissingNameError) as raised:
            getattr(module, name)
        assert (raised.value.sentence, raised.value.hint) == (sentence, hint and f"did you mean `{hint}`?")
        assert line in str(raised.value)
        assert module.asked == 1
        assert not hasattr(module, name)


def test_a_property_whose_error_is_pythons_says_how_to_see_it() -> None:
    module = Wrapped()
    with pytest.raises(MissingNameError) as raised:
        module.height  # noqa: B018
    assert raised.value.sentence == "Wrapped.height raised an AttributeError."
    assert raised.value.hint == "`type(x).height.fget(x)` raises it with its traceback."
    assert module.asked == 1
    with pytest.raises(AttributeError, match="'rows'"):
        type(module).height.fget(module)  # type: ignore[attr-defined]


def test_the_names_of_a_module_are_listed() -> None:
    assert {"weight", "training", "forward"} <= set(dir(nn.Linear(3, 4)))


def test_an_import_of_a_name_of_pytorch_says_what_to_write() -> None:
    with pytest.raises(ImportError) as caught:
        from lucid import cat  # type: ignore[attr-defined]  # noqa: F401
    assert isinstance(caught.value, MissingImportError)
    assert caught.value.sentence == "lucid has no 'cat'."
    assert caught.value.hint == "write `lucid.concatenate((t, x))`."
    with pytest.raises(ImportError, match=r"lucid\.nn has no 'Lienar'"):
        from lucid.nn import Lienar  # type: ignore[attr-defined]  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        import lucid.nothing  # type: ignore[import-not-found]  # noqa: F401


# What torch.nn.functional and torch.nn.init import, and the tools of their own source.
TOOLS = {"Callable", "DType", "Optional", "ScalingType", "SwizzleType", "Tensor", "assert_int_or_pair"}
TOOLS |= {
    "boolean_dispatch",
    "handle_torch_function",
    *(f"has_torch_function{end}" for end in ("", "_unary", "_variadic")),
}


def test_the_page_has_every_name_of_torch_nn_and_torch_optim_that_is_missing() -> None:
    section = PAGE.read_text().split("## What else is missing")[1]
    listed = set(re.findall(r"`(\w+)`", section))
    missing, there = set(), set()
    for theirs, ours in (
        (torch.nn, nn),
        (torch.nn.functional, functional),
        (torch.nn.init, nn.init),
        (torch.nn.utils, nn.utils),
        (torch.optim, optim),
        (torch.optim.lr_scheduler, optim.lr_scheduler),
        (torch.optim.swa_utils, optim.swa_utils),
    ):
        public = {name for name in getattr(theirs, "__all__", dir(theirs)) if name[0] != "_"}
        public = {name for name in public if callable(getattr(theirs, name, None))}
        there |= {name for name in public if hasattr(ours, name)}
        told = {**WRITE_INSTEAD.get(ours.__name__, {}), **EXPLAINED.get(ours.__name__, {})}
        missing |= public - there - TOOLS - told.keys()
    assert missing - listed == set()
    assert len(missing) > 50
    instead = {"MultiheadAttention", "channel_shuffle", "interpolate", "conv1d", "local_response_norm"}
    assert listed & there == instead


def test_a_program_and_its_backward_offer_nothing_that_runs_machine_code_on_what_it_is_given() -> None:
    program = lucid.compile(lambda x: x * x).lower(lucid.ones(3).requires_grad_())
    for readable in (program, program.backward):
        assert not {"run", "repeat"} & {*dir(readable)}
        assert not any(hasattr(readable, name) for name in ("run", "repeat"))
