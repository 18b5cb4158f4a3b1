"""The disk cache: a hit runs no pass, changes no bit and can be read like any program; what is not safe is refused."""

from __future__ import annotations

import functools
import io
import os
import stat
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import compilation
from lucid.codegen import cache
from lucid.codegen.cpu import library, machine as processors
from lucid.codegen.cpu.assembler import assemble_once
from lucid.codegen.cpu.machine import Machine, machine
from lucid.codegen.cpu.target import CPUTarget
from lucid.compilation import compile_graph
from lucid.errors import CacheWarning, CheckError
from lucid.ir.text import parse
from tests.training import classifying_step

KEY, OTHER, THIRD = ("0" * 63 + digit for digit in "123")
ENTRY = cache.Entry({"numbers": [1, 2], "text": "f32[4]"}, (b"first", b"", b"\0\n" * 50))
X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for each test."""
    monkeypatch.setenv("LUCID_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warnings", set())
    return tmp_path / "cache"


class Compilations:
    """Counts what is to happen at misses only."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes = self.assembled = 0
        run_pipeline, object_code = compilation.run_pipeline, processors.Parsed.object_code

        def counted_run(*arguments: Any) -> Any:
            self.passes += 1
            return run_pipeline(*arguments)

        def counted_code(parsed: processors.Parsed) -> bytes:
            self.assembled += 1
            return object_code(parsed)

        monkeypatch.setattr(compilation, "run_pipeline", counted_run)
        monkeypatch.setattr("lucid.joint.run_pipeline", counted_run)
        monkeypatch.setattr(processors.Parsed, "object_code", counted_code)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Compilations:
    # What all programs share is loaded once a process. Here that is done before anything is counted.
    with monkeypatch.context() as patch:
        patch.setenv("LUCID_CACHE", "0")
        lucid.compile(lambda x, w: (x @ w).sum())(np.ones((256, 256), np.float32), np.ones((256, 256), np.float32))
    return Compilations(monkeypatch)


def training() -> tuple[bytes, Any]:
    """The bits of three training steps from one seed, and the function that was compiled for them."""
    lucid.seed(7)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)

    step = lucid.compile(classifying_step(model, optimizer))

    losses = [step(X, np.array([0, 1, 2])) for _ in range(3)]
    return b"".join(t.numpy().tobytes() for t in (*losses, *model.parameters())), step


def forward_and_backward() -> tuple[bytes, Any]:
    """The bits of a compiled forward and of the gradients of its compiled backward, and the compiled module."""
    lucid.seed(7)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    fast = lucid.compile(model)
    x = lucid.Tensor(X, requires_grad=True)
    result = fast(x)
    (result * result).sum().backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    return b"".join(t.numpy().tobytes() for t in (result, x.grad, *gradients)), fast


