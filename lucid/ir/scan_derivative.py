"""The derivative of a scan: a scan in the other direction, over what the forward has recorded.

A run of the backward gets the gradients of the carries that the forward's run has left, as carries of its own, and
gives those of the carries that it was given. What it needs of the forward beside the operands comes from further
results: the carries of each run, and what is dear to compute, a product or a sigmoid. Everything else is computed
again, from these.

The gradient of a constant is a sum over all runs. Where a run's share is a matrix product, a sum or a scatter_add, the
runs stack its operands, and one op outside the loop does the work of all: the gradient of a recurrent weight is one
large matrix product. Other shares are added up in a carry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lucid.ir.build import Builder, Expr
from lucid.ir.graph import Graph, Node, Value
from lucid.ir.ops.base import Elementwise
from lucid.ir.ops.contraction import Matmul
from lucid.ir.ops.elementwise import Add, Neg
from lucid.ir.ops.indexing import ScatterAdd
from lucid.ir.ops.loop import Scan
from lucid.ir.ops.movement import Broadcast, Reshape, ScatterSlice, Slice, Transpose
from lucid.ir.ops.random import Random
from lucid.ir.ops.reduction import Sum
from lucid.ir.ops.structure import Const
from lucid.ir.passes.cost import operations
from lucid.ir.passes.cut import WRITE
from lucid.ir.passes.differentiate import recorded, sweep

# Movements of one operand. A sum of moved values is the moved sum.
MOVES = (Reshape, Transpose, Broadcast, Slice, ScatterSlice)


def is_kept(node: Node) -> bool:
    """Whether the results of a node of a body are recorded. Those that are cheap are computed again; words of the
    random stream are not, nor is what takes as long as a store, such as a sigmoid: the backward reads it in place of
    what it is computed from."""
    if isinstance(node.op, Elementwise):
        dtypes = tuple(operand.type.dtype for operand in node.inputs)
        return operations(node.op, dtypes) >= WRITE * node.output.type.dtype.itemsize
    return not node.op.is_cheap or isinstance(node.op, Random)


def recorded_scan(scan: Scan) -> Scan:
    """The scan with the carries of each run, and the results that are kept, among its stacked results."""
    nodes = tuple(map(recorded, scan.body.nodes))
    wanted = [*scan.body.arguments[: scan.carries]]
    wanted += [value for node in nodes if is_kept(node) for value in node.outputs]
    stacked = set(scan.body.outputs[scan.carries :])
    missing = tuple(value for value in dict.fromkeys(wanted) if value not in stacked)
    if not missing and all(x is y for x, y in zip(nodes, scan.body.nodes, strict=True)):
        return scan
    return replace(scan, body=replace(scan.body, nodes=nodes, outputs=(*scan.body.outputs, *missing)))


def pullback(
    scan: Scan, gradients: Sequence[Expr | None], results: Sequence[Expr], operands: Sequence[Expr]
) -> tuple[Expr | None, ...]:
    """The gradients of the operands of a recorded scan: see `Op.pullback`."""
    return _Backward(scan, gradients, results, operands).run()


class _Backward:
    """Builds the body of the backward, with copies of the forward's values in it, then the scan around it."""

    def __init__(
        self, scan: Scan, gradients: Sequence[Expr | None], results: Sequence[Expr], operands: Sequence[Expr]
    ) -> None:
        self.scan = scan
        self.outer = results[0].builder
        self.inside = Builder()
        self.carries: list[tuple[Value, Expr]] = []  # gradients of carries, and what they are before the first run
        self.sequences: dict[Value, Expr] = {}  # elements, and what they are elements of
        self.constants: dict[Value, Expr] = {}
        self.copies: dict[Value, Value] = {}
        self.enter(results, operands)
        self.seeds(gradients)

    def enter(self, results: Sequence[Expr], operands: Sequence[Expr]) -> None:
        """Copy the body of the forward, of which recorded values are known."""
        body, carries = self.scan.body, self.scan.carries
        kept = dict(zip(body.outputs[carries:], results[carries:], strict=True))
        for number, (argument, operand) in enumerate(zip(body.arguments, operands, strict=True)):
            copy = self.copies[argument] = Value(argument.type, argument.name)
            if number < carries:
                self.sequences[copy] = kept[argument]
            elif number < carries + self.scan.sequences:
                self.sequences[copy] = operand
            else:
                self.constants[copy] = operand
        for node in body.nodes:
            outputs = tuple(Value(value.type, value.name) for value in node.outputs)
            self.copies.update(zip(node.outputs, outputs, strict=True))
            inputs = tuple(self.copies[value] for value in node.inputs)
            if outputs:  # a check has passed
                self.inside.nodes.append(replace(node, inputs=inputs, outputs=outputs))
            if is_kept(node):
                stacks = [kept[value] for value in node.outputs]
                self.sequences.update(zip(outputs, stacks, strict=True))

    def seeds(self, gradients: Sequence[Expr | None]) -> None:
        """Enter the gradients of the results: those of a run's new carries and of its elements of the other results."""
        self.reached: dict[Value, Expr] = {}
        carries = self.scan.carries
        for number, (output, g) in enumerate(zip(self.scan.body.outputs, gradients, strict=True)):
            if not output.type.dtype.is_float or (number >= carries and g is None):
                continue
            seed = Value(output.type, f"{output.name}.grad" if output.name else None)
            if number < carries:
                self.carries.append((seed, g if g is not None else self.outer.constant(0, output.type)))
            else:
                assert g is not None
                self.sequences[seed] = g
            copy, e = self.copies[output], self.inside.wrap(seed)
            self.reached[copy] = self.reached[copy] + e if copy in self.reached else e

    def run(self) -> tuple[Expr | None, ...]:
        """The gradients of the operands."""
        scan, inside = self.scan, self.inside
        arguments = [self.copies[argument] for argument in scan.body.arguments]
        found = sweep(inside, dict(self.reached), [x for x in arguments if x.type.dtype.is_float])
        self.known = {*self.sequences, *self.constants, *(seed for seed, _ in self.carries)}
        self.producers = {value: node for node in inside.nodes for value in node.outputs if value not in self.known}
        self.stacked: dict[Value, int] = {}  # what the runs stack, numbered
        self.added: list[Value] = []  # what they add up

        before = [x for x in arguments[: scan.carries] if x.type.dtype.is_float]
        after = [(found[x] if x in found else inside.constant(0, x.type)).value for x in before]
        elements, constants = (
            arguments[scan.carries : scan.carries + scan.sequences],
            arguments[scan.carries + scan.sequences :],
        )
        of_elements = [self.stack(found[x].value) if x in found else None for x in elements]
        of_constants = [self.total(found[x].value) if x in found else None for x in constants]
        sums = [(Value(x.type), inside.wrap(x)) for x in self.added]
        self.carries += [(total, self.outer.constant(0, total.type)) for total, _ in sums]
        after += [(inside.wrap(total) + share).value for total, share in sums]

        self.results = self.scan_backward(after)
        of_carries = iter(self.results[: len(before)])
        return (
            *(next(of_carries) if x.type.dtype.is_float else None for x in arguments[: scan.carries]),
            *(make() if make is not None else None for make in (*of_elements, *of_constants)),
        )

    def scan_backward(self, after: Sequence[Value]) -> list[Expr]:
        """Append the backward, whose runs give the carries `after` and what is stacked: its results."""
        outputs = (*after, *self.stacked)
        if not outputs:  # the gradients are those of the results
            return []
        nodes = self.needed(outputs)
        read = {value for node in nodes for value in node.inputs} | set(outputs)
        sequences = {value: stack for value, stack in self.sequences.items() if value in read}
        constants = {value: operand for value, operand in self.constants.items() if value in read}
        seeds = [seed for seed, _ in self.carries]
        body = Graph(
            f"{self.scan.body.name}.backward" if self.scan.body.name else "",
            (*seeds, *sequences, *constants),
            (),
            tuple(replace(node, backward=0) for node in nodes),
            outputs,
        )
        op = Scan(body, self.scan.length, len(seeds), len(sequences), not self.scan.reverse)
        operands = (*(start for _, start in self.carries), *sequences.values(), *constants.values())
        return [self.outer.wrap(x) for x in self.outer.add(op, *(operand.value for operand in operands))]

    def needed(self, outputs: Sequence[Value]) -> list[Node]:
        """The nodes that compute values from what is known."""
        wanted, kept = set(outputs), list[Node]()
        for node in reversed(self.inside.nodes):
            if any(value in wanted and value not in self.known for value in node.outputs):
                wanted.update(node.inputs)
                kept.append(node)
        return kept[::-1]

    # Sums over all runs. Each method says what the runs have to stack, and gives what computes the sum from that.

    def stack(self, value: Value) -> Callable[[], Expr]:
        """The values of all runs, stacked."""
        node = self.producers.get(value)
        if node is not None and isinstance(node.op, Const):
            constant, type = node.op, value.type.with_shape((self.scan.length, *value.type.shape))
            return lambda: self.outer.constant(constant.value, type)
        if value in self.sequences:
            return lambda: self.sequences[value]
        number = self.stacked.setdefault(value, len(self.stacked))
        return lambda: self.results[len(self.carries) + number]

    def total(self, value: Value) -> Callable[[], Expr]:
        """The sum of the values of all runs."""
        node = self.producers.get(value)
        if node is None or not self.splits(value):
            if node is not None:
                return self.add_up(value)
            stack = self.stack(value)
            return lambda: stack().sum((0,))
        if isinstance(node.op, Add):
            x, y = (self.total(operand) for operand in node.inputs)
            return lambda: x() + y()
        if isinstance(node.op, Sum):
            stack, axes = self.stack(node.inputs[0]), (0, *(axis + 1 for axis in node.op.axes))
            return lambda: stack().sum(axes)
        if isinstance(node.op, Matmul):
            return self.product(node)
        if isinstance(node.op, ScatterAdd):
            return self.scattered(node.op, *node.inputs)
        x, op = self.total(node.inputs[0]), node.op
        return lambda: self.outer.expr(op, x().value)

    def splits(self, value: Value) -> bool:
        """Whether the sum of a value over all runs can be had outside of the loop without stacking the value."""
        node = self.producers.get(value)
        if node is None:
            return value in self.sequences
        if isinstance(node.op, Add):
            return all(map(self.splits, node.inputs))
        if isinstance(node.op, (*MOVES, Neg)):
            return self.splits(node.inputs[0])
        return isinstance(node.op, Sum | Matmul | ScatterAdd)

    def add_up(self, value: Value) -> Callable[[], Expr]:
        number = len(self.carries) + len(self.added)
        self.added.append(value)
        return lambda: self.results[number]

    def product(self, node: Node) -> Callable[[], Expr]:
        """The sum of the products of all runs: one product, whose summed axis has the runs one behind the other."""
        assert isinstance(node.op, Matmul)
        op, rank = node.op, node.output.type.rank
        a, b = (self.stack(operand) for operand in node.inputs)

        def make() -> Expr:
            first = _joined(a(), rank - 2 if op.transpose_a else rank - 1)
            second = _joined(b(), rank - 1 if op.transpose_b else rank - 2)
            return first.matmul(second, op.transpose_a, op.transpose_b)

        return make

    def scattered(self, op: ScatterAdd, updates: Value, indices: Value) -> Callable[[], Expr]:
        """The sum of the updates of all runs: one scatter_add, which adds those of the runs one behind the other."""
        x, places = self.stack(updates), self.stack(indices)
        return lambda: _joined(x(), op.axis).scatter_add(_joined(places(), op.axis), op.axis, op.extent)


def _joined(stack: Expr, axis: int) -> Expr:
    """The values of all runs, one behind the other along an axis: [runs, ..., n, ...] -> [..., runs * n, ...]."""
    axes = [*range(1, len(stack.shape))]
    axes.insert(axis, 0)
    shape = list(stack.shape[1:])
    shape[axis] *= stack.shape[0]
    return stack.transpose(tuple(axes)).reshape(tuple(shape))
