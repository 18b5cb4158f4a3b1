"""Names that Lucid does not have: what to write for PyTorch's, and which name a typo is near. And functions of PyTorch
that are called on tensors of Lucid.

As a rule a thing has one name in Lucid, so PyTorch's other names are not aliases; whoever asks for one is told what to
write. None of this runs but for a name that was not found.
"""

from __future__ import annotations

import dis
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from difflib import get_close_matches
from types import CodeType, FrameType
from typing import Any, NoReturn

from lucid.context import user_frame
from lucid.errors import ArgumentTypeError, MissingImportError, MissingNameError

# What to write, by the owner of the name in Lucid and the name in PyTorch: `t` is the tensor, F is lucid.nn.functional.
WRITE_INSTEAD: dict[str, dict[str, str]] = {
    "Tensor": {
        "byte": 't.astype("uint8")',
        "contiguous": "t",
        "ravel": "t.reshape(-1)",
        "t": "t.T",
        "swapaxes": "t.transpose(0, 1)",
        "swapdims": "t.transpose(0, 1)",
        "movedim": "lucid.moveaxis(t, 0, 1)",
        "masked_fill_": "t.copy_(lucid.where(mask, value, t))",
        "where": "lucid.where(mask, t, x)",
        "sub": "t - x",
        "mul": "t * x",
        "div": "t / x",
        "neg": "-t",
        "mm": "t @ x.T",
        "eq": "t == x",
        "ne": "t != x",
        "lt": "t < x",
        "le": "t <= x",
        "gt": "t > x",
        "ge": "t >= x",
        "absolute": "t.abs()",
        "amax": "t.max(axis)",
        "amin": "t.min(axis)",
        "clamp_min": "t.clip(min=0.0)",
        "clamp_max": "t.clip(max=1.0)",
        "softmax": "F.softmax(t, axis)",
        "log_softmax": "F.log_softmax(t, axis)",
        "add_": "t += x",
        "sub_": "t -= x",
        "mul_": "t *= x",
        "div_": "t /= x",
        "normal_": "lucid.nn.init.normal_(t)",
        "uniform_": "lucid.nn.init.uniform_(t)",
        "is_floating_point": "t.dtype.is_float",
        "half": 't.astype("float32")',
        "masked_select": "lucid.where(mask, t, 0.0)",
        "nonzero": "t.numpy().nonzero()",
        "data_ptr": "t.numpy().ctypes.data",
        "is_cuda": 't.device == "cuda"',
        "nelement": "t.numel()",
        "copy": "t.clone()",
    },
    "lucid": {
        "cat": "lucid.concatenate((t, x))",
        "concat": "lucid.concatenate((t, x))",
        "manual_seed": "lucid.seed(0)",
        "from_numpy": "lucid.as_tensor(array)",
        "allclose": "numpy.allclose(t, x)",
        "abs": "lucid.absolute(t)",
        "neg": "-t",
        "sub": "t - x",
        "mul": "t * x",
        "div": "t / x",
        "pow": "t ** 2.0",
        "mm": "t @ x.T",
        "eq": "t == x",
        "ne": "t != x",
        "lt": "t < x",
        "le": "t <= x",
        "gt": "t > x",
        "ge": "t >= x",
        "clamp": "lucid.clip(t, 0.0, 1.0)",
        "swapaxes": "lucid.transpose(t, 0, 1)",
        "swapdims": "lucid.transpose(t, 0, 1)",
        "movedim": "lucid.moveaxis(t, 0, 1)",
        "empty": "lucid.zeros(shape)",
        "empty_like": "lucid.zeros_like(t)",
        "amax": "lucid.max(t, axis)",
        "amin": "lucid.min(t, axis)",
        "numel": "t.numel()",
        "softmax": "lucid.nn.functional.softmax(t, axis)",
        "log_softmax": "lucid.nn.functional.log_softmax(t, axis)",
        "detach": "t.detach()",
        "clone": "t.clone()",
        "inference_mode": "lucid.no_grad()",
        "float": "lucid.float32",
        "double": "lucid.float64",
        "int": "lucid.int32",
        "long": "lucid.int64",
        "bool": "lucid.bool_",
        "utils": "lucid.data",
        "set_grad_enabled": "lucid.enable_grad() if value else lucid.no_grad()",
        "is_tensor": "isinstance(t, lucid.Tensor)",
        "masked_select": "lucid.where(mask, t, 0.0)",
        "nonzero": "t.numpy().nonzero()",
        "argwhere": "numpy.argwhere(t.numpy())",
        "unique": "numpy.unique(t.numpy())",
        "finfo": "numpy.finfo(t.dtype.numpy)",
        "gcd": "numpy.gcd(counts.numpy(), 6)",
        "lcm": "numpy.lcm(counts.numpy(), 6)",
        "histogram": "numpy.histogram(t.numpy(), 4)",
        "Generator": "lucid.seed(0)",
        "FloatTensor": "lucid.Tensor([1.0, 2.0])",
        "DoubleTensor": 'lucid.Tensor([1.0, 2.0], dtype="float64")',
        "LongTensor": "lucid.Tensor([1, 2])",
        "IntTensor": 'lucid.Tensor([1, 2], dtype="int32")',
        "ByteTensor": 'lucid.Tensor([1, 2], dtype="uint8")',
        "BoolTensor": "lucid.Tensor([True, False])",
        "device": 't.to("cpu")',
        "jit": "lucid.compile(model)",
        "initial_seed": "lucid.get_state()[0]",
        "get_rng_state": "lucid.get_state()",
        "set_rng_state": "lucid.set_state(state)",
    },
    "lucid.autograd": {
        "detect_anomaly": "lucid.debug.trap_nan()",
        "set_detect_anomaly": "lucid.debug.trap_nan()",
        "set_grad_enabled": "lucid.enable_grad() if value else lucid.no_grad()",
        "inference_mode": "lucid.no_grad()",
    },
    "lucid.random": {
        "manual_seed": "lucid.seed(0)",
        "initial_seed": "lucid.get_state()[0]",
        "get_rng_state": "lucid.get_state()",
        "set_rng_state": "lucid.set_state(state)",
    },
    "Scheduler": {
        "get_lr": "scheduler.get_last_lr()",
        "lr": "scheduler.get_last_lr()",
    },
    "Module": {
        "register_module": 'model.add_module("name", layer)',
        "type": 'model.astype("float32")',
        "half": 'model.astype("float32")',
        "compile": "lucid.compile(model)",
    },
    "lucid.nn": {
        "LazyLinear": "nn.Linear(3, 4)",
        "LazyConv2d": "nn.Conv2d(3, 4, 3)",
        "SyncBatchNorm": "nn.BatchNorm2d(3)",
        "NLLLoss2d": "nn.NLLLoss()",
    },
    "lucid.nn.functional": {
        "upsample": "F.interpolate(image, scale_factor=2)",
    },
    "lucid.optim": {
        "SparseAdam": "optim.Adam(parameters, lr=0.001)",
    },
}

