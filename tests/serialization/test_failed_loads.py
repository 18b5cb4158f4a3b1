"""A failed load changes nothing, and says why."""

import errno
import pickle
from pathlib import Path

import pytest
from safetensors.numpy import save_file

import lucid
import lucid.nn as nn
import lucid.optim as optim
from lucid.errors import (
    ArgumentError,
    FolderError,
    MissingFileError,
    StateDictError,
)
from tests.serialization.training import Training


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
