"""Where a kernel stands in its loops: index arithmetic, and loads and stores of one element or of a lane each.

One open axis may be spread over the lanes of a vector: lane l stands at the axis's value plus l. What does not depend
on that axis is a scalar. A mask switches off the lanes behind the axis's end. An index may hold values that are known
where the kernel stands: a scalar, or a lane each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from llvmlite import ir

from lucid.codegen.cpu.control import I8, I32, I64, VOID, element, first_lanes, i64, intrinsic, memory_type
from lucid.codegen.cpu.scalars import Term
from lucid.codegen.cpu.uniform import UniformScalars
from lucid.codegen.kernel import Bounds, Buffer
from lucid.ir.index import Atom, Axis, Index, Known, Quotient, Remainder
from lucid.ir.types import DType, bool_, int64


class Access:
    """The open axes of a kernel that is being written, and access to memory at them."""

    def __init__(
        self, builder: ir.IRBuilder, s: UniformScalars, pointers: Sequence[ir.Value], terms: Mapping[int, Term]
    ) -> None:
        self.builder = builder
        self.s = s
        self.width = s.width
        self.pointers = pointers
        self.terms = terms
        self.axes: dict[Axis, ir.Value] = {}
        self.lane_axis: Axis | None = None
        self.active = self.width
        self.mask: ir.Value | None = None
        self.known: dict[Index, ir.Value] = {}

    @contextmanager
    def at(self, axis: Axis, value: ir.Value) -> Iterator[None]:
        """Stand at a value of an axis, the same in all lanes."""
        outer, self.known = self.known, {}
        self.axes[axis] = value
        yield
        del self.axes[axis]
        self.known = outer

    @contextmanager
    def lanes_at(self, axis: Axis, value: ir.Value, active: int) -> Iterator[None]:
        """Stand at value, value + 1, ... of an axis, in `active` of the lanes, from the first."""
        self.lane_axis, self.active = axis, active
        if active < self.width:
            self.mask = first_lanes(active, self.width)
        with self.at(axis, value):
            yield
        self.lane_axis, self.active, self.mask = None, self.width, None

    # Index arithmetic.

    def stride(self, index: Index) -> int | None:
        """By how much an index grows from lane to lane, None where that varies."""
        if any(isinstance(leaf, Known) and self._varies(leaf) for leaf in index.leaves()):
            return None
        return 0 if self.lane_axis is None else index.coefficient(self.lane_axis)

    def _varies(self, known: Known) -> bool:
        """Whether a known value is a lane each."""
        return isinstance(self.terms[known.number].value.type, ir.VectorType)

    def first(self, index: Index) -> ir.Value:
        """The value of an index in the first lane."""
        if index not in self.known:
            total: ir.Value | None = None
            for atom, coefficient in index.terms:
                part = self._first_of(atom)
                part = part if coefficient == 1 else self.builder.mul(part, i64(coefficient))
                total = part if total is None else self.builder.add(total, part)
            if total is None:
                total = i64(index.constant)
            elif index.constant:
                total = self.builder.add(total, i64(index.constant))
            self.known[index] = total
        return self.known[index]

    def _first_of(self, atom: Atom) -> ir.Value:
        if isinstance(atom, Axis):
            return self.axes[atom]
        if isinstance(atom, Known):
            return self.terms[atom.number].value
        return self._divide(self.first(_shifted(atom)), atom)

    def _divide(self, x: ir.Value, atom: Quotient | Remainder) -> ir.Value:
        """The quotient or remainder of a value of `_shifted(atom)`, which is not negative."""
        divisor = _like(x, atom.divisor)
        if not isinstance(atom, Quotient):
            return self.builder.urem(x, divisor)
        back = _turns(atom)
        quotient = self.builder.udiv(x, divisor)
        return self.builder.sub(quotient, _like(x, back)) if back else quotient

    def lanes(self, index: Index) -> ir.Value:
        """The value of an index in each lane, as a vector of i64."""
        stride = self.stride(index)
        if stride is not None:
            first = self.s.splat(Term(int64, self.first(index))).value
            steps = [stride * lane for lane in range(self.width)]
            return self.builder.add(first, ir.Constant(ir.VectorType(I64, self.width), steps)) if stride else first
        total: ir.Value = ir.Constant(ir.VectorType(I64, self.width), [index.constant] * self.width)
        for atom, coefficient in index.terms:
            if isinstance(atom, Known):
                part = self.s.splat(self.terms[atom.number]).value
            else:
                part = self.lanes(Index(((atom, 1),))) if isinstance(atom, Axis) else self._lanes_of(atom)
            part = part if coefficient == 1 else self.builder.mul(part, _like(part, coefficient))
            total = self.builder.add(total, part)
        return total

    def _lanes_of(self, atom: Quotient | Remainder) -> ir.Value:
        shifted = _shifted(atom)
        x = self.lanes(shifted)
        if shifted.bounds[1] >= 2**31:
            return self._divide(x, atom)
        # Machines divide vectors of 32-bit words by a constant well, and of 64-bit words badly.
        narrow = self._divide(self.builder.trunc(x, ir.VectorType(I32, self.width)), atom)
        return self.builder.sext(narrow, ir.VectorType(I64, self.width))

    def position(self, index: Index, dtype: DType) -> Term:
        """An index as an integer: a scalar where it is the same in all lanes."""
        stride = self.stride(index)
        if stride is None:
            return self.s.cast(Term(int64, self.lanes(index)), dtype)
        first = self.s.cast(Term(int64, self.first(index)), dtype)
        return self.s.add(first, self.lane_numbers(dtype, stride)) if stride else first

    def lane_numbers(self, dtype: DType, stride: int = 1) -> Term:
        """0, stride, 2 * stride, ... in the lanes."""
        numbers = [lane * stride % (1 << dtype.bits) for lane in range(self.width)]
        return Term(dtype, ir.Constant(ir.VectorType(ir.IntType(dtype.bits), self.width), numbers))

    def holds(self, bounds: Bounds) -> Term:
        """Whether all bounds hold; there is at least one."""
        result: Term | None = None
        for index, extent in bounds:
            varies = self.stride(index) != 0
            value = self.lanes(index) if varies else self.first(index)
            inside = Term(bool_, self.builder.icmp_unsigned("<", value, _like(value, extent)))  # negatives are huge
            result = inside if result is None else self.s.bit_and(result, inside)
        assert result is not None
        return result

    # Memory.

    def load(self, buffer: Buffer, position: Index, bounds: Bounds) -> Term:
        pointer, dtype = self.pointers[buffer.number], buffer.dtype
        stride = self.stride(position)
        if stride == 0:
            return self._load_one(pointer, position, bounds, dtype)
        mask = self._mask(bounds)
        type = memory_type(dtype, self.width)
        zeros = ir.Constant(type, None)
        if stride != 1:
            addresses = self._addresses(pointer, position, dtype)
            return self._from_memory(
                self._masked("masked.gather", type, [addresses], dtype, mask or self._all_lanes(), zeros), dtype
            )
        address = element(self.builder, pointer, self.first(position), dtype)
        if mask is not None:
            return self._from_memory(self._masked("masked.load", type, [address], dtype, mask, zeros), dtype)
        return self._from_memory(self.builder.load(address, align=dtype.itemsize, typ=type), dtype)

    def _load_one(self, pointer: ir.Value, position: Index, bounds: Bounds, dtype: DType) -> Term:
        """Load what is the same in all lanes. The bounds that are, too, keep the position in the buffer."""
        place = self.first(position)
        common = tuple(bound for bound in bounds if self.stride(bound[0]) == 0)
        if common:  # the first element can be read: no bound of an operand without elements is left open
            place = self.builder.select(self.holds(common).value, place, i64(0))
        address = element(self.builder, pointer, place, dtype)
        one = self._from_memory(self.builder.load(address, align=dtype.itemsize, typ=memory_type(dtype, 1)), dtype)
        return self.s.select(self.holds(bounds), one, self.s.constant(0, dtype)) if bounds else one

    def store(self, buffer: Buffer, position: Index, value: Term) -> None:
        pointer, dtype = self.pointers[buffer.number], buffer.dtype
        stride = self.stride(position)
        if stride == 0:
            address = element(self.builder, pointer, self.first(position), dtype)
            self.builder.store(self._to_memory(value), address, align=dtype.itemsize)
            return
        stored = self._to_memory(self.s.splat(value))
        if stride == 1:
            address = element(self.builder, pointer, self.first(position), dtype)
            if self.mask is None:
                self.builder.store(stored, address, align=dtype.itemsize)
            else:
                self._masked("masked.store", VOID, [stored, address], dtype, self.mask)
        else:
            addresses = self._addresses(pointer, position, dtype)
            mask = self.mask or self._all_lanes()
            self._masked("masked.scatter", VOID, [stored, addresses], dtype, mask)

    def _addresses(self, pointer: ir.Value, position: Index, dtype: DType) -> ir.Value:
        """The address of an element for each lane."""
        type = ir.VectorType(pointer.type, self.width)
        undefined = ir.Constant(type, ir.Undefined)
        first = self.builder.insert_element(undefined, pointer, I32(0))
        bases = self.builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, self.width), None))
        return element(self.builder, bases, self.lanes(position), dtype)

    def _mask(self, bounds: Bounds) -> ir.Value | None:
        if not bounds:
            return self.mask
        wanted = self.s.splat(self.holds(bounds)).value
        return wanted if self.mask is None else self.builder.and_(wanted, self.mask)

    def _all_lanes(self) -> ir.Value:
        return self.s.splat(self.s.constant(True, bool_)).value

    def _masked(
        self, name: str, result: ir.Type, subjects: list[ir.Value], dtype: DType, mask: ir.Value, *otherwise: ir.Value
    ) -> ir.Value:
        alignment = ir.Constant(I32, dtype.itemsize)
        operands = [*subjects, alignment, mask, *otherwise]
        vector = memory_type(dtype, self.width)
        address = f"v{self.width}p0" if isinstance(subjects[-1].type, ir.VectorType) else "p0"
        full_name = f"{name}.v{self.width}{vector.element.intrinsic_name}.{address}"
        function = intrinsic(self.builder.module, full_name, result, [operand.type for operand in operands])
        return self.builder.call(function, operands)

    def _from_memory(self, value: ir.Value, dtype: DType) -> Term:
        return Term(dtype, self.builder.icmp_unsigned("!=", value, _like(value, 0)) if dtype == bool_ else value)

    def _to_memory(self, value: Term) -> ir.Value:
        if value.dtype != bool_:
            return value.value
        vector = isinstance(value.value.type, ir.VectorType)
        return self.builder.zext(value.value, ir.VectorType(I8, self.width) if vector else I8)


def _turns(atom: Quotient | Remainder) -> int:
    """How many divisors must be added to the index of a quotient or remainder to make it not negative."""
    return max(-(atom.index.bounds[0] // atom.divisor), 0)


def _shifted(atom: Quotient | Remainder) -> Index:
    return atom.index + _turns(atom) * atom.divisor


def _like(x: ir.Value, value: int) -> ir.Constant:
    """An integer constant of the type of x."""
    return ir.Constant(x.type, [value] * x.type.count if isinstance(x.type, ir.VectorType) else value)
