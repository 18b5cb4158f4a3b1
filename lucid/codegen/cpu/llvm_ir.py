"""LLVM IR as text, written instruction by instruction: modules, functions, blocks, and who appends to them.

Names follow `llvmlite.ir`, which keeps an object for each instruction and prints them all at the end. Here one is a
line of its block as soon as it is appended, which takes a fraction of the time; a first call writes thousands
(docs/decisions/0034-llvm-ir-is-written-as-text.md). What is wrong with a line, LLVM's parser says.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

# Types.


class Type:
    """A type: its text; as it stands in the names of intrinsics; and for vectors, the type and number of their lanes,
    where any other has itself, once."""

    def __init__(self, text: str, intrinsic_name: str = "", element: Type | None = None, count: int = 1) -> None:
        self.text = text
        self.intrinsic_name = intrinsic_name or text
        self.element = element or self
        self.count = count

    def __str__(self) -> str:
        return self.text

    def __call__(self, value: Any) -> Value:
        return Constant(self, value)

    def format(self, value: Any) -> str:
        """A constant of this type, without it."""
        return str(value)


class VoidType(Type):
    def __init__(self) -> None:
        super().__init__("void")


class PointerType(Type):
    def __init__(self) -> None:
        super().__init__("ptr", "p0")


class IntType(Type):
    def __init__(self, bits: int) -> None:
        super().__init__(f"i{bits}")

    def format(self, value: Any) -> str:
        return str(int(value))


class FloatType(Type):
    def __init__(self) -> None:
        super().__init__("float", "f32")

    def format(self, value: Any) -> str:
        """In hexadecimal, as the double of the same value: nothing is lost."""
        return _DOUBLE.format(struct.unpack("<f", struct.pack("<f", value))[0])


class DoubleType(Type):
    def __init__(self) -> None:
        super().__init__("double", "f64")

    def format(self, value: Any) -> str:
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016x}"


_DOUBLE = DoubleType()


class VectorType(Type):
    def __init__(self, element: Type, count: int) -> None:
        super().__init__(f"<{count} x {element.text}>", f"v{count}{element.intrinsic_name}", element, count)

    def format(self, value: Any) -> str:
        """Short where all lanes are equal: lists of those would make most of a module's text."""
        text = self.element.text
        if not isinstance(value, Sequence):
            return f"splat ({text} {self.element.format(value)})"
        return f"<{', '.join([f'{text} {self.element.format(lane)}' for lane in value])}>"


class ArrayType(Type):
    def __init__(self, element: Type, count: int) -> None:
        super().__init__(f"[{count} x {element.text}]")


class FunctionType(Type):
    def __init__(self, result: Type, args: Sequence[Type]) -> None:
        super().__init__(f"{result.text} ({', '.join([arg.text for arg in args])})")
        self.result = result
        self.args = args


_BIT, _VOID, _POINTER = IntType(1), VoidType(), PointerType()


# Values.


class Value:
    """What an instruction reads: its type, how it is referred to, and the block that computes it, None for what is not
    computed in one."""

    __slots__ = ("parent", "text", "type")

    def __init__(self, type: Type, text: str, parent: Block | None = None) -> None:
        self.type = type
        self.text = text
        self.parent = parent


class Undefined:
    """The value of a constant of which nothing is known."""


class Constant(Value):
    """A constant: a number, for a vector that of all lanes or a sequence; None for zeros; or Undefined."""

    __slots__ = ("constant",)

    def __init__(self, type: Type, constant: Any) -> None:
        text = "zeroinitializer" if constant is None else "undef" if constant is Undefined else type.format(constant)
        super().__init__(type, text)
        self.constant = constant


class Phi(Value):
    """What a block takes from the one that it is reached from."""

    __slots__ = ("_incoming",)

    def __init__(self, type: Type, text: str, parent: Block) -> None:
        super().__init__(type, text, parent)
        self._incoming: list[str] = []

    def add_incoming(self, value: Value, block: Block) -> None:
        self._incoming.append(f"[ {value.text}, %{block.name} ]")

    def __str__(self) -> str:
        return f"{self.text} = phi {self.type.text} {', '.join(self._incoming)}"


class GlobalVariable(Value):
    """A constant array of a module, of that text."""

    def __init__(self, module: Module, type: Type, name: str, text: str) -> None:
        super().__init__(_POINTER, f"@{name}")
        self._line = f"@{name} = internal constant {type.text} {text}"
        module.variables.append(self)

    def __str__(self) -> str:
        return self._line


