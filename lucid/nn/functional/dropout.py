"""Dropout and its relatives. Each call in training takes one draw of the random stream; in evaluation x passes.

All raise ArgumentError where the probability is not a number from 0 to 1, and DTypeError for inputs that are not
floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import lucid.operations as ops
import lucid.random
from lucid.errors import DTypeError, ShapeError, argument_error
from lucid.nn.functional.activation import SELU_ALPHA, SELU_SCALE, in_place
from lucid.operations.arguments import as_flag
from lucid.random import DrawSource
from lucid.savepoints import all_or_nothing
from lucid.scalars import Scalar
from lucid.tensor import Array, Tensor

Input = Tensor | Array


def check_probability(p: object) -> float | Scalar:
    """p as it is used, if it is a number from 0 to 1; else ArgumentError."""
    if isinstance(p, Scalar) and 0.0 <= p <= 1.0:
        return p
    if isinstance(p, Real) and not isinstance(p, bool) and 0.0 <= (number := float(p)) <= 1.0:
        return number
    percents = isinstance(p, int | float) and not isinstance(p, bool) and 1 < p <= 100
    raise argument_error(
        p,
        Real,
        f"dropout takes a probability p from 0 to 1, got p={p!r}.",
        hint=f"p={p / 100:g} drops {p:g} in a hundred." if percents else None,  # type: ignore[operator]
    )


def drop(
    x: Tensor, p: float | Scalar, shape: Sequence[int] | None = None, rescale: bool = True
) -> tuple[Tensor, DrawSource]:
    """(x * mask) * scale with a new mask, and where to look the draw of the mask up.

    The mask is 0 with probability p, else 1; the scale 1 / (1 - p), rounded to the dtype of x, or 0 where p is 1, and
    left out unless `rescale`. The mask has the shape of x, or one given that broadcasts to it.
    """
    keep, source = _draw(x, p, shape)
    kept = x * keep.astype(x.dtype)
    return kept * (0.0 if p == 1.0 else 1.0 / (1.0 - p)) if rescale else kept, source


def drop_to_alpha(x: Tensor, p: float | Scalar, shape: Sequence[int] | None = None) -> tuple[Tensor, DrawSource]:
    """`drop` for inputs of mean 0 and variance 1 behind a SELU, which keeps both.

    What is dropped becomes alpha' = -scale * alpha of the SELU, and the result is a * that + b, with
    a = ((1 - p) * (1 + p * alpha'^2))^(-1/2) and b = -a * p * alpha'. Where p is 1, it is 0.
    Klambauer et al., "Self-normalizing neural networks", arXiv:1706.02515, section "New dropout technique".
    """
    keep, source = _draw(x, p, shape)
    if p == 1.0:
        return x * 0.0, source
    lowest = -SELU_SCALE * SELU_ALPHA
    a = ((1.0 - p) * (1.0 + p * lowest**2)) ** -0.5
    return ops.where(keep, x, lowest) * a - a * p * lowest, source


def _draw(x: Tensor, p: float | Scalar, shape: Sequence[int] | None) -> tuple[Tensor, DrawSource]:
    if not x.dtype.is_float:
        raise DTypeError(f"dropout takes floats, got {x.dtype}.", hint='cast the input: x.astype("float32")')
    return lucid.random.keep(p, x.shape if shape is None else shape)


def channel_mask_shape(x: Tensor, name: str, axes: int) -> tuple[int, ...]:
    """The shape of one mask element for each channel of x: (N, C, ...) or (C, ...), with `axes` axes behind C."""
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"{name} takes inputs of {axes + 2} axes, (N, C, ...), or of {axes + 1}, (C, ...), got shape {x.shape}."
        )
    return x.shape[: x.ndim - axes] + (1,) * axes


def feature_mask_shape(x: Tensor) -> tuple[int, ...]:
    """The shape of one mask element for each channel of x (N, C, ...)."""
    if x.ndim < 2:
        raise ShapeError(f"feature_alpha_dropout takes inputs of shape (N, C, ...), got shape {x.shape}.")
    return x.shape[:2] + (1,) * (x.ndim - 2)


def sample_mask_shape(x: Tensor) -> tuple[int, ...]:
    """The shape of one mask element for each element of the first axis of x."""
    if not x.ndim:
        raise ShapeError("drop_path takes inputs of shape (N, ...), got shape ().")
    return x.shape[:1] + (1,) * (x.ndim - 1)


@all_or_nothing
def dropout(input: Input, p: float | Scalar = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """In training, elements of x set to 0 with probability p and the others scaled by 1 / (1 - p); else x itself.

    Srivastava et al., "Dropout", JMLR 15 (2014), in its inverted form.
    """
    p = check_probability(p)
    tensor = ops.as_tensor(input)
    return in_place(tensor, drop(tensor, p)[0] if as_flag("training", training) else tensor, inplace)


def dropout1d(input: Input, p: float | Scalar = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input: (N, C, L) or (C, L)."""
    return _drop_channels(input, p, training, inplace, "dropout1d", 1)


def dropout2d(input: Input, p: float | Scalar = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input: (N, C, H, W) or (C, H, W).

    Tompson et al., "Efficient object localization using convolutional networks", arXiv:1411.4280, section 3.2.
    """
    return _drop_channels(input, p, training, inplace, "dropout2d", 2)


def dropout3d(input: Input, p: float | Scalar = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input: (N, C, D, H, W) or (C, D, H, W)."""
    return _drop_channels(input, p, training, inplace, "dropout3d", 3)


@all_or_nothing
def _drop_channels(x: Input, p: float | Scalar, training: bool, inplace: bool, name: str, axes: int) -> Tensor:
    p = check_probability(p)
    tensor = ops.as_tensor(x)
    shape = channel_mask_shape(tensor, name, axes)
    return in_place(tensor, drop(tensor, p, shape)[0] if as_flag("training", training) else tensor, inplace)


@all_or_nothing
def alpha_dropout(input: Input, p: float | Scalar = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout behind a SELU: mean 0 and variance 1 stay; see `drop_to_alpha`."""
    p = check_probability(p)
    tensor = ops.as_tensor(input)
    return in_place(tensor, drop_to_alpha(tensor, p)[0] if as_flag("training", training) else tensor, inplace)


@all_or_nothing
def feature_alpha_dropout(
    input: Input, p: float | Scalar = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels. input: (N, C, ...)."""
    p = check_probability(p)
    tensor = ops.as_tensor(input)
    shape = feature_mask_shape(tensor)
    return in_place(tensor, drop_to_alpha(tensor, p, shape)[0] if as_flag("training", training) else tensor, inplace)


def drop_path(input: Input, p: float | Scalar = 0.0, training: bool = False, scale_by_keep: bool = True) -> Tensor:
    """`dropout` of whole elements of the first axis: of the branch of a residual block, for some samples.

    The others are scaled by 1 / (1 - p) if `scale_by_keep`. Huang et al., "Deep networks with stochastic depth",
    arXiv:1603.09382, equation 2.
    """
    p = check_probability(p)
    tensor = ops.as_tensor(input)
    return (
        drop(tensor, p, sample_mask_shape(tensor), as_flag("scale_by_keep", scale_by_keep))[0]
        if as_flag("training", training)
        else tensor
    )
