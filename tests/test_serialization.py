"""lucid.save and lucid.load: what goes into a file comes back, and a failed load or save changes nothing."""

import errno
import itertools
import json
import os
import pickle
import stat
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from safetensors.numpy import load_file, save_file

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid import Tensor
from lucid.data import DataLoader, TensorDataset
from lucid.errors import (
    ArgumentError,
    FileError,
    FolderError,
    InstallationError,
    MissingFileError,
    StateDictError,
    TraceError,
)
from lucid.optim.lr_scheduler import CosineAnnealingLR
from tests.training import classifying_step


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.safetensors"


def epochs(loader: DataLoader) -> Iterator[Any]:
    """Batches without end."""
    while True:
        yield from loader


class Training:
    """A model, its optimizer, a schedule and a compiled step, with data in batches."""

    def __init__(self, seed: int, compiled: bool = True, kind: str = "Adam", **options: Any) -> None:
        lucid.seed(seed)
        hidden = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3))
        self.model = model = nn.Sequential(hidden, nn.Linear(8, 3))
        own = {"maximize": False} if kind == "Rprop" else {"weight_decay": 0.1}
        groups = [{"params": hidden.parameters(), **own}, {"params": model[1].parameters()}]
        self.optimizer = optimizer = getattr(optim, kind)(groups, lr=0.05, **options)
        self.scheduler = CosineAnnealingLR(optimizer, 30)
        generator = np.random.default_rng(0)
        data = TensorDataset(generator.standard_normal((32, 4), np.float32), generator.integers(0, 3, 32))
        self.loader = DataLoader(data, batch_size=5, shuffle=True, drop_last=True)

        step = classifying_step(model, optimizer)

        self.step = lucid.compile(step) if compiled else step
        self.batches = epochs(self.loader)

    def parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "loader": self.loader,
        }

    def train(self, steps: int) -> list[float]:
        losses = []
        for x, y in itertools.islice(self.batches, steps):
            losses.append(self.step(x, y).item())
            self.scheduler.step()
        return losses

    def load(self, path: Path) -> dict[str, Any]:
        rest = lucid.load(path, **self.parts())
        self.batches = epochs(self.loader)
        return rest

    def state(self) -> tuple[object, ...]:
        """All that training has changed, comparable bit for bit."""
        arrays = {**self.model.state_dict(), **{name: x.numpy() for name, x in self.optimizer.state.items()}}
        groups = [{**group, "params": None} for group in self.optimizer.param_groups]
        bits = {name: array.tobytes() for name, array in arrays.items()}
        return bits, groups, self.scheduler.state_dict(), self.loader.state_dict(), lucid.get_state()


# Optimizers beside Adam, with what gives them most to remember.
OTHERS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "AdamW": {"amsgrad": True},
    "RMSprop": {"momentum": 0.9, "centered": True},
    **{kind: {} for kind in ("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adamax", "Lion", "NAdam", "RAdam", "Rprop")},
}


