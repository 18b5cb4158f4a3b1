"""What is the matter with the names of a state_dict: the hints of its error."""

import pytest

import lucid.nn as nn
from lucid.errors import StateDictError
from lucid.nn.state import WRAPPERS

MODEL = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))


def hint(state_dict: dict[str, object], model: nn.Module = MODEL) -> str | None:
    with pytest.raises(StateDictError) as caught:
        model.load_state_dict(state_dict)
    return caught.value.hint


@pytest.mark.parametrize("prefix", [*WRAPPERS, "model."])
def test_a_prefix_before_each_name_says_how_to_strip_it(prefix: str) -> None:
    state_dict = {f"{prefix}{name}": value for name, value in MODEL.state_dict().items()}
    who = WRAPPERS.get(prefix, "something has put")
    stripped = f"{{name.removeprefix({prefix!r}): value for name, value in state_dict.items()}}"
    assert hint({**state_dict}) == f"{who} {prefix!r} before each name: load {stripped}."
    MODEL.load_state_dict(eval(stripped, {"state_dict": state_dict}))


def test_the_names_of_a_part() -> None:
    whole = nn.ModuleDict({"body": MODEL, "head": nn.Linear(2, 2)})
    assert hint({**MODEL.state_dict()}, whole) == (
        "these are the names of a part: model.body.load_state_dict(state_dict) takes them."
    )


def test_a_checkpoint_of_several_dicts() -> None:
    found = hint({"model": MODEL.state_dict(), "optimizer": {"state": {}}, "epoch": 3})
    assert found == "it is a dict of such: load state_dict['model']."


def test_a_misspelt_name() -> None:
    state_dict = {**MODEL.state_dict()}
    state_dict["1.wieght"] = state_dict.pop("1.weight")
    assert hint({**state_dict}) == "did you mean '1.weight' for '1.wieght'?"


def test_another_layer_is_no_misspelling() -> None:
    state_dict = {**MODEL.state_dict()}
    state_dict["2.weight"] = state_dict.pop("1.weight")
    assert hint({**state_dict}) is None
    assert hint({}) is None
