"""The random state, and draws from the specified stream of random numbers.

The state is a seed and a draw number, both uint64. Each random operation takes the next draw; element i of draw d is
word i of `lucid.ir.philox.words(seed, d, ...)`. A compiled program reads the state and advances it as eager code does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

import lucid.eager as eager
import lucid.operations as ops
from lucid.errors import ArgumentError, ArgumentTypeError, TraceError
from lucid.ir.ops.random import Random, RandomKeep
from lucid.ir.types import TensorType, float64
from lucid.missing_names import refuse_names_of
from lucid.modes import current_tracer
from lucid.operations.arguments import as_integer
from lucid.savepoints import about_to_write
from lucid.scalars import Scalar
from lucid.tensor import Tensor

draw_serials = itertools.count(1)  # numbers what has drawn, in the order of time


def checked_seed(seed: int) -> int:
    """A seed as an int. Raises ArgumentError for what is not an integer from 0 to 2^64 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ArgumentTypeError(f"seed takes an integer, got {seed!r}.")
    if not 0 <= seed < 2**64:
        raise ArgumentError(
            f"seed takes an integer from 0 to 2**64 - 1, got {seed}.", hint="seed % 2**64 makes one of any integer."
        )
    return int(seed)


class Generator:
    """A stream of random numbers: its seed, and the number of its next draw."""

    def __init__(self, seed: int = 0) -> None:
        self.seed_state = Tensor(np.zeros((), np.uint64))
        self.draw_state = Tensor(np.zeros((), np.uint64))
        self.seed_state.name, self.draw_state.name = "rng.seed", "rng.draw"
        self.words = self.seed_state.numpy(), self.draw_state.numpy()
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start the stream of a seed, an integer from 0 to 2^64 - 1, from its first draw."""
        seed = checked_seed(seed)
        if current_tracer() is not None:
            raise TraceError(
                "the random state can't be seeded while a function is traced; later calls would not seed it.",
                hint="call lucid.seed outside the compiled function.",
            )
        self.seed_state.numpy()[...] = seed
        self.draw_state.numpy()[...] = 0

    def get_state(self) -> tuple[int, int]:
        """The seed and the number of the next draw."""
        return self.words[0].item(), self.words[1].item()

    def set_state(self, state: tuple[int, int]) -> None:
        """Continue from a state that `get_state` returned."""
        if not isinstance(state, Sequence) or len(state) != 2:
            raise ArgumentError(f"a random state is a seed and the number of a draw, got {state!r}.")
        draw = as_integer("the number of a draw is an integer", state[1]) % 2**64
        self.seed(state[0])
        self.draw_state.numpy()[...] = draw

    def advance(self) -> tuple[int, int]:
        """Take the next draw: the seed and the draw's number."""
        seed, draw = self.get_state()
        about_to_write(self, lambda: lambda: self.set_state((seed, draw)))
        self.draw_state.numpy()[...] = (draw + 1) % 2**64
        return seed, draw


default_generator = Generator()


def seed(seed: int) -> None:
    """Start the default random stream of a seed: the same seed gives the same weights and masks, eager or compiled.

    Raises ArgumentError for a seed that is not an integer from 0 to 2^64 - 1.
    """
    default_generator.seed(seed)


def get_state() -> tuple[int, int]:
    """The seed and the number of the next draw of the default stream."""
    return default_generator.get_state()


def set_state(state: tuple[int, int]) -> None:
    """Continue the default stream from a state that `get_state` returned."""
    default_generator.set_state(state)


def draw(make: Callable[[int], Random], *parameters: Tensor) -> Tensor:
    """What a random op gives for the next draw of the stream. `make` takes the number of the draw in a trace."""
    tracer = current_tracer()
    if tracer is not None:
        return tracer.random(make, default_generator, *parameters)[0]
    return _at(default_generator.advance(), make(0), *parameters)


def _at(base: tuple[int, int], op: Random, *parameters: Tensor) -> Tensor:
    """What a random op gives at a random state."""
    seed, draw = base
    return eager.apply(op, [Tensor(np.uint64(seed)), Tensor(np.uint64(draw)), *parameters])[0]


class LatestDraw:
    """The first draw of the latest call of something random: an eager operation, or a compiled program."""

    __slots__ = ("__weakref__", "base", "serial")

    def __init__(self) -> None:
        self.serial = 0  # 0 before the first call; later calls have larger numbers
        self.base = (0, 0)

    def set(self, base: tuple[int, int]) -> None:
        """Note a call that found the random state `base`."""
        self.serial, self.base = next(draw_serials), base


@dataclass(eq=False)
class DrawOffset:
    """Which draw of a call: their number before it. In a loop the last run counts, which is known when it is traced."""

    number: int


@dataclass(frozen=True)
class DrawSource:
    """A draw of the latest call of something random."""

    latest: LatestDraw
    offset: DrawOffset


def keep(p: float | Scalar, shape: Sequence[int]) -> tuple[Tensor, DrawSource]:
    """A bool tensor, true with probability 1 - p, and where to look the draw up again.

    Element i is true iff word i of the draw, as an unsigned integer, is at least round(p * 2^32).
    """
    tracer = current_tracer()
    if tracer is not None:
        chance = p.tensor() if isinstance(p, Scalar) else ops.constant(p, TensorType(float64, ()))
        return tracer.random(lambda draw: RandomKeep(draw, tuple(shape)), default_generator, chance)
    base = default_generator.advance()
    latest = LatestDraw()
    latest.set(base)
    return _keep(base, float(p), tuple(shape)), DrawSource(latest, DrawOffset(0))


def _keep(base: tuple[int, int], p: float, shape: tuple[int, ...]) -> Tensor:
    return _at(base, RandomKeep(0, shape), Tensor(np.float64(p)))


class DrawLog:
    """The keep-masks that a module has drawn, by eager calls and by compiled programs; the latest can be redrawn."""

    def __init__(self) -> None:
        self._draws: WeakKeyDictionary[LatestDraw, tuple[DrawOffset, float, tuple[int, ...]]] = WeakKeyDictionary()
        self._eager: LatestDraw | None = None  # a program keeps its own alive

    def note(self, source: DrawSource, p: float, shape: Sequence[int]) -> None:
        """Remember a mask drawn by `keep(p, shape)`."""
        tracer = current_tracer()
        if tracer is None or tracer.runs_now:
            about_to_write(self, self._remember)
            self._eager = source.latest
        self._draws[source.latest] = source.offset, p, tuple(shape)

    def _remember(self) -> Callable[[], None]:
        """What forgets the masks that are drawn from now on."""
        eager, known = self._eager, dict(self._draws)

        def restore() -> None:
            self._eager, self._draws = eager, WeakKeyDictionary(known)

        return restore

    def redraw(self) -> Tensor | None:
        """The latest mask, as bools, or None before the first call."""
        called = [latest for latest in self._draws if latest.serial]
        if not called:
            return None
        latest = max(called, key=lambda latest: latest.serial)
        offset, p, shape = self._draws[latest]
        seed, draw = latest.base
        return _keep((seed, (draw + offset.number) % 2**64), p, shape)

    def __deepcopy__(self, memo: dict[int, object]) -> DrawLog:
        return DrawLog()


if not TYPE_CHECKING:  # type checkers know themselves which names there are
    __getattr__ = refuse_names_of(__name__)