@pytest.mark.parametrize("run", [training, forward_and_backward])
def test_a_hit_runs_no_pass_and_changes_no_bit(
    run: Callable[[], tuple[bytes, Any]], counts: Compilations, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = run()
    assert counts.passes > 0
    assert counts.assembled > 0
    counts.passes = counts.assembled = 0
    again, _ = run()
    assert (counts.passes, counts.assembled) == (0, 0)
    assert again == first
    monkeypatch.setenv("LUCID_CACHE", "0")
    without, _ = run()
    assert counts.passes > 0
    assert without == first


@pytest.mark.parametrize("run", [training, forward_and_backward])
def test_a_hit_can_be_read_like_any_program(run: Callable[[], tuple[bytes, Any]], counts: Compilations) -> None:
    (_, made), (_, loaded) = run(), run()
    (one,), (other,) = made.programs, loaded.programs
    counts.passes = counts.assembled = 0
    assert other.ir("traced") == one.ir("traced")
    assert repr(other) == repr(one)
    assert counts.passes == 0, "the traced graph is at hand"
    parts = [(one, other)] if one.backward is None else [(one, other), (one.backward, other.backward)]
    for expected, got in parts:
        assert got.stages == expected.stages
        assert [got.ir(stage) for stage in got.stages] == [expected.ir(stage) for stage in expected.stages]
        assert got.milliseconds.keys() == expected.milliseconds.keys()
        assert got.llvm_ir() == expected.llvm_ir()
        assert got.assembly() == expected.assembly()
        assert str(got._compiled.executable.graph) == str(expected._compiled.executable.graph)
    runs = 1 if one.backward is None else 3  # joint, forward, backward
    assert (counts.passes, counts.assembled) == (runs, 0), "the passes run once"


def test_a_dump_of_the_stages_runs_the_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    training()
    monkeypatch.setenv("LUCID_DUMP", str(tmp_path / "dump"))
    training()
    assert {path.name for path in (tmp_path / "dump").rglob("*.ir")} >= {"00-traced.ir", "05-fused.ir"}


def test_checks_of_a_hit_raise_the_same_error(counts: Compilations) -> None:
    messages = []
    for _ in range(2):
        step = lucid.compile(lambda x, y: F.cross_entropy(x, y))
        for labels in ([0, 1, 3], [0, -1, 2]):
            with pytest.raises(CheckError) as caught:
                step(X[:, :3], np.array(labels))
            messages.append(str(caught.value))
    assert counts.passes == 1
    assert messages[:2] == messages[2:]
    assert "3" in messages[0]
    assert "-1" in messages[1]


PROGRAM = """
import sys
import numpy as np
import lucid, lucid.nn as nn, lucid.nn.functional as F
from lucid.codegen.cpu import machine

if sys.argv[1] == "warm":
    def refuse(*_):
        raise AssertionError("compiled in a warm process")
    machine.Parsed.object_code = refuse

lucid.seed(3)
lucid.set_num_threads(2)
model = nn.Sequential(nn.Linear(300, 300), nn.GELU(), nn.Linear(300, 2))
fast = lucid.compile(model)
x = np.linspace(-1, 1, 300 * 300, dtype=np.float32).reshape(300, 300)
y = fast(x)
y.sum().backward()
add = lucid.compile(lambda x: x.exp().sum())
print(y.numpy().tobytes().hex()[:4000], model[0].weight.grad.numpy().tobytes().hex()[:4000])
print(add.repeat(x).numpy().tobytes().hex())
if sys.argv[1] == "warm":
    assert "lucid.codegen.cpu.module" not in sys.modules, "nor imported what writes LLVM IR"
"""


def run_process(argument: str, program: str = PROGRAM) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", program, argument]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return out


def test_a_warm_process_compiles_nothing_at_all() -> None:
    cold = finished(run_process("cold"))
    assert finished(run_process("warm")) == cold


def test_many_processes_fill_one_cache(folder: Path) -> None:
    processes = [run_process("cold") for _ in range(4)]
    assert len({finished(process) for process in processes}) == 1
    assert {path.suffix for path in folder.iterdir()} == {".lucid"}
    assert finished(run_process("warm"))


WRITER = """
import sys
from lucid.codegen import cache
from lucid.codegen.cpu import library

number = int(sys.argv[1])
for turn in range(150):
    cache.store("0" * 64, cache.Entry(number, (bytes([number]) * (1 << 12 + number),)))
    found = cache.fetch("0" * 64)
    assert found is not None
    assert found.blobs == (bytes([found.data]) * (1 << 12 + found.data),)
"""


def test_readers_see_whole_entries_while_others_write() -> None:
    for process in [run_process(str(number), WRITER) for number in range(4)]:
        finished(process)


# Keys.

DOUBLE = "graph @double(%x: f32[3, 4]) { %y = add %x, %x; return %y }"


def key_of(text: str = DOUBLE, kind: str = "whole") -> str:
    return compilation._key(parse(text), CPUTarget(), kind, pytest.fail, compilation.PIPELINE)


def test_names_and_lines_are_not_in_the_key() -> None:
    assert key_of() == key_of(
        "graph @twice(%in: f32[3, 4]) {\n  %out = add %in, %in  # 0: Linear  train.py:12\n return %out }"
    )


@pytest.mark.parametrize(
    "other",
    [
        "graph @double(%x: f32[3, 5]) { %y = add %x, %x; return %y }",
        "graph @double(%x: f64[3, 4]) { %y = add %x, %x; return %y }",
        "graph @double(%x: state f32[3, 4]) { %y = add %x, %x; return %y }",
        "graph @double(%x: f32[3, 4]) { %y = add %x, %x; return %x }",
        "graph @double(%x: f32[3, 4]) { %y = mul %x, %x; return %y }",
    ],
)
def test_what_the_graph_says_is_in_the_key(other: str) -> None:
    assert key_of(other) != key_of()


def test_the_kind_of_program_is_in_the_key() -> None:
    assert key_of(kind="1 outputs, 1 seeds") != key_of(kind="1 outputs, 2 seeds")


def change_processor(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("LUCID_CPU", "x86-64-v2" if sys.platform != "darwin" else "generic")


def change_release_of_llvmlite(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(processors.llvmlite, "__version__", "0.0")


def change_release_of_llvm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(processors.llvm, "llvm_version_info", (1, 0, 0))


def change_sources(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache, "sources", lambda: "others")


def change_format(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache, "FORMAT", "lucid-cache 0")


def change_pipeline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compilation, "PIPELINE", compilation.PIPELINE[:-1])


@pytest.mark.parametrize(
    "change",
    [
        change_processor,
        change_release_of_llvmlite,
        change_release_of_llvm,
        change_sources,
        change_format,
        change_pipeline,
    ],
)
def test_what_makes_the_code_is_in_the_key(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of()
    change(monkeypatch)
    assert key_of() != before


def test_another_source_is_another_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "lucid"
    (package / "codegen").mkdir(parents=True)
    (package / "ir").mkdir()
    for name in ("compilation.py", "joint.py", "ir/graph.py", "codegen/cache.py"):
        (package / name).write_text("one\n")
    monkeypatch.setattr(cache, "__file__", str(package / "codegen/cache.py"))
    hashes = {cache.sources.__wrapped__()}
    for name in ("joint.py", "ir/graph.py"):
        (package / name).write_text("two\n")
        hashes.add(cache.sources.__wrapped__())
    (package / "ir/graph.py").rename(package / "ir/other.py")
    hashes.add(cache.sources.__wrapped__())
    assert len(hashes) == 4
    (package / "joint.py").unlink()
    assert cache.sources.__wrapped__() == "", "there is no telling what an archive holds"


# Entries.


def test_an_entry_comes_back(folder: Path) -> None:
    assert cache.fetch(KEY) is None
    cache.store(KEY, ENTRY)
    assert cache.fetch(KEY) == ENTRY
    assert cache.fetch(OTHER) is None
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def damages(raw: bytes) -> Iterator[bytes]:
    for position in range(len(raw)):
        yield raw[:position] + bytes([raw[position] ^ 0x40]) + raw[position + 1 :]
    for length in range(len(raw)):
        yield raw[:length]
    yield raw + b"\0"


def test_any_damage_is_noticed(folder: Path) -> None:
    cache.store(KEY, ENTRY)
    (path,) = folder.iterdir()
    for damaged in damages(path.read_bytes()):
        path.write_bytes(damaged)
        with pytest.warns(CacheWarning, match="is damaged"):
            assert cache.fetch(KEY) is None


def test_an_entry_under_the_key_of_another_is_no_entry(folder: Path) -> None:
    cache.store(KEY, ENTRY)
    (path,) = folder.iterdir()
    path.rename(folder / f"{OTHER}.lucid")
    with pytest.warns(CacheWarning, match="that of another key"):
        assert cache.fetch(OTHER) is None


def compile_double() -> None:
    """Compile a graph that shares no code with others, run it and compare."""
    executable = compile_graph(parse(DOUBLE), CPUTarget()).executable
    table, result = executable.new_table(), np.zeros_like(X)
    table[:2] = X.ctypes.data, result.ctypes.data
    executable.run(table.ctypes.data)
    np.testing.assert_array_equal(result, X + X)


def test_a_damaged_program_is_compiled_again(folder: Path, counts: Compilations) -> None:
    compile_double()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.warns(CacheWarning, match=f"{path} of the disk cache is damaged: its checksum is wrong"):
        compile_double()
    assert counts.assembled == 2
    compile_double()
    assert counts.assembled == 2, "the entry is whole again"


# What is refused: a warning once, and then no cache.


def expect_refused(match: str, counts: Compilations) -> None:
    with pytest.warns(CacheWarning, match=match) as caught:
        compile_double()
    assert len(caught) == 1
    compile_double()  # warns no more; nor does it load what was refused
    assert counts.assembled == 2


def test_a_link_is_refused(folder: Path, counts: Compilations) -> None:
    real = folder.with_name("real")
    real.mkdir(mode=0o700)
    folder.symlink_to(real)
    expect_refused("is a link", counts)
    assert list(real.iterdir()) == []


def test_a_file_in_place_of_the_directory_is_refused(folder: Path, counts: Compilations) -> None:
    folder.write_text("")
    expect_refused("is a link, or not a directory", counts)


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_directory_that_others_can_write_is_refused(folder: Path, mode: int, counts: Compilations) -> None:
    folder.mkdir()
    folder.chmod(mode)
    expect_refused("can be written by others", counts)
    assert list(folder.iterdir()) == []


def test_a_link_to_nowhere_is_refused(folder: Path, counts: Compilations) -> None:
    folder.symlink_to(folder.with_name("nowhere"))
    expect_refused("is a link", counts)
    assert not folder.exists()


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_directory_that_others_can_enter_is_closed_to_them(folder: Path, mode: int, counts: Compilations) -> None:
    folder.mkdir()
    for _ in range(2):  # when it is filled, then read
        folder.chmod(mode)
        compile_double()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert counts.assembled == 1


def test_a_directory_of_other_things_that_others_can_enter_is_refused(folder: Path, counts: Compilations) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "notes.txt").write_text("for all to read")
    expect_refused("is open to others and holds other files", counts)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


foreign = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@foreign
def test_a_directory_of_somebody_else_is_refused(folder: Path, counts: Compilations) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    expect_refused("belongs to another user", counts)


def make_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (make_link, "is a link"),
        (lambda path: path.chmod(0o620), "can be written by others"),
        (lambda path: path.chmod(0o602), "can be written by others"),
        pytest.param(lambda path: os.chown(path, 12345, 12345), "belongs to another user", marks=foreign),
    ],
)
def test_a_file_that_others_may_have_written_is_refused(
    folder: Path, change: Callable[[Path], None], match: str, counts: Compilations
) -> None:
    compile_double()
    (path,) = folder.iterdir()
    change(path)
    with pytest.warns(CacheWarning, match=match):
        compile_double()
    assert counts.assembled == 2
    compile_double()
    assert counts.assembled == 2, "it was replaced by one of ours"


