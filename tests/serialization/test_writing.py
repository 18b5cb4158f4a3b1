"""How files are written: whole or not at all, with or without names; and without safetensors."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lucid
import lucid.nn as nn
from lucid import Tensor
from lucid.errors import (
    ArgumentError,
    FileError,
    FolderError,
    InstallationError,
    MissingFileError,
    TraceError,
)


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
