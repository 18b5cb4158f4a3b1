"""Races in CUDA C, searched for by ThreadSanitizer, to which each CUDA thread of a launch is a thread.

What orders two of them is a barrier or a shuffle of their block, and nothing else: threads of different blocks are as
free of each other as those of one. So a race is found in whichever order the threads have run.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from unittest import mock

import pytest

from lucid.codegen.cuda.module import Module, write_module
from lucid.codegen.cuda.simulator.library import compiler
from lucid.ir.passes.pipeline import run_pipeline
from lucid.ir.text import parse
from tests.codegen.cuda_graphs import GOLDEN, OTHERS
from tests.codegen.simulated import need_compiler, on_grid

FOLDER = Path(__file__).parent
RACE = 66  # the exit status that ThreadSanitizer is asked for
BLOCKS = 8  # of a launch at most

_WINDOWS = "stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1, chunk=4"
TEXTS = {
    "product": "graph(%x: f32[3, 20], %y: f32[20, 70]) { %z = matmul %x, %y, chunk=12; return %z }",
    "transposed": "graph(%x: f64[20, 3], %y: f64[5, 20]) "
    "{ %z = matmul %x, %y, transpose_a=true, transpose_b=true, chunk=20; return %z }",
    "epilogue": "graph(%x: f32[3, 40], %y: f32[40, 70], %b: f32[3, 70]) "
    "{ %z = matmul %x, %y, chunk=24; %s = add %z, %b; %e = tanh %s; return %e }",
    "prologue": """graph(%x: u8[70, 33], %w: f32[30, 33], %bias: f32[30]) {
  %c: f32[70, 33] = cast %x; %y = matmul %c, %w, transpose_b=true, chunk=20
  %b: f32[70, 30] = broadcast %bias; %h = add %y, %b; %z = exp %h; return %z }""",
    # The weight is the state that the product's epilogue updates.
    "update": """graph(%w: state f32[3, 5], %x: f32[20, 3], %g: f32[20, 5]) {
  %d = matmul %x, %g, transpose_a=true, chunk=20; %n = sub %w, %d; return ; %w <- %n }""",
    "dots": "graph(%x: f32[3, 40], %y: f32[2, 40]) "
    "{ %z = matmul %x, %y, transpose_b=true, chunk=24, lanes=16; return %z }",
    "gathered": f"""graph(%x: f32[2, 3, 5, 4], %w: f32[4, 3, 3, 3]) {{
  %y = convolution %x, %w, {_WINDOWS}; return %y }}""",
    "gathered_epilogue": f"""graph(%x: f32[1, 3, 5, 4], %w: f32[4, 3, 3, 3]) {{
  %y = convolution %x, %w, {_WINDOWS}; %z = tanh %y; return %z }}""",
    "gathered_prologue": f"""graph(%x: u8[1, 3, 5, 4], %w: f32[4, 3, 3, 3]) {{
  %f: f32[1, 3, 5, 4] = cast %x; %y = convolution %f, %w, {_WINDOWS}; return %y }}""",
    "scatter": "graph(%x: f32[40, 3], %i: i64[40, 1]) { %y = scatter_add %x, %i, axis=0, extent=70; return %y }",
    "sort": "graph(%x: f32[2, 100]) { %i: i64[2, 100] = argsort %x; return %i }",
    "sums": "graph(%x: f32[7, 50], %b: bool[40, 5]) { %y = sum %x, axes=(1,), lanes=16; "
    "%i: i64[40] = first_false %b, axes=(1,), lanes=4; %z = sum %x, axes=(0,); return %y, %i, %z }",
    "row_of_one": OTHERS["row_of_one"],
    "in_place": """graph(%x: f32[40, 1]) {
  %y: f32[40, 1] = neg %x
  %z: f32[40, 1], %s: f32[40] = fused %y @body(%a: f32[40, 1]) {
    %d: f32[40, 1] = exp %a; %t: f32[40] = sum %d, axes=(1,), lanes=2; return %d, %t
  }
  %r: f32[40, 1] = neg %z; return %r, %s
}""",
    "softmax_in_one": OTHERS["softmax_in_one"],
    "rows": OTHERS["softmax_of_blocks"].replace("[3, 2500]", "[2, 2100]").replace("[3", "[2"),
    "quads": """graph(%x: f32[301], %b: bool[301], %s: state f64[301]) {
  %m: f32[301] = cast %b; %y = mul %x, %m; %n = not %b; %t = neg %s; return %y, %n; %s <- %t }""",
    "draws": GOLDEN["mask"],
    "adam": GOLDEN["adam"],
    "movements": OTHERS["movements"],
    "lookups": OTHERS["lookups"],
    "check": """graph(%total: state f32[40], %x: f32[40], %i: i64[40]) {
  %ok: bool[40] = const value=true; %n = first_false %ok, axes=(0,); %p: i64[1] = reshape %n
  check %n, %i, message="place {position}"
  %s = add %total, %x; return ; %total <- %s }""",
    "scan": """graph(%h: f32[40], %x: f32[3, 40], %w: f32[40]) {
  %last: f32[40], %all: f32[3, 40] = scan %h, %x, %w, carries=1, sequences=1, length=3 @body(
    %c: f32[40], %e: f32[40], %v: f32[40]
  ) {
    %a = mul %c, %v; %b = add %a, %e; return %b, %b }
  return %last, %all }""",
    "scan_of_products": """graph(%h: f32[2, 3], %x: f32[2, 2, 3], %w: f32[3, 3]) {
  %last: f32[2, 3] = scan %h, %x, %w, carries=1, sequences=1, length=2 @body(
    %c: f32[2, 3], %e: f32[2, 3], %v: f32[3, 3]
  ) {
    %a = matmul %c, %v, chunk=3; %b = add %a, %e; %n = tanh %b; return %n }
  return %last }""",
}
# The kinds of functions that a module has, by how their names begin.
KINDS = (
    *("kernel", "rows", "product", "product_epilogue", "product_fused", "dots", "gathered", "gathered_epilogue"),
    *("gathered_fused", "scatter_add", "argsort", "merge", "check"),
)
_TILES = r"__syncthreads\(\);  // the tiles are written, and those before them have been read"
_READ = r"__syncwarp\(mask\);  // all lanes have read what one may overwrite"
# What is replaced in the text of a graph, by its place in a pattern, and by what.
PLANTED = (
    *((name, _TILES, "") for name in ("product", "transposed", "epilogue", "prologue", "update", "scan_of_products")),
    *((name, _TILES, "") for name in ("gathered", "gathered_epilogue", "gathered_prologue")),
    *((name, r"which \^= 1;", "") for name in ("product", "epilogue", "prologue", "update")),
    *((name, r"which \^= 1;", "") for name in ("gathered", "gathered_epilogue", "gathered_prologue")),
    ("product", r"column0 = blockIdx\.x % across \* 64", "column0 = blockIdx.x % across * 32"),  # of two blocks
    ("epilogue", r"s = column0 \+ own_column \+ j", "s = column0 + own_column / 2 + j"),
    ("epilogue", r"b4\[70 \* i1 \+ i2\] =", "b4[70 * i1 + i2 % 64] ="),  # of two blocks
    ("prologue", r"r = row0 \+ own_row \+ i", "r = row0 + own_row / 2 + i"),
    ("update", r"= b2\[5 \* i1 \+ i2\];", "= b2[5 * i1 + (i2 + 4) % 5];"),  # reads what another thread writes
    ("gathered_epilogue", r"const int i0 = element;", "const int i0 = element / 8;"),
    ("dots", r"if \(lane == 0\) c", "c"),
    ("dots", r"blockDim\.x \+ threadIdx\.x\) / 16", "blockDim.x + threadIdx.x) / 32"),
    ("scatter", r"i3 = begin; i3 < end", "i3 = begin; i3 <= end"),
    ("scatter", r"begin <= i3 && i3 < end", "i3 < end"),
    ("sort", r"__syncthreads\(\);  // all pairs at this distance are in order", ""),
    ("sort", r"__syncthreads\(\);  // the run is there", ""),
    ("sort", r" \+ \(low - others\)\] = position", "] = position"),
    ("sort", r"\bb2\[row \+ pair", "((long long*)b1)[row + pair"),  # merges in place
    ("sums", r"b1\[i0\] = v1;", "b1[i0 / 2] = v1;"),
    ("row_of_one", rf"{_READ}\n        if \(lane == 0\)", ""),
    ("in_place", _READ, ""),
    ("softmax_in_one", r"(for \(int \w+ = )lane(; \w+ < 50; \w+ \+= )16", r"\g<1>lane / 2\g<2>8"),
    ("rows", r"__syncthreads\(\);  // the terms are there, and those before them have been added up", ""),
    ("rows", r"which \^= 1;", ""),
    ("rows", r"__syncthreads\(\);  // the results are there, and all threads have read what one may overwrite", ""),
    ("rows", r"first = blockIdx\.x;", "first = blockIdx.x / 2;"),  # two blocks take the same row
    ("quads", r"\(\(float4\*\)\(b2 \+ 4 \* i0\)\)", "((float4*)(b2 + 4 * (i0 / 2)))"),
    ("quads", r"\(\(const double2\*\)\(b0 \+ 4 \* i0\)\)", "((const double2*)(b0 + 4 * (i0 ^ 1)))"),  # another quad
    ("quads", r"const int step = gridDim\.x \* blockDim\.x;", "const int step = blockDim.x;"),
    ("draws", r"\bb5\[4 \* i0 \+ i1\] =", "b5[3 * i0 + i1] ="),
    ("adam", r"first = blockIdx\.x \* blockDim\.x \+ threadIdx\.x", "first = threadIdx.x"),
    ("check", r"first = blockIdx\.x \* blockDim\.x \+ threadIdx\.x", "first = threadIdx.x"),
    ("scan", r"\(b0 \+ 4 \* i0\)", "(b0 + 4 * ((i0 + 1) % 10))"),  # a carry, which is written in place
)
CASES = (*((name, "", "") for name in TEXTS), *PLANTED)


def module_of(name: str, prefix: str = "") -> Module:
    """The module of a graph, whose sorts have runs of 32 elements."""
    with mock.patch("lucid.codegen.cuda.sort.RUN", 32):
        return write_module(run_pipeline(parse(TEXTS[name])).final, prefix)


def shared_by_block(text: str) -> str:
    """CUDA C whose shared memory is an array, of which each block has an element."""
    declaration = r"__shared__ (.*?)(\w+)((?:\[\d+\])*);"
    own = r"static \1\2_of_blocks[BLOCKS]\3; auto &\2 = \2_of_blocks[blockIdx.y * gridDim.x + blockIdx.x];"
    found, count = re.subn(declaration, own, text)
    assert count == text.count("__shared__")
    return found


def case(number: int) -> str:
    """A C++ function that launches the kernels of a graph on zeros, with something replaced in its CUDA C.

    Loop nests run in three blocks. What is in the arena lies there, where one value may overwrite another.
    """
    name, old, new = CASES[number]
    module = module_of(name, f"g{number}_")
    plan = on_grid(module.plan, 3, 32)
    text, count = re.subn(old, new, module.text) if old else (module.text, 1)
    assert count, f"{old} is not in the text of {name}"
    offset, offsets = plan.arena, [stretch.offset for stretch in plan.stretches]
    slots = []
    for type in plan.slot_types():
        slots.append(offset := -(-offset // 64) * 64)
        offset += type.nbytes
    elements = plan.status - plan.slots - len(plan.stretches)
    status = -(-offset // 64) * 64
    places = [*slots, *offsets, *[0] * elements, status]
    lines = [f"    alignas(64) static char memory[{status + 64}];\n"]
    for launch in plan.launches(places):
        pointers = (
            f"(decltype(argument<{n}>({launch.function})))(memory + {places[b]})" for n, b in enumerate(launch.buffers)
        )
        arguments = ", ".join([*pointers, *map(str, launch.scalars)])
        x, y = launch.blocks
        assert x * y <= BLOCKS, name
        lines.append(f"    launch({x}, {y}, {launch.threads}, [] {{ {launch.function}({arguments}); }});\n")
    return f"{shared_by_block(text)}\nstatic void case_{number}() {{\n{''.join(lines)}}}\n"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that runs the case whose number it is given."""
    need_compiler()
    folder = tmp_path_factory.mktemp("races")
    types = "template <int n, class... A> std::tuple_element_t<n, std::tuple<A...>> argument(void (*)(A...));\n"
    cases = "".join(map(case, range(len(CASES))))
    table = ", ".join(f"case_{number}" for number in range(len(CASES)))
    main = f"int main(int, char **words) {{ void (*cases[])() = {{{table}}}; cases[atoi(words[1])](); }}\n"
    head = f'#include "{FOLDER / "cuda_threads.h"}"\n#include <stdlib.h>\n#include <tuple>\n'
    (folder / "race.cpp").write_text(f"{head}static const int BLOCKS = {BLOCKS};\n{types}{cases}{main}")
    common = [compiler(), "-std=c++17", "-O1", "-g1", "-w"]
    for options in (
        ["-c", "-o", "scheduler.o", str(FOLDER / "cuda_threads.cpp")],
        ["-fsanitize=thread", "-o", "race", "race.cpp", "scheduler.o"],
    ):
        built = subprocess.run([*common, *options], cwd=folder, capture_output=True, text=True, check=False)
        if built.returncode and "tsan" in built.stderr:
            pytest.skip("the C++ compiler has no ThreadSanitizer")
        assert not built.returncode, built.stderr
    return folder / "race"