# No failure of the file system breaks a compilation.


@pytest.mark.parametrize("function", ["mkdir", "open", "fchmod", "replace", "utime", "scandir", "unlink", "write"])
def test_a_file_system_that_fails_is_no_error(
    function: str, folder: Path, monkeypatch: pytest.MonkeyPatch, counts: Compilations
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    class FullFile(io.FileIO):
        write = fail  # type: ignore[assignment]

    if function == "fchmod":
        folder.mkdir()
        folder.chmod(0o755)  # has it close the directory
    if function == "write":
        monkeypatch.setattr(cache, "open", FullFile, raising=False)
    else:
        monkeypatch.setattr(cache.os, function, fail)
        monkeypatch.setenv("LUCID_CACHE_SIZE", "1K")  # has it remove files
    compile_double()
    compile_double()
    monkeypatch.undo()
    assert not folder.exists() or not [path for path in folder.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize("home", ["/dev/null", "relative", ""])
def test_without_a_home_there_is_no_cache(home: str, monkeypatch: pytest.MonkeyPatch, counts: Compilations) -> None:
    for name in ("LUCID_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda _: home)
    compile_double()
    compile_double()
    assert counts.assembled == 2


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.directory() == Path(os.environ["LUCID_CACHE_DIR"])
    monkeypatch.delenv("LUCID_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache.directory() == Path("/somewhere/lucid")
    for unset in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unset)
        monkeypatch.setattr(sys, "platform", "linux")
        assert cache.directory() == Path("/home/me/.cache/lucid")
        monkeypatch.setattr(sys, "platform", "darwin")
        assert cache.directory() == Path("/home/me/Library/Caches/lucid")


def test_it_can_be_turned_off(folder: Path, monkeypatch: pytest.MonkeyPatch, counts: Compilations) -> None:
    monkeypatch.setenv("LUCID_CACHE", "0")
    compile_double()
    compile_double()
    assert counts.assembled == 2
    assert not folder.exists()


# The bound.


def blob(size: int) -> cache.Entry:
    return cache.Entry(None, (bytes(size),))


def test_the_least_recently_used_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CACHE_SIZE", "10K")
    for age, key in enumerate((KEY, OTHER)):
        cache.store(key, blob(4000))
        os.utime(folder / f"{key}.lucid", (1000 + age, 1000 + age))
    kept = folder / "notes.txt"
    kept.write_text("x" * 20000)  # somebody else's
    assert cache.fetch(KEY) is not None  # now OTHER is the one used longest ago
    cache.store(THIRD, blob(4000))
    assert sorted(path.name for path in folder.iterdir()) == sorted([f"{KEY}.lucid", f"{THIRD}.lucid", "notes.txt"])


def test_what_a_process_left_behind_when_it_was_killed_goes_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(KEY, blob(10))
    left = folder / f"{OTHER}.{'a' * 16}.tmp"
    left.write_bytes(bytes(9000))
    os.utime(left, (1000, 1000))
    monkeypatch.setenv("LUCID_CACHE_SIZE", "8k")
    cache.store(THIRD, blob(10))
    assert not left.exists()
    assert cache.fetch(KEY) is not None


def test_an_entry_beyond_the_bound_is_not_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(KEY, blob(10))
    monkeypatch.setenv("LUCID_CACHE_SIZE", "1000")
    cache.store(OTHER, blob(1001))
    assert [path.stem for path in folder.iterdir()] == [KEY]


def test_a_bound_that_is_no_size_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUCID_CACHE_SIZE", "much")
    with pytest.warns(CacheWarning, match="LUCID_CACHE_SIZE takes a number of bytes such as 512M, got 'much'"):
        cache.store(KEY, ENTRY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.store(KEY, ENTRY)
    assert cache.fetch(KEY) == ENTRY


def test_functions_that_share_code_are_compiled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[str] = []

    def noted(machine: Machine, source: str, text: Callable[[], str]) -> bytes:
        sources.append(source)
        return assemble_once(machine, source, text)

    monkeypatch.setattr(library, "assemble_once", noted)
    monkeypatch.setattr(library, "_of_dtype", functools.cache(library._of_dtype.__wrapped__))
    names = "channels_convolve_f32", "weigh_f32", "matmul_f32", "channels_convolve_f32"
    addresses = [library.shared_function(machine(), name) for name in names]
    assert sources == ["weigh_f32 channels_convolve_f32", "matmul_f32"]
    assert len(set(addresses)) == 3
