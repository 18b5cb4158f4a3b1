"""NVRTC keeps what the CUDA C says of floats: each operation rounds by itself, in the order of the text.

PTX has it before it is machine code, where registers are assigned once, so that what is stored can be read as an
expression.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from lucid.codegen.cuda.module import write_module
from lucid.codegen.cuda.scalars import NVRTC_OPTIONS
from tests.codegen.cuda_graphs import EVERY_KIND, GOLDEN, KINDS, OTHERS, fused, kinds, module_of
from tests.codegen.nvrtc import ptx_of

OPERATION = re.compile(r"\b((?:fma|mad|mul|add|sub|div|sqrt|rcp|rsqrt|ex2|lg2)(?:\.\w+)*\.f(?:32|64))\b")
INSTRUCTION = re.compile(r"\s*(\w+)[\w.]*\.f32\s+(.*);")


def cuda_c(text: str) -> str:
    return write_module(fused(text)).text


def stored(ptx: str) -> set[str]:
    """The expressions of float32 that are stored. An element that is loaded is its place behind an address, in bytes;
    of what commutes, the operands are in the order of their text."""
    values: dict[str, str] = {}
    found = set()
    for line in ptx.splitlines():
        match = INSTRUCTION.match(line)
        if match is None:
            continue
        name, operands = match[1], [operand.strip() for operand in match[2].split(",")]
        if name == "st":
            found.add(values[operands[1]])
            continue
        if name == "ld":
            place = re.search(r"\+(\d+)\]", operands[1])
            values[operands[0]] = f"@{place[1] if place else 0}"
            continue
        given = [values.get(operand, operand) for operand in operands[1:]]
        values[operands[0]] = f"{name}({', '.join(sorted(given) if name in ('add', 'mul') else given)})"
    return found


MAP = """graph(%x: f32[3], %y: f32[3], %z: f32[3]) {
  %p = mul %x, %y; %s = add %p, %z; %a = add %s, %p; %d = div %a, %y; %q = sqrt %d
  return %q
}"""
ROUNDED = re.compile(r"(fma|mul|add|sub|div|rcp|sqrt)\.rn\.f(32|64)")
ONE, TWO = "graph(%x: f32[3]) { %one: f32[3] = const value=1.0;", "%two: f32[3] = const value=2.0;"


def test_a_map_is_computed_as_it_stands() -> None:
    found = stored(ptx_of(cuda_c(MAP)))
    assert found == {"sqrt(div(add(add(@0, mul(@0, @0)), mul(@0, @0)), @0))"}


def test_constants_are_not_added_up_first() -> None:
    (found,) = stored(ptx_of(cuda_c(f"{ONE} {TWO} %a = add %x, %one; %b = add %a, %two; return %b }}")))
    assert found == "add(0f40000000, add(0f3F800000, @0))"


def test_a_sum_goes_from_the_first_element_to_the_last() -> None:
    (found,) = stored(ptx_of(cuda_c("graph(%x: f32[1, 5]) { %s = sum %x, axes=(1,), lanes=1; return %s }")))
    expected = "add(0f00000000, @0)"
    for place in (4, 8, 12, 16):
        expected = f"add({', '.join(sorted((expected, f'@{place}')))})"
    assert found == expected


def test_each_operation_rounds_once_to_the_nearest() -> None:
    """Also where a compiler that may would fuse a product and a sum, as this one does where it is told so."""
    text = cuda_c("graph(%x: f32[3], %y: f32[3], %z: f32[3]) { %p = mul %x, %y; %s = add %p, %z; return %s }")
    counts = Counter(OPERATION.findall(ptx_of(text)))
    assert set(counts) == {"mul.rn.f32", "add.rn.f32"}
    assert counts["mul.rn.f32"] == counts["add.rn.f32"]
    fusing = [option.replace("--fmad=false", "--fmad=true") for option in NVRTC_OPTIONS]
    assert set(OPERATION.findall(ptx_of(text, fusing))) == {"fma.rn.f32"}, "then this test could not fail"


SEARCHED = {**GOLDEN, **OTHERS, **EVERY_KIND}


def test_functions_of_all_kinds_are_searched() -> None:
    assert {kind for text in SEARCHED.values() for kind in kinds(module_of(text))} == set(KINDS)


@pytest.mark.parametrize("name", SEARCHED)
def test_operations_are_fused_only_where_the_text_says_so_and_never_approximate(name: str) -> None:
    text = module_of(SEARCHED[name]).text
    found = set(OPERATION.findall(ptx_of(text)))
    said = bool(re.search(r"\bfmaf?\(", text))
    assert said == any(operation.startswith("fma.rn.") for operation in found)
    assert all(map(ROUNDED.fullmatch, found)), found


@pytest.mark.parametrize("option", NVRTC_OPTIONS)
def test_each_option_is_needed(option: str) -> None:
    name, value = option.split("=")
    other = f"{name}={'false' if value == 'true' else 'true'}"
    options = [other if given == option else given for given in NVRTC_OPTIONS]
    found = set(OPERATION.findall(ptx_of(cuda_c(MAP), options)))
    assert any(operation.startswith("fma") or not ROUNDED.fullmatch(operation) for operation in found)