class TestResuming:
    @pytest.mark.parametrize("compiled", [True, False])
    def test_training_goes_on_bit_for_bit(self, path: Path, compiled: bool) -> None:
        training = Training(seed=1, compiled=compiled)
        training.train(10)
        lucid.save(path, **training.parts(), step=10)
        losses = training.train(10)
        expected = training.state()

        resumed = Training(seed=2, compiled=compiled)
        assert resumed.load(path) == {"step": 10}
        assert resumed.train(10) == losses
        assert resumed.state() == expected

    @pytest.mark.parametrize("kind", [*OTHERS])
    def test_each_optimizer_goes_on_bit_for_bit(self, path: Path, kind: str) -> None:
        training = Training(seed=1, kind=kind, **OTHERS[kind])
        training.train(5)
        lucid.save(path, **training.parts())
        losses = training.train(5)

        resumed = Training(seed=2, kind=kind, **OTHERS[kind])
        resumed.load(path)
        assert resumed.train(5) == losses
        assert resumed.state() == training.state()

    def test_programs_that_were_compiled_before_the_load_see_it(self, path: Path) -> None:
        training = Training(seed=1)
        training.train(10)
        lucid.save(path, **training.parts())
        losses = training.train(10)
        expected = training.state()
        addresses = [parameter.numpy().ctypes.data for parameter in training.model.parameters()]

        training.load(path)
        assert training.train(10) == losses
        assert training.state() == expected
        assert len(training.step.programs) == 1
        assert [parameter.numpy().ctypes.data for parameter in training.model.parameters()] == addresses

    def test_a_setting_of_the_file_is_obeyed_by_compiled_steps(self, path: Path) -> None:
        weight = Tensor([1.0], requires_grad=True)
        optimizer = optim.SGD([weight], lr=1.0, maximize=True)
        lucid.save(path, optimizer=optimizer)
        optimizer.param_groups[0].update(maximize=False, lr=0.5)

        @lucid.compile
        def step() -> None:
            optimizer.zero_grad()
            weight.sum().backward()
            optimizer.step()

        step()
        assert weight.tolist() == [0.5]
        lucid.load(path, optimizer=optimizer)
        step()
        assert weight.tolist() == [1.5]

    def test_the_random_state_comes_with_the_optimizer_only(self, path: Path) -> None:
        training = Training(seed=2**63 + 5)
        lucid.save(path, **training.parts())
        state = lucid.get_state()
        lucid.seed(3)
        lucid.load(path)
        lucid.load(path, model=training.model)
        assert lucid.get_state() == (3, 0)
        lucid.load(path, optimizer=training.optimizer)
        assert lucid.get_state() == state


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


class Refusing:
    """An object that writes half of a state, and then refuses."""

    def __init__(self) -> None:
        self.value = 1

    def state_dict(self) -> dict[str, int]:
        return {"value": self.value}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.value = state_dict["value"]
        if self.value == 2:
            raise KeyboardInterrupt