class Function(Value):
    """A function of a module: declared, and defined where it has blocks."""

    def __init__(self, module: Module, signature: FunctionType, name: str) -> None:
        super().__init__(_POINTER, f"@{name}")
        self.module = module
        self.name = name
        self.signature = signature
        self.args = [Value(type, f"%a{number}") for number, type in enumerate(signature.args)]
        self.is_brief = False  # whether it is defined in the second part of its module: see `Module.parts`
        self.alignment = 0  # what its address is a multiple of, in bytes; 0 where LLVM chooses
        self.blocks: list[Block] = []
        self.numbers = itertools.count()  # of its values and blocks
        module.globals[name] = self

    def append_basic_block(self, name: str = "block") -> Block:
        block = Block(self, f"{name}{next(self.numbers)}")
        self.blocks.append(block)
        return block

    def declaration(self) -> str:
        """As a module has it that does not define it."""
        types = ", ".join([arg.type.text for arg in self.args])
        return f"declare {self.signature.result.text} {self.text}({types})"

    def __str__(self) -> str:
        if not self.blocks:
            return self.declaration()
        align = f" align {self.alignment}" if self.alignment else ""
        arguments = ", ".join([f"{arg.type.text} {arg.text}" for arg in self.args])
        head = f"define {self.signature.result.text} {self.text}({arguments}){align} {{"
        return "\n".join([head, *map(str, self.blocks), "}"])


class Block:
    """Instructions that run one after the other."""

    def __init__(self, function: Function, name: str) -> None:
        self.function = function
        self.name = name
        self.lines: list[str | Phi] = []

    def __str__(self) -> str:
        return "\n  ".join([f"{self.name}:", *map(str, self.lines)])