def race_in(program: Path, number: int) -> str:
    """What ThreadSanitizer says of a case: nothing without a race. The test is skipped where it does not run."""
    options = {"TSAN_OPTIONS": f"exitcode={RACE} halt_on_error=1"}
    run = subprocess.run([program, str(number)], env=options, capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in run.stderr:
        pytest.skip("ThreadSanitizer does not run in the address space that this system gives")
    assert run.returncode in (0, RACE), run.stderr
    assert (run.returncode == RACE) == ("data race" in run.stderr), run.stderr
    return run.stderr


def test_functions_of_all_kinds_are_searched() -> None:
    found = {
        re.sub(r"_[fiu]\d+(_[nt]+(_\d+)?)?|_\d+$", "", name) for text in TEXTS for name in module_of(text).functions
    }
    assert {re.sub(r"_\d+$|_guarded$", "", name) for name in found} == set(KINDS)


@pytest.mark.parametrize("name", TEXTS)
def test_there_are_no_races(name: str, program: Path) -> None:
    assert not race_in(program, list(TEXTS).index(name))


@pytest.mark.parametrize("number", range(len(PLANTED)), ids=[f"{name}-{old}" for name, old, _ in PLANTED])
def test_planted_races_are_found(number: int, program: Path) -> None:
    assert race_in(program, len(TEXTS) + number)