class TestFailedLoads:
    def test_a_part_that_does_not_fit_leaves_all_as_it_was(self, path: Path) -> None:
        training = Training(seed=1)
        training.train(3)
        lucid.save(path, **{**training.parts(), "scheduler": optim.StepLR(training.optimizer, 1)})
        training.train(4)
        before = training.state()
        with pytest.raises(StateDictError, match="the state_dict of CosineAnnealingLR has") as caught:
            lucid.load(path, **training.parts())
        assert caught.value.__notes__ == [f"while loading the part scheduler of {path}"]
        assert training.state() == before

    def test_hyperparameters_that_the_file_added_are_gone_again(self, path: Path) -> None:
        training = Training(seed=1)
        lucid.save(path, optimizer=training.optimizer, other=1)
        plain = optim.Adam(
            [{"params": training.model[0].parameters()}, {"params": training.model[1].parameters()}], lr=0.1
        )
        before = [dict(group) for group in plain.param_groups]
        with pytest.raises(TypeError):
            lucid.load(path, optimizer=plain, other=Refusing())
        assert [dict(group) for group in plain.param_groups] == before

    def test_an_interrupt_too(self, path: Path) -> None:
        model, refusing = nn.Linear(2, 2), Refusing()
        lucid.save(path, model=nn.Linear(2, 2), refusing={"value": 2})
        before = model.weight.tolist()
        with pytest.raises(KeyboardInterrupt):
            lucid.load(path, model=model, refusing=refusing)
        assert (model.weight.tolist(), refusing.value) == (before, 1)

    def test_all_keys_and_shapes_that_differ_are_listed(self, path: Path) -> None:
        lucid.save(path, model=nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)))
        model = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 2))
        with pytest.raises(StateDictError) as caught:
            lucid.load(path, model=model)
        assert str(caught.value).startswith(
            "the state_dict does not fit Sequential: missing: 2.weight, 2.bias; unexpected: 1.weight, 1.bias; "
            "of another shape: 0.weight (2, 3) for (2, 4)."
        )

    def test_of_many_keys_the_first_are_listed(self) -> None:
        model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(6)))
        with pytest.raises(StateDictError) as caught:
            model.load_state_dict({})
        names = [f"{n}.{part}" for n in range(5) for part in ("weight", "bias")]
        assert (
            caught.value.sentence == f"the state_dict does not fit Sequential: missing: {', '.join(names)}, and 2 more."
        )

    def test_a_part_that_is_missing(self, path: Path) -> None:
        lucid.save(path, model=nn.ReLU(), step=3)
        with pytest.raises(StateDictError, match=r"has no part optimizer; it has model, step\."):
            lucid.load(path, model=nn.ReLU(), optimizer=Training(0).optimizer)

    def test_a_file_with_parts_is_loaded_by_name(self, path: Path) -> None:
        lucid.save(path, model=nn.ReLU(), step=3)
        with pytest.raises(StateDictError, match=r"holds the parts model, step\.") as caught:
            lucid.load(path, nn.ReLU())
        assert "lucid.load(path, model=model)" in str(caught.value)

    def test_a_file_without_parts_is_loaded_without_names(self, path: Path) -> None:
        lucid.save(path, nn.Linear(2, 2))
        with pytest.raises(StateDictError, match=r"holds tensors without parts, such as .*weight") as caught:
            lucid.load(path, model=nn.Linear(2, 2))
        assert "lucid.load(path, model) loads them into a module" in str(caught.value)

    def test_targets_take_a_state(self, path: Path) -> None:
        lucid.save(path, step=3)
        with pytest.raises(ArgumentError, match="objects with a load_state_dict method, got int for step") as caught:
            lucid.load(path, step=4)
        assert "what no object takes over is returned" in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"hello world, how are you", b"\x00" * 100])
    def test_a_file_of_another_kind(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(ArgumentError, match="is not a complete safetensors file"):
            lucid.load(path)

    @pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
    def test_a_pickle_says_how_to_get_a_file(self, path: Path, protocol: int) -> None:
        path.write_bytes(pickle.dumps({"weight": 1}, protocol) if protocol else b"PK\x03\x04" + bytes(60))
        with pytest.raises(ArgumentError, match="is not a complete safetensors file") as caught:
            lucid.load(path)
        assert caught.value.hint == (
            "PyTorch's state_dict goes into one by safetensors.torch.save_file(state_dict, path)."
        )

    def test_a_file_that_was_cut_off(self, path: Path) -> None:
        lucid.save(path, nn.Linear(20, 20))
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ArgumentError, match="is not a complete safetensors file"):
            lucid.load(path, nn.Linear(20, 20))

    def test_no_file(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            lucid.load(path)
        error = caught.value
        assert isinstance(error, MissingFileError)
        assert (error.sentence, error.hint) == (f"{path} can't be read: No such file or directory.", None)
        assert (error.errno, error.filename) == (errno.ENOENT, str(path))
        assert str(error).splitlines()[1].endswith("lucid.load(path)")
        monkeypatch.chdir(path.parent)
        with pytest.raises(MissingFileError) as caught:
            lucid.load("run.safetensors")
        assert caught.value.hint == f"relative paths begin at {path.parent}."

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(IsADirectoryError) as caught:
            lucid.load(tmp_path)
        assert isinstance(caught.value, FolderError)
        assert caught.value.sentence == f"{tmp_path} can't be read: Is a directory."

    def test_no_path(self) -> None:
        for path in ("\0", 3):
            with pytest.raises(ArgumentError, match="load takes the path of a file, got"):
                lucid.load(path)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "[]",
            "{}",
            '{"version": 1}',
            '{"version": 1, "random_state": [1], "parts": {}}',
            '{"version": 1, "random_state": [1, 2], "parts": {"x": {"tensor": "missing"}}}',
            '{"version": 1, "random_state": [1, 2], "parts": {"x": {"pickle": "..."}}}',
            '{"version": 1, "random_state": [1, 2], "parts": {"x": {}}}',
        ],
    )
    def test_metadata_that_is_damaged(self, path: Path, text: str) -> None:
        save_file({}, path, {"lucid": text})
        with pytest.raises(ArgumentError, match=r"its metadata is not what lucid\.save writes"):
            lucid.load(path)

    def test_a_later_version(self, path: Path) -> None:
        save_file({}, path, {"lucid": '{"version": 2}'})
        with pytest.raises(ArgumentError, match="has version 2 of the format, and this Lucid reads version 1"):
            lucid.load(path)