class Module:
    """Functions, by their names, and constants."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.triple = ""
        self.data_layout = ""
        self.globals: dict[str, Function] = {}
        self.variables: list[GlobalVariable] = []

    def __str__(self) -> str:
        return self._text(self.variables, map(str, self.globals.values()))

    def parts(self) -> tuple[str, str]:
        """The text as two modules, of which each declares what the other defines. The second has the functions that are
        brief: those that run for so short a time that LLVM should take less trouble with them."""
        first, second = (
            [function.declaration() if function.is_brief is not brief else str(function) for function in functions]
            for functions, brief in ((self.globals.values(), False), (self.globals.values(), True))
        )
        return self._text(self.variables, first), self._text([], second)

    def _text(self, variables: Iterable[GlobalVariable], functions: Iterable[str]) -> str:
        head = [f"; {self.name}", f'target triple = "{self.triple}"', f'target datalayout = "{self.data_layout}"', ""]
        return "\n".join([*head, *map(str, variables), *functions, ""])


# Instructions.


def _binary(name: str) -> Callable[[IRBuilder, Value, Value], Value]:
    """The method that appends an instruction of two operands of one type, which the result has, too."""

    def append(self: IRBuilder, x: Value, y: Value) -> Value:
        type = x.type
        return self._value(type, f"{name} {type.text} {x.text}, {y.text}")

    return append


def _conversion(name: str) -> Callable[[IRBuilder, Value, Type], Value]:
    """The method that appends an instruction from one type to another. There is nothing to do where they are equal."""

    def append(self: IRBuilder, x: Value, type: Type) -> Value:
        if x.type.text == type.text:
            return x
        return self._value(type, f"{name} {x.type.text} {x.text} to {type.text}")

    return append


_ORDERS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_EQUALITIES = {"==": "eq", "!=": "ne"}


def _comparison(name: str, prefix: str, equality_prefix: str) -> Callable[[IRBuilder, str, Value, Value], Value]:
    """The method that appends a comparison: a bit for each lane."""
    names = {sign: prefix + word for sign, word in _ORDERS.items()}
    names |= {sign: equality_prefix + word for sign, word in _EQUALITIES.items()}

    def append(self: IRBuilder, sign: str, x: Value, y: Value) -> Value:
        type = VectorType(_BIT, x.type.count) if isinstance(x.type, VectorType) else _BIT
        return self._value(type, f"{name} {names[sign]} {x.type.text} {x.text}, {y.text}")

    return append


class IRBuilder:
    """Appends instructions to a block, and to those that follow it."""

    def __init__(self, block: Block) -> None:
        self.block = block

    @property
    def module(self) -> Module:
        return self.block.function.module

    def append_basic_block(self, name: str) -> Block:
        return self.block.function.append_basic_block(name)

    def position_at_end(self, block: Block) -> None:
        self.block = block

    def _value(self, type: Type, text: str) -> Value:
        """The result of an instruction."""
        block = self.block
        name = f"%v{next(block.function.numbers)}"
        block.lines.append(f"{name} = {text}")
        return Value(type, name, block)

    # Arithmetic.

    add, sub, mul, udiv, sdiv, urem = map(_binary, ("add", "sub", "mul", "udiv", "sdiv", "urem"))
    fadd, fsub, fmul, fdiv = map(_binary, ("fadd", "fsub", "fmul", "fdiv"))
    and_, or_, xor, shl, lshr, ashr = map(_binary, ("and", "or", "xor", "shl", "lshr", "ashr"))
    zext, sext, trunc, bitcast, ptrtoint = map(_conversion, ("zext", "sext", "trunc", "bitcast", "ptrtoint"))
    fpext, fptrunc, sitofp, uitofp = map(_conversion, ("fpext", "fptrunc", "sitofp", "uitofp"))
    icmp_signed = _comparison("icmp", "s", "")
    icmp_unsigned = _comparison("icmp", "u", "")
    fcmp_ordered = _comparison("fcmp", "o", "o")

    def neg(self, x: Value) -> Value:
        return self.sub(Constant(x.type, 0), x)

    def not_(self, x: Value) -> Value:
        return self.xor(x, Constant(x.type, -1))

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        type = x.type
        text = f"select {condition.type.text} {condition.text}, {type.text} {x.text}, {type.text} {y.text}"
        return self._value(type, text)

    # Vectors.

    def extract_element(self, vector: Value, lane: Value) -> Value:
        text = f"extractelement {vector.type.text} {vector.text}, {lane.type.text} {lane.text}"
        return self._value(vector.type.element, text)

    def insert_element(self, vector: Value, x: Value, lane: Value) -> Value:
        type = vector.type
        text = f"insertelement {type.text} {vector.text}, {x.type.text} {x.text}, {lane.type.text} {lane.text}"
        return self._value(type, text)

    def shuffle_vector(self, x: Value, y: Value, lanes: Value) -> Value:
        type = x.type
        text = f"shufflevector {type.text} {x.text}, {type.text} {y.text}, {lanes.type.text} {lanes.text}"
        return self._value(VectorType(type.element, lanes.type.count), text)

    # Memory.

    def alloca(self, type: Type, count: int = 1) -> Value:
        return self._value(_POINTER, f"alloca {type.text}, i32 {count}")

    def load(self, address: Value, *, typ: Type, align: int | None = None) -> Value:
        aligned = "" if align is None else f", align {align}"
        return self._value(typ, f"load {typ.text}, ptr {address.text}{aligned}")

    def store(self, value: Value, address: Value, align: int | None = None, streamed: bool = False) -> None:
        """Store a value, with a hint that nobody reads it soon if it is streamed."""
        aligned = "" if align is None else f", align {align}"
        hint = ", !nontemporal !{i32 1}" if streamed else ""
        self.block.lines.append(f"store {value.type.text} {value.text}, ptr {address.text}{aligned}{hint}")

    def fence(self) -> None:
        """Have all stores be seen by whoever sees a later one."""
        self.block.lines.append("fence seq_cst")

    def gep(self, pointer: Value, positions: Sequence[Value], *, source_etype: Type) -> Value:
        """The address of an element, or one for each lane of the pointer and the position."""
        (position,) = positions
        text = f"getelementptr {source_etype.text}, {pointer.type.text} {pointer.text}"
        return self._value(pointer.type, f"{text}, {position.type.text} {position.text}")

    # Control.

    def call(self, function: Function, operands: Sequence[Value]) -> Value:
        return self.call_at(function, function.signature, operands)

    def call_at(self, address: Value, signature: FunctionType, operands: Sequence[Value]) -> Value:
        """Call the function at an address."""
        result = signature.result
        text = f"call {result.text} {address.text}({', '.join([f'{x.type.text} {x.text}' for x in operands])})"
        if not isinstance(result, VoidType):
            return self._value(result, text)
        self.block.lines.append(text)
        return Value(_VOID, "", self.block)

    def phi(self, type: Type) -> Phi:
        phi = Phi(type, f"%v{next(self.block.function.numbers)}", self.block)
        self.block.lines.append(phi)
        return phi

    def branch(self, to: Block) -> None:
        self.block.lines.append(f"br label %{to.name}")

    def cbranch(self, condition: Value, then: Block, otherwise: Block) -> None:
        self.block.lines.append(f"br i1 {condition.text}, label %{then.name}, label %{otherwise.name}")

    def ret(self, value: Value) -> None:
        self.block.lines.append(f"ret {value.type.text} {value.text}")

    def ret_void(self) -> None:
        self.block.lines.append("ret void")

    @contextlib.contextmanager
    def if_then(self, condition: Value) -> Iterator[None]:
        """What is appended inside runs where a condition holds."""
        then, after = self.append_basic_block("if"), self.append_basic_block("endif")
        self.cbranch(condition, then, after)
        with self._on_the_way(then, after):
            yield
        self.position_at_end(after)

    @contextlib.contextmanager
    def if_else(self, condition: Value) -> Iterator[tuple[AbstractContextManager[None], AbstractContextManager[None]]]:
        """Two contexts: what is appended in the first runs where a condition holds, in the second where it does not."""
        names = "if", "else", "endif"
        then, otherwise, after = map(self.append_basic_block, names)
        self.cbranch(condition, then, otherwise)
        yield self._on_the_way(then, after), self._on_the_way(otherwise, after)
        self.position_at_end(after)

    @contextlib.contextmanager
    def _on_the_way(self, block: Block, after: Block) -> Iterator[None]:
        """Append to a block that goes on to another."""
        self.position_at_end(block)
        yield
        self.branch(after)
