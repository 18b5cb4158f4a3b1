"""Files of weights alone, Lucid's and those from elsewhere."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.errors import (
    ArgumentError,
)


class TestWeights:
    """Files without parts."""

    def test_a_module(self, path: Path) -> None:
        first, second = nn.Linear(3, 2), nn.Linear(3, 2)
        lucid.save(path, first)
        assert set(load_file(path)) == {"weight", "bias"}
        assert lucid.load(path, second) == {}
        assert second.weight.tolist() == first.weight.tolist()
        assert second.load_state_dict(lucid.load(path)) == ([], [])

    def test_a_compiled_module(self, path: Path) -> None:
        model = nn.Linear(3, 2)
        lucid.save(path, lucid.compile(model))
        other = lucid.compile(nn.Linear(3, 2))
        lucid.load(path, other)
        assert other.weight.tolist() == model.weight.tolist()

    def test_shared_weights_stand_under_each_name(self, path: Path) -> None:
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        model[1].weight = model[0].weight
        lucid.save(path, model)
        assert set(load_file(path)) == {"0.weight", "0.bias", "1.weight", "1.bias"}
        lucid.load(path, model)

    def test_names_come_in_order_and_the_same_content_gives_the_same_bytes(self, path: Path) -> None:
        arrays = {f"layer{i}": np.full(i, i) for i in (3, 1, 2, 5, 4)}
        lucid.save(path, arrays)
        assert list(lucid.load(path)) == sorted(arrays)
        content = path.read_bytes()
        lucid.save(path, arrays)
        assert path.read_bytes() == content

    def test_a_dict_of_tensors(self, path: Path) -> None:
        lucid.save(path, OrderedDict(a=Tensor([1.0]), b=np.array([2])))
        found = lucid.load(path)
        assert {name: array.tolist() for name, array in found.items()} == {"a": [1.0], "b": [2]}

    def test_a_file_from_elsewhere_with_other_metadata(self, path: Path) -> None:
        save_file({"weight": np.ones((2, 3), np.float32), "bias": np.ones(2, np.float32)}, path, {"format": "pt"})
        model = nn.Linear(3, 2)
        lucid.load(path, model)
        assert model.bias.tolist() == [1.0, 1.0]

    def test_types_that_lucid_lacks_are_widened(self, path: Path) -> None:
        half = np.array([1.5, -65504.0, 6e-8, np.inf], np.float16)
        short = {"i1": np.array([-128, 127], "i1"), "i2": np.array([-32768], "i2"), "u2": np.array([65535], "u2")}
        save_file({"half": half, **short}, path)
        found = lucid.load(path)
        assert found["half"].dtype == np.float32
        assert found["half"].tolist() == half.tolist()
        for name, array in short.items():
            assert (found[name].dtype, found[name].tolist()) == (np.int32, array.tolist())

    def test_a_type_that_lucid_does_not_read(self, path: Path) -> None:
        header = b'{"z":{"dtype":"F8_E5M2","shape":[1],"data_offsets":[0,1]}}'
        path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x00")
        with pytest.raises(ArgumentError, match="holds z as F8_E5M2, an element type that Lucid does not read"):
            lucid.load(path)

    @pytest.mark.parametrize("content", [3, {"x": 1.0}, {1: np.zeros(2)}, [np.zeros(2)]])
    def test_only_tensors_by_name(self, path: Path, content: object) -> None:
        with pytest.raises(ArgumentError, match="one module, or one dict of tensors") as caught:
            lucid.save(path, content)
        assert "lucid.save(path, optimizer=optimizer, step=17)" in str(caught.value)
        assert not path.exists()

    def test_an_optimizer_is_saved_by_name(self, path: Path) -> None:
        with pytest.raises(ArgumentError, match="one module, or one dict of tensors"):
            lucid.save(path, optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1))
