"""What values go into a file and come back."""

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from safetensors.numpy import load_file

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import (
    ArgumentError,
)


class TestValues:
    def test_they_come_back(self, path: Path) -> None:
        values = {
            "nothing": None,
            "flags": [True, False],
            "number": 2**70,
            "exact": 0.1 + 0.2,
            "infinite": (float("inf"), -float("inf")),
            "text": "ünïcode\n",
            "nested": {"a": {"b": [1, (2.5, "x")], "tensor": {}}, "": []},
        }
        lucid.save(path, **values)
        assert lucid.load(path) == values

    def test_not_a_number_comes_back_as_itself(self, path: Path) -> None:
        lucid.save(path, best=float("nan"))
        assert np.isnan(lucid.load(path)["best"])

    def test_numpy_numbers_come_back_as_python_numbers(self, path: Path) -> None:
        lucid.save(path, step=np.int64(3), loss=np.float32(0.1), done=np.bool_(True))
        found = lucid.load(path)
        assert found == {"step": 3, "loss": float(np.float32(0.1)), "done": True}
        assert [type(value) for value in found.values()] == [int, float, bool]

    @pytest.mark.parametrize("dtype", ["bool", "uint8", "uint32", "uint64", "int32", "int64", "float32", "float64"])
    @pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
    def test_arrays_of_every_dtype(self, path: Path, dtype: str, shape: tuple[int, ...]) -> None:
        array = (np.arange(np.prod(shape, dtype=int)) % 2).reshape(shape).astype(dtype)
        lucid.save(path, part={"x": Tensor(array), "list": [array]})
        found = lucid.load(path)["part"]
        for copy in (found["x"], found["list"][0]):
            assert (copy.dtype, copy.shape, copy.tobytes()) == (array.dtype, shape, array.tobytes())
            copy[...] = 0  # it is writable, and nobody else's

    @pytest.mark.parametrize(
        "array",
        [np.arange(6.0).reshape(2, 3).T, np.arange(12.0)[::-2], np.arange(3, dtype=">f4"), np.array(2.0, ">f8")],
    )
    def test_arrays_in_any_layout(self, path: Path, array: np.ndarray) -> None:
        lucid.save(path, {"x": array})
        np.testing.assert_array_equal(lucid.load(path)["x"], array)

    def test_the_metadata_is_strict_json(self, path: Path) -> None:
        lucid.save(path, best=float("inf"), model=nn.Linear(2, 2))

        def refuse(constant: str) -> None:
            raise AssertionError(constant)

        with safetensors.safe_open(path, framework="numpy") as file:
            text = json.loads(file.metadata()["lucid"], parse_constant=refuse)
        assert text["parts"]["model"] == {
            "dict": {"weight": {"tensor": "model.weight"}, "bias": {"tensor": "model.bias"}}
        }
        assert set(load_file(path)) == {"model.weight", "model.bias"}

    @pytest.mark.parametrize(
        ("parts", "message"),
        [
            ({"x": {1, 2}}, r"x can't be saved: it is of type set\."),
            ({"x": [1, {"y": 1j}]}, r"x\.1\.y can't be saved: it is of type complex\."),
            (
                {"x": {1.5: 2}},
                r"x can't be saved: it is of type dict, with keys that are neither strings nor integers\.",
            ),
            ({"x": [nn.ReLU()]}, r"x\.0 can't be saved: it is of type ReLU\."),
            ({"x": b""}, r"x can't be saved: it is of type bytes\."),
            ({"x": np.zeros(2, "float16")}, "float16"),
            ({"x": {"y.z": np.zeros(2), "y": {"z": np.ones(2)}}}, r"two tensors can't have the name x\.y\.z"),
            ({"__metadata__": np.zeros(2)}, "none the name __metadata__"),
        ],
    )
    def test_what_cannot_be_saved(self, path: Path, parts: dict[str, object], message: str) -> None:
        path.write_text("as before")
        with pytest.raises((ArgumentError, TypeError), match=message):
            lucid.save(path, **parts)
        assert path.read_text() == "as before"
        assert list(path.parent.iterdir()) == [path]
