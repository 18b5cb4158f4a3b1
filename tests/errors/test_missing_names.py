"""Names of PyTorch that Lucid does not have, and typos: the hint says what to write, and protocols notice nothing."""

import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import lucid
from lucid import nn, optim
from lucid.errors import MissingImportError, MissingNameError
from lucid.missing_names import EXPLAINED, NUMPYS, WRITE_INSTEAD
from lucid.nn import functional
from tests.parity.compare import torch

OPTIMIZER = optim.SGD(nn.Linear(3, 4).parameters(), lr=0.1)
OWNERS = {
    "Tensor": lucid.Tensor([1.0]),
    "lucid": lucid,
    "Optimizer": OPTIMIZER,
    "Scheduler": optim.lr_scheduler.StepLR(OPTIMIZER, 2),
    "Module": nn.Linear(3, 4),
    "lucid.nn": nn,
    "lucid.nn.functional": functional,
    "lucid.optim": optim,
}
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
    if "cuda" in instead:
        return
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
        "Optimizer": "optimizer.",
        "Scheduler": "scheduler.",
        "Tensor": "t.",
        "lucid": "torch.",
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
            assert owner == "Tensor" or hasattr(torch, name)


def test_an_attribute_of_a_module_that_raises_says_what_itself_lacks() -> None:
    class Wrapped(nn.Module):
        @property
        def width(self) -> int:
            return self.linear.in_features  # type: ignore[no-any-return]

    with pytest.raises(MissingNameError, match=r"Wrapped has no 'linear'\.\n  .*in_features"):
        Wrapped().width  # noqa: B018
    assert not hasattr(Wrapped(), "width")
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
        missing |= public - there - TOOLS - WRITE_INSTEAD.get(ours.__name__, {}).keys()
    assert missing - listed == set()
    assert len(missing) > 50
    instead = {"MultiheadAttention", "channel_shuffle", "interpolate", "conv1d", "local_response_norm"}
    assert listed & there == instead
