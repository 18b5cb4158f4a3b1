"""Where a kernel stands in its loops: index arithmetic, and loads and stores of one element or of a lane each.

One open axis may be spread over the lanes of a vector: lane l stands at the axis's value plus l. What does not depend
on that axis is a scalar. A mask switches off the lanes behind the axis's end. An index may hold values that are known
where the kernel stands: a scalar, or a lane each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from lucid.codegen.cpu import llvm_ir as ir
from lucid.codegen.cpu.control import I8, I32, I64, VOID, element, first_lanes, i64, intrinsic, memory_type
from lucid.codegen.cpu.pattern import Pattern, lane_pattern, run_length
from lucid.codegen.cpu.scalars import Term
from lucid.codegen.cpu.streamed import can_stream, store_streamed
from lucid.codegen.cpu.uniform import UniformScalars, is_vector
from lucid.codegen.kernel import Bounds, Buffer
from lucid.ir.index import Atom, Axis, Index, Known, Quotient, Remainder
from lucid.ir.types import DType, bool_, int64

# Lanes that read neighbouring memory in a known pattern load all of it at once, up to so many vectors, where no element
# is read by more than so many of them.
SPAN, READERS = 4, 4

# Lanes that read so many bytes of neighbouring memory or more, and others elsewhere, load them at once.
SHORTEST_RUN = 32


class Access:
    """The open axes of a kernel that is being written, and access to memory at them."""

    def __init__(
        self,
        builder: ir.IRBuilder,
        s: UniformScalars,
        pointers: Sequence[ir.Value],
        terms: Mapping[int, Term],
        register: int,
        streamed: Collection[int] = (),
    ) -> None:
        self.builder = builder
        self.s = s
        self.width = s.width
        self.pointers = pointers
        self.terms = terms
        self.register = register  # the bytes of a vector of the machine
        self.streamed = streamed  # the numbers of buffers
        self.has_streamed = False  # whether anything is stored past the caches
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
        return is_vector(self.terms[known.number])

    def pattern(self, index: Index) -> Pattern | None:
        """By how much an index exceeds that of the first lane, for each lane; None where it is not known."""
        return None if self.lane_axis is None else lane_pattern(index, self.lane_axis, self.width)

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
        pattern = self.pattern(index) if stride is None else tuple(stride * lane for lane in range(self.width))
        if pattern is not None:
            first = self.s.splat(Term(int64, self.first(index))).value
            return (
                self.builder.add(first, ir.Constant(ir.VectorType(I64, self.width), pattern)) if stride != 0 else first
            )
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
        pattern = self.pattern(index) if stride is None else tuple(stride * lane for lane in range(self.width))
        if pattern is None:
            return self.s.cast(Term(int64, self.lanes(index)), dtype)
        first = self.s.cast(Term(int64, self.first(index)), dtype)
        return self.s.add(first, self._numbers(pattern, dtype)) if stride != 0 else first

    def _numbers(self, pattern: Pattern, dtype: DType) -> Term:
        """A number for each lane."""
        wrapped = [number % (1 << dtype.bits) for number in pattern]
        return Term(dtype, ir.Constant(ir.VectorType(ir.IntType(dtype.bits), self.width), wrapped))

    def holds(self, bounds: Bounds) -> Term:
        """Whether all bounds hold; there is at least one."""
        result: Term | None = None
        for index, extent in bounds:
            varies = self.stride(index) != 0 and not self._is_in_step(index, extent)
            value = self.lanes(index) if varies else self.first(index)
            inside = Term(bool_, self.builder.icmp_unsigned("<", value, _like(value, extent)))  # negatives are huge
            result = inside if result is None else self.s.bit_and(result, inside)
        assert result is not None
        return result

    def _is_in_step(self, index: Index, extent: int) -> bool:
        """Whether an index is inside of an extent in all lanes or in none, though it differs: both ends of the extent
        are at the first lane, which stands at a multiple of the width."""
        starts = [extent, index.constant, *(c for atom, c in index.terms if atom != self.lane_axis)]
        return self.stride(index) == 1 and all(start % self.width == 0 for start in starts)

    # Memory.

    def load(self, buffer: Buffer, position: Index, bounds: Bounds) -> Term:
        pointer, dtype = self.pointers[buffer.number], buffer.dtype
        stride = self.stride(position)
        if stride == 0:
            return self._load_one(pointer, position, bounds, dtype)
        pattern = self.pattern(position) if stride != 1 else None
        if pattern is not None and self._is_near(pattern):
            return self._load_span(pointer, position, bounds, dtype, pattern)
        mask = self._mask(bounds)
        type = memory_type(dtype, self.width)
        zeros = ir.Constant(type, None)
        if pattern is not None and (run := run_length(pattern)) * dtype.itemsize >= SHORTEST_RUN:
            return self._load_runs(pointer, position, dtype, pattern, run, mask)
        if stride != 1:
            addresses = self._addresses(pointer, position, dtype)
            return self.from_memory(
                self._masked("masked.gather", type, [addresses], dtype, mask or self._all_lanes(), zeros), dtype
            )
        address = element(self.builder, pointer, self.first(position), dtype)
        if mask is not None:
            return self.from_memory(self.load_masked(address, dtype, mask), dtype)
        return self.from_memory(self.builder.load(address, align=dtype.itemsize, typ=type), dtype)

    def load_masked(self, address: ir.Value, dtype: DType, mask: ir.Value) -> ir.Value:
        """Neighbouring elements of memory in the lanes of a mask, and zeros.

        They are loaded register by register. LLVM divides what is wider, and may read all of a part whose lanes are
        off: version 22 does with AVX2, where a mask is made of a variable and a constant.
        """
        width = min(max(self.register // dtype.itemsize, 2), mask.type.count)
        type = memory_type(dtype, width)
        zeros = ir.Constant(type, None)
        parts = []
        for start in range(0, mask.type.count, width):
            lanes = ir.Constant(ir.VectorType(I32, width), list(range(start, start + width)))
            inside = mask if width == mask.type.count else self.builder.shuffle_vector(mask, mask, lanes)
            place = element(self.builder, address, i64(start), dtype) if start else address
            parts.append(self._masked("masked.load", type, [place], dtype, inside, zeros))
        return self._joined(parts)

    def _joined(self, parts: Sequence[ir.Value]) -> ir.Value:
        """The lanes of vectors, one behind the other."""
        while len(parts) > 1:
            order = ir.Constant(ir.VectorType(I32, 2 * parts[0].type.count), list(range(2 * parts[0].type.count)))
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self.builder.shuffle_vector(first, second, order) for first, second in pairs]
        return parts[0]

    def _is_near(self, pattern: Pattern) -> bool:
        """Whether lanes read memory that is loaded at once."""
        read = pattern[: self.active]
        return max(read) - min(read) < SPAN * self.width and max(map(read.count, read)) <= READERS

    def _load_span(self, pointer: ir.Value, position: Index, bounds: Bounds, dtype: DType, pattern: Pattern) -> Term:
        """Load the memory that all lanes read, and give each lane its element. Where there are bounds, only what some
        lane reads inside of them is touched."""
        read = pattern[: self.active]
        low, count = min(read), max(read) - min(read) + 1
        size = max(1 << (count - 1).bit_length(), 2)
        place = self.builder.add(self.first(position), i64(low)) if low else self.first(position)
        address = element(self.builder, pointer, place, dtype)
        inside = self.s.splat(self.holds(bounds)) if bounds else None
        mask = first_lanes(count, size)
        if inside is not None:
            readers = [[lane for lane, at in enumerate(read) if at - low == number] for number in range(size)]
            mask = self._any_of(inside.value, readers)
        type = memory_type(dtype, size)
        if inside is None and count == size:
            loaded = self.builder.load(address, align=dtype.itemsize, typ=type)
        else:
            loaded = self.load_masked(address, dtype, mask)
        lanes = [at - low for at in read] + [0] * (self.width - len(read))
        order = ir.Constant(ir.VectorType(I32, self.width), lanes)
        result = self.from_memory(self.builder.shuffle_vector(loaded, loaded, order), dtype)
        return result if inside is None else self.s.select(inside, result, self.s.constant(0, dtype))

    def _load_runs(
        self, pointer: ir.Value, position: Index, dtype: DType, pattern: Pattern, run: int, mask: ir.Value | None
    ) -> Term:
        """Load what each run of lanes reads at once."""
        type = memory_type(dtype, run)
        parts = []
        for start in range(0, self.width, run):
            place = self.builder.add(self.first(position), i64(pattern[start]))
            address = element(self.builder, pointer, place, dtype)
            if mask is None:
                parts.append(self.builder.load(address, align=dtype.itemsize, typ=type))
                continue
            lanes = ir.Constant(ir.VectorType(I32, run), list(range(start, start + run)))
            parts.append(self.load_masked(address, dtype, self.builder.shuffle_vector(mask, mask, lanes)))
        return self.from_memory(self._joined(parts), dtype)

    def _any_of(self, flags: ir.Value, lanes: Sequence[Sequence[int]]) -> ir.Value:
        """For each of some lists of lanes, whether any of them has its flag set."""
        none = ir.Constant(flags.type, None)
        total: ir.Value | None = None
        for turn in range(max(map(len, lanes))):
            order = [group[turn] if turn < len(group) else self.width for group in lanes]
            part = self.builder.shuffle_vector(flags, none, ir.Constant(ir.VectorType(I32, len(lanes)), order))
            total = part if total is None else self.builder.or_(total, part)
        assert total is not None
        return total

    def _load_one(self, pointer: ir.Value, position: Index, bounds: Bounds, dtype: DType) -> Term:
        """Load what is the same in all lanes. The bounds that are, too, keep the position in the buffer."""
        place = self.first(position)
        common = tuple(bound for bound in bounds if self.stride(bound[0]) == 0)
        if common:  # the first element can be read: no bound of an operand without elements is left open
            place = self.builder.select(self.holds(common).value, place, i64(0))
        address = element(self.builder, pointer, place, dtype)
        one = self.from_memory(self.builder.load(address, align=dtype.itemsize, typ=memory_type(dtype, 1)), dtype)
        return self.s.select(self.holds(bounds), one, self.s.constant(0, dtype)) if bounds else one

    def store(self, buffer: Buffer, position: Index, value: Term) -> None:
        pointer, dtype = self.pointers[buffer.number], buffer.dtype
        stride = self.stride(position)
        if stride == 0:
            assert not is_vector(value), "a vector would be stored over the elements behind this one"
            address = element(self.builder, pointer, self.first(position), dtype)
            self.builder.store(self._to_memory(value), address, align=dtype.itemsize)
            return
        stored = self._to_memory(self.s.splat(value))
        if stride == 1:
            address = element(self.builder, pointer, self.first(position), dtype)
            if self.mask is None and buffer.number in self.streamed and can_stream(self.width, dtype.itemsize):
                self.has_streamed = True
                store_streamed(self.builder, stored, address, dtype.itemsize)
            elif self.mask is None:
                self.builder.store(stored, address, align=dtype.itemsize)
            else:
                self._store_first(stored, address, dtype)
        else:
            addresses = self._addresses(pointer, position, dtype)
            mask = self.mask or self._all_lanes()
            self._masked("masked.scatter", VOID, [stored, addresses], dtype, mask)

    def _store_first(self, stored: ir.Value, address: ir.Value, dtype: DType) -> None:
        """Store the active lanes, the first ones, in runs of a power of two. A load of what lies behind them would wait
        for a masked store, as the row behind one that is computed in place."""
        start = 0
        while start < self.active:
            run = 1 << ((self.active - start).bit_length() - 1)
            lanes = ir.Constant(ir.VectorType(I32, run), list(range(start, start + run)))
            part = self.builder.shuffle_vector(stored, stored, lanes)
            place = element(self.builder, address, i64(start), dtype)
            self.builder.store(part, place, align=dtype.itemsize)
            start += run

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
        width, scalar = mask.type.count, memory_type(dtype, 1)
        address = f"v{width}p0" if isinstance(subjects[-1].type, ir.VectorType) else "p0"
        full_name = f"{name}.v{width}{scalar.intrinsic_name}.{address}"
        function = intrinsic(self.builder.module, full_name, result, [operand.type for operand in operands])
        return self.builder.call(function, operands)

    def from_memory(self, value: ir.Value, dtype: DType) -> Term:
        return Term(dtype, self.builder.icmp_unsigned("!=", value, _like(value, 0)) if dtype == bool_ else value)

    def _to_memory(self, value: Term) -> ir.Value:
        if value.dtype != bool_:
            return value.value
        vector = is_vector(value)
        return self.builder.zext(value.value, ir.VectorType(I8, self.width) if vector else I8)


def _turns(atom: Quotient | Remainder) -> int:
    """How many divisors must be added to the index of a quotient or remainder to make it not negative."""
    return max(-(atom.index.bounds[0] // atom.divisor), 0)


def _shifted(atom: Quotient | Remainder) -> Index:
    return atom.index + _turns(atom) * atom.divisor


def _like(x: ir.Value, value: int) -> ir.Constant:
    """An integer constant of the type of x."""
    return ir.Constant(x.type, value)