# What to know of other names, of PyTorch and JAX, for which there is nothing to write, by the same owners.
_BY_VALUE = "leave it out: what is neither an array nor a float is compared by value already."
_GRADIENTS = "lucid.grad(y, x, create_graph=True) gives gradients of any order."
_ONE_STREAM = "leave it out: there is one stream of random numbers, which lucid.seed(0) starts."
_NO_SCALE = "leave it out: what is computed has the dtype of the tensors, so that no gradient needs a scale."
_NO_HALF = "leave it out: floats have 32 or 64 bits."
_NO_QUANTIZATION = "leave it out: layers compute with floats of 32 or 64 bits; there is no quantization to integers."
_ONE_MACHINE = "leave it out: a compiled function uses all cores of a machine; nothing is for several."
_IN_FORWARD = "compute the weight in forward, where the compiler sees it: F.linear(x, weight / weight.norm(), bias)."
EXPLAINED: dict[str, dict[str, str]] = {
    "Tensor": {
        "indices": "x.max(1) gives the values alone, and x.argmax(1) where they are; sort and topk give both.",
        "values": "x.max(1) gives the values alone: leave `.values` out.",
        "register_hook": "lucid.grad(y, t) gives the gradient of any tensor, and a @lucid.custom_vjp changes one.",
        "retain_grad": "lucid.grad(y, t) gives the gradient of any tensor.",
        "at": "t[i] = v writes into t; t = lucid.index_put(t, (i,), v) makes a new tensor, with gradients.",
    },
    "lucid": {
        "float16": _NO_HALF,
        "half": _NO_HALF,
        "bfloat16": _NO_HALF,
        "HalfTensor": _NO_HALF,
        "set_default_dtype": 'give tensors a dtype, and convert a model with model.astype("float64").',
        "distributions": "lucid draws with rand, randn, bernoulli and multinomial; write log_prob as its formula.",
        "amp": _NO_SCALE,
        "autocast": _NO_SCALE,
        "GradScaler": _NO_SCALE,
        "backends": "leave it out: there is nothing to choose, results are the same bits on every run.",
        "linalg": "lucid has norm, matrix_power, trace and products; for the rest numpy.linalg takes t.numpy().",
        "fft": "numpy.fft takes t.numpy(), and gives no gradient.",
        "func": f"there is no vmap, since functions take any leading axes; {_GRADIENTS}",
        "vmap": "leave it out: functions take any leading axes, and lucid.scan calls one for each element of an axis.",
        "vjp": "lucid.grad(y, x, g) gives the gradient of (y * g).sum().",
        "jvp": f"there are no derivatives in forward mode; {_GRADIENTS}",
        "jacfwd": f"there are no derivatives in forward mode; {_GRADIENTS}",
        "jacrev": f"ask for a row at a time; {_GRADIENTS}",
        "hessian": f"ask for a row at a time; {_GRADIENTS}",
        "value_and_grad": f"call the function, and keep what it gives; {_GRADIENTS}",
        "distributed": _ONE_MACHINE,
        "pmap": _ONE_MACHINE,
        "cuda": 't.to("cuda") and compile(f, target="cuda") use a GPU, and raise a LucidError where there is none.',
        "lax": "lucid.scan is the loop, and lucid.where chooses; other functions are in lucid itself.",
        "numpy": "its functions are in lucid itself, such as lucid.sum(x).",
    },
    "lucid.random": {
        "fork_rng": "state = lucid.get_state() before and lucid.set_state(state) after do the same.",
        "PRNGKey": _ONE_STREAM,
        "key": _ONE_STREAM,
        "split": _ONE_STREAM,
    },
    "lucid.autograd": {
        "Function": "decorate a function with @lucid.custom_vjp(backward); backward(g, y, *x) gives gradients.",
        "functional": f"ask for a row of a Jacobian at a time; {_GRADIENTS}",
        "Variable": "leave it out: a tensor made with requires_grad=True is one.",
    },
    "lucid.nn": {
        "parallel": _ONE_MACHINE,
        **dict.fromkeys(("quantized", "quantizable", "qat", "intrinsic"), _NO_QUANTIZATION),
    },
    "lucid.nn.utils": {
        "rnn": "layers take no packed sequences: lucid.stack([F.pad(x, (0, 0, 0, n - len(x))) for x in xs]), and mask.",
        "prune": "multiply the weight by a mask in forward, which is a buffer: F.linear(x, weight * mask, bias).",
        "parametrize": _IN_FORWARD,
        "parametrizations": _IN_FORWARD,
        "stateless": "write what the module computes as a function of the parameters, with lucid.nn.functional.",
    },
    "lucid.optim": {
        "LBFGS": "there is no optimizer of second order; optim.Adam(parameters) is one of first order.",
    },
    "compile": {
        "mode": "leave it out: there is one mode, and kernel_rules change how single kernels run.",
        "options": "leave it out: passes and kernel_rules change what is done, see docs/extend.md.",
        "fullgraph": "leave it out: a function is always one graph, or an error says why it can't be.",
        "dynamic": "leave it out: each shape has a program of its own; pad to few shapes to compile less often.",
        "backend": 'write target="cpu" or target="cuda".',
        "disable": "call the function itself, which runs eagerly.",
        "static_argnums": _BY_VALUE,
        "static_argnames": _BY_VALUE,
        "donate_argnums": "leave it out: parameters and the state of optimizers are updated in place already.",
    },
}

