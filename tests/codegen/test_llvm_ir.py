"""LLVM IR that is written as text is what llvmlite's objects print: LLVM makes the same code of it."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import pytest
from llvmlite import ir as objects

from lucid.codegen.cpu import llvm_ir as text
from lucid.codegen.cpu.machine import assemble, load, machine


def module_of(ir: Any, result: Any, args: list[Any], write: Callable[[Any, Any, Any], object]) -> str:
    """The text of a module with a function `f` that is written by `llvmlite.ir` or by Lucid's."""
    module = ir.Module("test")
    module.triple, module.data_layout = machine().layout()
    function = ir.Function(module, ir.FunctionType(result, args), "f")
    write(ir, ir.IRBuilder(function.append_basic_block("entry")), function)
    return str(module)


def expect_same(types: Callable[[Any], tuple[Any, list[Any]]], write: Callable[[Any, Any, Any], object]) -> None:
    """That both write a function of which LLVM makes the same code."""
    target = machine().target_machine()
    codes = [target.emit_object(llvm.parse_assembly(module_of(ir, *types(ir), write))) for ir in (objects, text)]
    assert codes[0] == codes[1]


NUMBERS = [0.0, -0.0, 1.0, -1.5, 0.1, math.pi, 1e-45, 1e-310, 3.4e38, math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("kind", ["FloatType", "DoubleType"])
@pytest.mark.parametrize("count", [1, 4])
def test_floats_keep_their_bits(kind: str, count: int) -> None:
    for number in NUMBERS:

        def type_of(ir: Any) -> Any:
            scalar = getattr(ir, kind)()
            return scalar if count == 1 else ir.VectorType(scalar, count)

        def write(ir: Any, builder: Any, _: Any, number: float = number) -> None:
            builder.ret(ir.Constant(type_of(ir), number if count == 1 else [number, 2.0, number, 3.0]))

        expect_same(lambda ir: (type_of(ir), []), write)


def test_constants_of_equal_lanes_are_short() -> None:
    lanes = text.VectorType(text.IntType(32), 16)
    assert text.Constant(lanes, 7).text == "splat (i32 7)"
    assert text.Constant(lanes, None).text == "zeroinitializer"
    assert text.Constant(text.VectorType(text.IntType(1), 2), [True, False]).text == "<i1 1, i1 0>"


BINARY = ["add", "sub", "mul", "udiv", "sdiv", "urem", "and_", "or_", "xor", "shl", "lshr", "ashr"]


@pytest.mark.parametrize("name", BINARY)
def test_integer_arithmetic(name: str) -> None:
    expect_same(
        lambda ir: (ir.IntType(64), [ir.IntType(64)] * 2),
        lambda ir, builder, function: builder.ret(getattr(builder, name)(*function.args)),
    )


@pytest.mark.parametrize("name", ["fadd", "fsub", "fmul", "fdiv"])
def test_float_arithmetic(name: str) -> None:
    expect_same(
        lambda ir: (ir.VectorType(ir.FloatType(), 4), [ir.VectorType(ir.FloatType(), 4)] * 2),
        lambda ir, builder, function: builder.ret(getattr(builder, name)(*function.args)),
    )


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize("name", ["icmp_signed", "icmp_unsigned", "fcmp_ordered"])
def test_comparisons(name: str, sign: str) -> None:
    def types(ir: Any) -> tuple[Any, list[Any]]:
        lane = ir.FloatType() if name == "fcmp_ordered" else ir.IntType(32)
        return ir.VectorType(ir.IntType(1), 8), [ir.VectorType(lane, 8)] * 2

    expect_same(types, lambda ir, builder, function: builder.ret(getattr(builder, name)(sign, *function.args)))


CONVERSIONS = [
    ("zext", "i8", "i64"), ("sext", "i8", "i64"), ("trunc", "i64", "i8"), ("bitcast", "f32", "i32"),
    ("fpext", "f32", "f64"), ("fptrunc", "f64", "f32"), ("sitofp", "i32", "f32"), ("uitofp", "i32", "f64"),
    ("zext", "i64", "i64"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "start", "to"), CONVERSIONS)
def test_conversions(name: str, start: str, to: str) -> None:
    def type_of(ir: Any, short: str) -> Any:
        return {"f32": ir.FloatType(), "f64": ir.DoubleType()}.get(short) or ir.IntType(int(short[1:]))

    expect_same(
        lambda ir: (type_of(ir, to), [type_of(ir, start)]),
        lambda ir, builder, function: builder.ret(getattr(builder, name)(function.args[0], type_of(ir, to))),
    )


def test_memory_vectors_calls_and_control() -> None:
    def types(ir: Any) -> tuple[Any, list[Any]]:
        return ir.VoidType(), [ir.PointerType(), ir.IntType(64), ir.PointerType()]

    def write(ir: Any, builder: Any, function: Any) -> None:
        pointer, count, other = function.args
        number, lane, vector = ir.IntType(64), ir.FloatType(), ir.VectorType(ir.FloatType(), 4)
        fma = ir.Function(builder.module, ir.FunctionType(vector, [vector] * 3), "llvm.fma.v4f32")
        done = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [ir.PointerType()]), "done")
        x = builder.load(pointer, align=4, typ=vector)
        y = builder.load(builder.gep(other, [count], source_etype=lane), align=4, typ=vector)
        turned = builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(ir.IntType(32), 4), [3, 2, 5, 4]))
        first = builder.extract_element(turned, ir.IntType(32)(1))
        total = builder.call(fma, [x, y, builder.insert_element(turned, first, ir.IntType(32)(0))])
        room = builder.alloca(vector, 2)
        builder.store(total, room, align=4)
        before, head, body, after = builder.block, *map(builder.append_basic_block, ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(number)
        index.add_incoming(number(0), before)
        builder.cbranch(builder.icmp_signed("<", index, count), body, after)
        builder.position_at_end(body)
        with builder.if_then(builder.not_(builder.icmp_signed("==", index, number(3)))):
            builder.store(first, builder.gep(pointer, [index], source_etype=lane), align=4)
        with builder.if_else(builder.icmp_signed(">", builder.neg(index), count)) as (then, otherwise):
            with then:
                builder.call(done, [room])
            with otherwise:
                builder.store(first, other)
        index.add_incoming(builder.select(builder.icmp_signed("<", index, count), count, number(1)), builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        builder.store(ir.Constant(vector, None), pointer)
        builder.ret_void()

    expect_same(types, write)


def test_the_parts_of_a_module_have_each_function_once_and_call_each_other() -> None:
    """The second has the brief ones alone, and no constant."""
    module = text.Module("parts")
    module.triple, module.data_layout = machine().layout()
    integer = text.IntType(64)
    numbers = text.GlobalVariable(module, text.ArrayType(integer, 1), "numbers", "[i64 40]")
    two, main, forty_and = (
        text.Function(module, text.FunctionType(integer, operands), name)
        for name, operands in (("two", []), ("main", []), ("forty_and", [integer]))
    )
    main.is_brief = True
    of_two, of_main, of_sum = (text.IRBuilder(f.append_basic_block()) for f in (two, main, forty_and))
    of_two.ret(integer(2))
    of_main.ret(of_main.call(forty_and, [of_main.call(two, [])]))
    of_sum.ret(of_sum.add(of_sum.load(numbers, typ=integer), forty_and.args[0]))
    whole, parts = str(module), module.parts()
    defined = [re.findall(r"^define \S+ @(\w+)", part, re.MULTILINE) for part in (whole, *parts)]
    assert defined == [["two", "main", "forty_and"], ["two", "forty_and"], ["main"]]
    assert ["@numbers = " in part for part in parts] == [True, False]
    codes = [assemble(machine(), part) for part in parts]
    addresses, loaded = load(machine(), codes, ["main"])
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(addresses["main"])() == 42
    del loaded