class TestWriting:
    def test_a_failed_write_leaves_the_earlier_file(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lucid.save(path, step=1)

        def full(descriptor: int) -> None:
            raise OSError("no space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(FileError, match=r"run\.safetensors can't be written: no space left on device\.\n"):
            lucid.save(path, step=2)
        assert lucid.load(path) == {"step": 1}
        assert list(path.parent.iterdir()) == [path]

    def test_a_folder_that_is_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "missing" / "run.safetensors"
        with pytest.raises(MissingFileError) as caught:
            lucid.save(path, step=1)
        assert caught.value.sentence == f"{path} can't be written: No such file or directory."
        assert caught.value.hint == f"make the folder first: os.makedirs({str(path.parent)!r})."

    def test_a_folder_or_a_file_in_the_way(self, tmp_path: Path) -> None:
        with pytest.raises(FolderError, match="can't be written: Is a directory"):
            lucid.save(tmp_path, step=1)
        (tmp_path / "file").touch()
        with pytest.raises(FileError, match="can't be written: Not a directory"):
            lucid.save(tmp_path / "file" / "run.safetensors", step=1)

    def test_links_in_a_circle(self, tmp_path: Path) -> None:
        first, second = tmp_path / "first", tmp_path / "second"
        first.symlink_to(second)
        second.symlink_to(first)
        for done, call in (("written", lambda p: lucid.save(p, step=1)), ("read", lucid.load)):
            with pytest.raises(FileError) as caught:
                call(first)
            assert caught.value.sentence == f"{first} can't be {done}: Too many levels of symbolic links."
            assert caught.value.hint == "links that lead round in a circle lead to no file: remove one of them."
        assert sorted(tmp_path.iterdir()) == [first, second]

    def test_the_root_is_a_folder(self) -> None:
        with pytest.raises(FolderError, match=r"^/ can't be written: Is a directory"):
            lucid.save("/", step=1)

    def test_texts_that_are_no_paths(self) -> None:
        for text in ("", "a\0b", "\ud800"):
            for what, call in (("save", lambda p: lucid.save(p, step=1)), ("load", lucid.load)):
                with pytest.raises(ArgumentError, match=f"^{what} takes the path of a file, got '"):
                    call(text)

    def test_a_link_stays_one(self, tmp_path: Path) -> None:
        (tmp_path / "latest").symlink_to(tmp_path / "run-1")
        lucid.save(tmp_path / "latest", step=1)
        assert (tmp_path / "latest").is_symlink()
        assert lucid.load(str(tmp_path / "run-1")) == {"step": 1}

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
    def test_others_may_read_it_as_far_as_the_umask_says(self, path: Path) -> None:
        mask = os.umask(0o022)
        try:
            lucid.save(path, step=1)
        finally:
            os.umask(mask)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    @pytest.mark.parametrize(("arguments", "parts", "got"), [((), {}, "neither"), (({},), {"step": 1}, "both")])
    def test_one_thing_or_parts(
        self, path: Path, arguments: tuple[object, ...], parts: dict[str, object], got: str
    ) -> None:
        with pytest.raises(ArgumentError, match=f"or parts by name, got {got}"):
            lucid.save(path, *arguments, **parts)

    def test_one_target_or_parts(self, path: Path) -> None:
        with pytest.raises(ArgumentError, match="either one object, or parts by name, got both"):
            lucid.load(path, nn.ReLU(), model=nn.ReLU())

    def test_not_in_a_trace(self, path: Path) -> None:
        @lucid.compile
        def save(x: Tensor) -> Tensor:
            lucid.save(path, step=1)
            return x

        @lucid.compile
        def load(x: Tensor) -> Tensor:
            lucid.load(path)
            return x

        for function, name in ((save, "save"), (load, "load")):
            with pytest.raises(TraceError, match=f"{name} can't run while a function is traced"):
                function(lucid.ones(2))
        assert not path.exists()


class TestWithoutSafetensors:
    @pytest.mark.parametrize("call", [lambda path: lucid.save(path, step=1), lambda path: lucid.load(path)])
    def test_the_message_names_the_extra(self, path: Path, monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
        monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
        with pytest.raises(InstallationError, match="need the package safetensors") as caught:
            call(path)
        assert caught.value.hint == "pip install 'lucid-compiler[save]'"

    def test_importing_lucid_does_not_load_it(self) -> None:
        program = "import sys, lucid; sys.exit('safetensors' in sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)