# What a function of NumPy is called in Lucid, where the name that is nearest would be another thing.
NUMPYS = {
    **{f"arc{name}": f"a{name}" for name in ("cos", "cosh", "sin", "sinh", "tan", "tan2", "tanh")},
    "append": "concatenate",
    "array": "tensor",
    "asarray": "as_tensor",
    "choice": "multinomial",
    "fabs": "absolute",
    "fix": "trunc",
    "integers": "randint",
    "invert": "bitwise_not",
    "mod": "remainder",
    "permutation": "randperm",
    "repeat": "repeat_interleave",
    "rint": "round",
    "rollaxis": "moveaxis",
    "shuffle": "randperm",
    "standard_normal": "randn",
    "true_divide": "divide",
}

# And one of safetensors.
SAFETENSORS = {f"{name}_{what}": name for name in ("save", "load") for what in ("model", "file")}


# Where a name may be that a module does not have: the first one that has it is told.
PUBLIC = ("lucid", "lucid.nn.functional", "lucid.nn", "lucid.optim", "lucid.data", "lucid.debug", "lucid.extend")


class _Latest(threading.local):
    """The name that was refused last in a thread: why, the hint, at which line, and the code that was running."""

    why = ""
    hint: str | None = None
    where: tuple[str, int] | None = None
    running: frozenset[CodeType] = frozenset()


