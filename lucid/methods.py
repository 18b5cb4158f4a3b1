"""The operations that are methods of tensors."""

from __future__ import annotations

import lucid.operations as ops
from lucid.forms import TensorForms


class TensorMethods(TensorForms):
    """The methods of a Tensor that are operations. Each is a function of `lucid.operations` whose first operand is the
    tensor, with its signature and its docstring; what takes `f(2, 3)` as well as `f((2, 3))` is in `lucid.forms`."""

    __slots__ = ()

    exp = ops.exp
    exp2 = ops.exp2
    expm1 = ops.expm1
    log = ops.log
    log1p = ops.log1p
    log2 = ops.log2
    log10 = ops.log10
    sqrt = ops.sqrt
    rsqrt = ops.rsqrt
    pow = ops.power

    sin = ops.sin
    cos = ops.cos
    tan = ops.tan
    asin = ops.asin
    acos = ops.acos
    atan = ops.atan
    atan2 = ops.atan2
    asinh = ops.asinh
    acosh = ops.acosh
    atanh = ops.atanh
    sinh = ops.sinh
    cosh = ops.cosh
    tanh = ops.tanh
    sigmoid = ops.sigmoid
    logit = ops.logit
    erf = ops.erf
    erfc = ops.erfc
    erfinv = ops.erfinv
    lgamma = ops.lgamma
    digamma = ops.digamma
    sinc = ops.sinc
    relu = ops.relu

    abs = ops.absolute
    sign = ops.sign
    floor = ops.floor
    ceil = ops.ceil
    round = ops.round
    trunc = ops.trunc
    floor_divide = ops.floor_divide
    remainder = ops.remainder
    maximum = ops.maximum
    minimum = ops.minimum
    clip = ops.clip
    clamp = ops.clip
    square = ops.square
    reciprocal = ops.reciprocal
    lerp = ops.lerp
    addcmul = ops.addcmul
    addcdiv = ops.addcdiv
    nan_to_num = ops.nan_to_num
    isnan = ops.isnan
    isinf = ops.isinf
    isfinite = ops.isfinite
    clone = ops.clone
    detach = ops.detach

    sum = ops.sum
    mean = ops.mean
    var = ops.var
    std = ops.std
    prod = ops.prod
    norm = ops.norm
    logsumexp = ops.logsumexp
    quantile = ops.quantile
    median = ops.median
    nanquantile = ops.nanquantile
    nanmedian = ops.nanmedian
    cumsum = ops.cumsum
    cumprod = ops.cumprod
    diff = ops.diff
    max = ops.max
    min = ops.min
    argmax = ops.argmax
    argmin = ops.argmin
    any = ops.any
    all = ops.all

    take = ops.take
    take_along_axis = ops.take_along_axis
    gather = ops.gather
    index_select = ops.index_select
    scatter = ops.scatter
    scatter_add = ops.scatter_add
    index_add = ops.index_add
    index_copy = ops.index_copy
    index_fill = ops.index_fill
    index_put = ops.index_put
    argsort = ops.argsort
    sort = ops.sort
    topk = ops.topk

    flatten = ops.flatten
    transpose = ops.transpose
    squeeze = ops.squeeze
    unsqueeze = ops.unsqueeze
    flip = ops.flip
    roll = ops.roll
    split = ops.split
    chunk = ops.chunk
    tril = ops.tril
    triu = ops.triu
    diagonal = ops.diagonal
    dot = ops.dot
    outer = ops.outer

    unbind = ops.unbind
    narrow = ops.narrow
    unflatten = ops.unflatten
    repeat_interleave = ops.repeat_interleave
    bincount = ops.bincount
    histc = ops.histc
    scatter_reduce = ops.scatter_reduce
    diag = ops.diag
    diag_embed = ops.diag_embed
    trace = ops.trace
    rot90 = ops.rot90
    logaddexp = ops.logaddexp
    xlogy = ops.xlogy
    hypot = ops.hypot
    fmod = ops.fmod
    frac = ops.frac
    masked_fill = ops.masked_fill
    isclose = ops.isclose
    count_nonzero = ops.count_nonzero
    nansum = ops.nansum
    nanmean = ops.nanmean
    mv = ops.mv
    inner = ops.inner
    addmm = ops.addmm
    addmv = ops.addmv
    baddbmm = ops.baddbmm
    kron = ops.kron
    cross = ops.cross

    add = ops.add
    subtract = ops.subtract
    multiply = ops.multiply
    divide = ops.divide
    negative = ops.negative
    matmul = ops.matmul
    bmm = ops.bmm
    bitwise_and = ops.bitwise_and
    bitwise_or = ops.bitwise_or
    bitwise_xor = ops.bitwise_xor
    bitwise_not = ops.bitwise_not
    logical_and = ops.logical_and
    logical_or = ops.logical_or
    logical_xor = ops.logical_xor
    logical_not = ops.logical_not
    less = ops.less
    less_equal = ops.less_equal
    greater = ops.greater
    greater_equal = ops.greater_equal
    not_equal = ops.not_equal
    tile = ops.tile
    moveaxis = ops.moveaxis
    broadcast_to = ops.broadcast_to

    logcumsumexp = ops.logcumsumexp
    cummax = ops.cummax
    cummin = ops.cummin
    copysign = ops.copysign
    signbit = ops.signbit
    heaviside = ops.heaviside
    fmax = ops.fmax
    fmin = ops.fmin
    isposinf = ops.isposinf
    isneginf = ops.isneginf
    logaddexp2 = ops.logaddexp2
    deg2rad = ops.deg2rad
    rad2deg = ops.rad2deg
    ldexp = ops.ldexp
    float_power = ops.float_power
    kthvalue = ops.kthvalue
    aminmax = ops.aminmax
    cov = ops.cov
    corrcoef = ops.corrcoef
    dist = ops.dist
    renorm = ops.renorm
    select = ops.select
    tensor_split = ops.tensor_split
    addbmm = ops.addbmm
    addr = ops.addr
    matrix_power = ops.matrix_power
    unfold = ops.unfold