_latest = _Latest()


def refuse(owner: str, name: str, known: Collection[str], kinds: Collection[str] | None = None) -> NoReturn:
    """Raise the AttributeError of a name that an owner, a class or a module of Python, does not have. The hint is that
    of one of its `kinds`, itself unless given, or one of the names that are `known`."""
    if name.startswith("__"):  # what protocols ask for again and again: nobody reads the answer
        raise AttributeError(f"{owner} has no attribute {name!r}")
    is_public = name[0] != "_"
    hint = hint_for(name, known, (owner,) if kinds is None else kinds) if is_public else None
    where, running = user_frame(), frozenset(_running())
    _latest.why, _latest.hint, _latest.where, _latest.running = f"{owner} has no {name!r}", hint, where, running
    if is_public:
        raise MissingNameError(f"{owner} has no {name!r}.", hint=hint, where=where)
    raise AttributeError(f"{owner} has no attribute {name!r}")


def _running() -> Iterator[CodeType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def hint_for(name: str, known: Collection[str], kinds: Collection[str]) -> str | None:
    """What to write instead of a name that one of some kinds of owners might have, or which of those known is near."""
    for kind in kinds:
        if name in WRITE_INSTEAD.get(kind, {}):
            return f"write `{WRITE_INSTEAD[kind][name]}`."
        if name in EXPLAINED.get(kind, {}):
            return EXPLAINED[kind][name]
    if "Tensor" in kinds and name.endswith("_") and name[:-1] in known:
        return f"write `t = t.{name[:-1]}(...)`, or `t.copy_(t.{name[:-1]}(...))` to update a leaf in place."
    for names in (NUMPYS, SAFETENSORS):
        if names.get(name) in known:
            return f"did you mean `{names[name]}`?"
    if any(kind.startswith("lucid") for kind in kinds):
        elsewhere = next((owner for owner in PUBLIC if name in _public(owner)), None)
        if elsewhere is not None:
            return f"write `{elsewhere}.{name}`."
    return near_name(name, known)


def _public(module: str) -> Collection[str]:
    """The names that a module has for users."""
    names = vars(sys.modules[module])
    listed: Collection[str] = names.get("__all__", names)
    return listed


def near_name(name: str, known: Collection[str]) -> str | None:
    """The hint that names the one of some names that is near to another one, if one is, in capitals or not; or those
    that are it for 1, 2 and 3 axes."""
    public = sorted(each for each in known if not each.startswith("_"))
    by_axes = [f"`{each}`" for each in public if re.fullmatch(rf"{re.escape(name)}[123]d", each, re.IGNORECASE)]
    if len(by_axes) > 1:
        return f"did you mean {', '.join(by_axes[:-1])} or {by_axes[-1]}?"
    near = get_close_matches(name.lower(), [each.lower() for each in public], n=1)
    alike = [each for each in public if each.lower() in near]
    return f"did you mean `{get_close_matches(name, alike, n=1, cutoff=0.0)[0]}`?" if alike else None


def refuse_attribute(thing: object, name: str) -> NoReturn:
    """The `__getattr__` of a class. It is called, too, where a property has raised an AttributeError, which is gone by
    then. The property is not asked again, as it may do something; but it is known whether it was refused a name."""
    owner = type(thing)
    if name.startswith("__"):  # dir, which follows, asks for some of them itself
        raise AttributeError(f"{owner.__name__} has no attribute {name!r}")
    found = next((vars(kind)[name] for kind in owner.__mro__ if name in vars(kind)), None)
    if found is None:
        refuse(owner.__name__, name, dir(thing), [kind.__name__ for kind in owner.__mro__])
    way = next((way for way in ("fget", "func") if hasattr(found, way)), None)  # of a property, and of a cached one
    code = getattr(getattr(found, way, None), "__code__", None) if way else None
    sentence = f"{owner.__name__}.{name} raised an AttributeError"
    if code in _latest.running:
        raise MissingNameError(f"{sentence}: {_latest.why}.", hint=_latest.hint, where=_latest.where)
    hint = f"`type(x).{name}.{way}(x)` raises it with its traceback." if way else None
    raise MissingNameError(f"{sentence}.", hint=hint)


def refuse_names_of(module: str) -> Callable[[str], NoReturn]:
    """The `__getattr__` of a module."""

    def missing(name: str) -> NoReturn:
        frame = sys._getframe(1)
        try:
            refuse(module, name, _public(module))
        except MissingNameError as error:
            # Of an AttributeError, `from lucid import name` would say no more than that the name can't be imported.
            if frame.f_code.co_code[frame.f_lasti] != dis.opmap["IMPORT_FROM"]:
                raise
            raise MissingImportError(error.sentence, hint=error.hint) from None

    return missing


def refuse_function_of_pytorch(
    kind: type, function: Callable[..., Any], types: object, arguments: object = (), options: object = None
) -> NoReturn:
    """What PyTorch calls for a function of its own that is given a Tensor: the `__torch_function__` of the class. It
    takes a TypeError, of an operator, as an answer that has Python ask the other operand."""
    name, owners = function.__name__, ["lucid", "lucid.nn.functional"]
    if "nn" in (getattr(function, "__module__", None) or ""):
        owners.reverse()
    owner = next((owner for owner in owners if name in dir(sys.modules[owner])), None)
    known = f"write `{owner}.{name}`." if owner else hint_for(name, (), owners)
    raise ArgumentTypeError(
        f"PyTorch's {name} takes tensors of PyTorch, got one of Lucid.",
        hint=known or "torch.from_numpy(t.numpy()) is one with its elements, without a gradient.",
        where=user_frame(sys.modules["torch"].__path__[0]),
    )
