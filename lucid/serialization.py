"""save and load: modules, optimizers and plain values in safetensors files.

A file holds tensors by name. One that was saved in parts also holds a JSON text, as the entry "lucid" of its metadata:

    {"version": 1, "random_state": [seed, draw], "parts": {name of a part: tree, ...}}

A tree is what the part's `state_dict` returned. Strings, finite numbers, booleans, None and lists stand for themselves;
all else is an object with one entry that says what it is: {"tensor": its name in the file}, {"dict": {...}},
{"numbered": {"0": ...}} for a dict with integers as keys, {"tuple": [...]}, {"float": "inf"}.
"""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeGuard

import numpy as np

from lucid.codegen.threads import PACKAGE_LOCK
from lucid.conversion import to_array
from lucid.errors import (
    ArgumentError,
    ArgumentTypeError,
    InstallationError,
    StateDictError,
    TraceError,
    file_error,
)
from lucid.modes import current_tracer
from lucid.optim import Optimizer
from lucid.random import get_state, set_state
from lucid.tensor import Array, Tensor

VERSION = 1
PathLike = str | os.PathLike[str]

# The element types of the format: as they are stored, and as they are returned. Those that Lucid does not have are
# widened, which keeps every value.
DTYPES = {
    "BOOL": ("bool", "bool"),
    "U8": ("u1", "uint8"),
    "U32": ("<u4", "uint32"),
    "U64": ("<u8", "uint64"),
    "I32": ("<i4", "int32"),
    "I64": ("<i8", "int64"),
    "F32": ("<f4", "float32"),
    "F64": ("<f8", "float64"),
    "I8": ("i1", "int32"),
    "I16": ("<i2", "int32"),
    "U16": ("<u2", "int32"),
    "F16": ("<f2", "float32"),
    "BF16": ("<u2", "float32"),  # the upper halves of float32 numbers
}

SUCH_AS = 'such as "run.safetensors".'
LOOP = "links that lead round in a circle lead to no file: remove one of them."

# How files of torch.save begin, now and before 1.6, there by pickle's protocol.
PICKLES = (b"PK", *(bytes((0x80, protocol)) for protocol in range(2, 6)))


class Stateful(Protocol):
    """What can be a part of a file and be loaded again: modules, optimizers, schedulers, data loaders, and yours."""

    def state_dict(self) -> Any:
        """The state: tensors, numbers, strings and None in dicts with strings or integers as keys, lists and
        tuples."""

    def load_state_dict(self, state_dict: Any, /) -> object:
        """Take over a state that `state_dict` gave."""


def save(path: PathLike, content: object = None, /, **parts: object) -> None:
    """Save a module's weights, or any number of named parts, into a safetensors file.

    `save("weights.safetensors", module)` writes what `module.state_dict()` returns under its own names, as PyTorch's
    users do: such files go from one to the other. It takes a dict of tensors as well.

    `save("run.safetensors", model=model, optimizer=optimizer, step=17)` writes parts: anything with a `state_dict`,
    tensors, numbers, strings, None, and dicts, lists and tuples of those. The random state is saved beside them.

    The file is written under another name and renamed when it is complete: at no time is there half a file.
    Raises ArgumentError for what can't be saved, and FileError, an OSError, where the file can't be written. Nothing is
    pickled.
    """
    _refuse_in_a_trace("save")
    _expect_path("save", path)
    if (content is None) is not bool(parts):
        raise ArgumentError(
            f"save takes either one module or dict of tensors, or parts by name, got {'both' if parts else 'neither'}.",
            hint="lucid.save(path, model), or lucid.save(path, model=model, step=17).",
        )
    tensors: dict[str, Array] = {}
    metadata = None
    if parts:
        trees = {name: _encode(_state(part), name, tensors) for name, part in parts.items()}
        metadata = {"lucid": json.dumps({"version": VERSION, "random_state": get_state(), "parts": trees})}
    else:
        tensors = _named_tensors(_state(content))
    _write(path, _safetensors().numpy.save(tensors, metadata))


def load(path: PathLike, target: Stateful | None = None, /, **parts: Stateful) -> dict[str, Any]:
    """Load a file that `save` wrote, or a safetensors file from elsewhere, and return what was not asked for.

    `load("weights.safetensors", module)` copies tensors into a module by their names. `load("run.safetensors",
    model=model, optimizer=optimizer)` has parts of the file taken over by the `load_state_dict` of the objects, in
    place, and returns the other parts by name. With an optimizer, training goes on where it was: the random state is
    taken over as well. `load(path)` changes nothing and returns everything. Tensors are returned as NumPy arrays;
    float16, bfloat16 and short integers are widened to the next type that Lucid has.

    A failed load changes nothing: where an object refuses its state, those before it get back the state they had.
    Raises StateDictError where the file lacks a part, or where a part does not fit its object, ArgumentError for a
    file that is not one of safetensors, and FileError, an OSError, for one that can't be read: a FileNotFoundError,
    where it does not exist.
    """
    _refuse_in_a_trace("load")
    _expect_path("load", path)
    wanted = {"the target": target} if target is not None else dict(parts)
    for name, part in wanted.items():
        if not _is_stateful(part):
            raise ArgumentTypeError(
                f"load takes objects with a load_state_dict method, got {type(part).__name__} for {name}.",
                hint="what no object takes over is returned: step = lucid.load(path, model=model)['step'].",
            )
    if target is not None and parts:
        raise ArgumentError("load takes either one object, or parts by name, got both.")
    tensors, text = _read(path)
    if text is None:
        if parts:
            raise StateDictError(
                f"{path} holds tensors without parts, such as {', '.join(list(tensors)[:3]) or 'none'}.",
                hint="lucid.load(path, model) loads them into a module.",
            )
        if target is None:
            return dict(tensors)
        _take_over([("its tensors", target, tensors)], path)
        return {}
    states, random_state = _decode_parts(path, text, tensors)
    if target is not None:
        first = next(iter(states))
        raise StateDictError(
            f"{path} holds the parts {', '.join(states)}.",
            hint=f"load them by name: lucid.load(path, {first}={first}).",
        )
    missing = [name for name in parts if name not in states]
    if missing:
        raise StateDictError(f"{path} has no part {', '.join(missing)}; it has {', '.join(states)}.")
    _take_over([(f"the part {name}", part, states[name]) for name, part in parts.items()], path)
    if any(isinstance(part, Optimizer) for part in parts.values()):
        set_state(random_state)
    return {name: state for name, state in states.items() if name not in parts}


def _refuse_in_a_trace(what: str) -> None:
    if current_tracer() is not None:
        raise TraceError(
            f"{what} can't run while a function is traced; it would not run again in later calls.",
            hint=f"call lucid.{what} outside the compiled function.",
        )


def _expect_path(what: str, path: object) -> None:
    if _is_stateful(path) or isinstance(path, Mapping):
        content = "state_dict" if isinstance(path, Mapping) else "model"
        raise ArgumentTypeError(
            f"{what} takes the path first, got {type(path).__name__}.",
            hint=f'write lucid.{what}("weights.safetensors", {content}).',
        )


def _safetensors() -> ModuleType:
    """The package, which is imported when the first file is written or read. A fork waits for that, as its child could
    not import what another thread was importing."""
    try:
        with PACKAGE_LOCK:
            import safetensors.numpy
    except ImportError as error:
        raise InstallationError(
            "lucid.save and lucid.load need the package safetensors, which is not installed.",
            hint="pip install 'lucid-compiler[save]'",
        ) from error
    return safetensors


# Objects and their states.


def _is_stateful(part: object) -> TypeGuard[Stateful]:
    return all(callable(getattr(part, method, None)) for method in ("state_dict", "load_state_dict"))


def _state(part: object) -> object:
    return part.state_dict() if _is_stateful(part) else part


def _take_over(targets: Iterable[tuple[str, Stateful, Any]], path: PathLike) -> None:
    """Load a state into each object, or into none: where one refuses, or Ctrl-C comes, all are as before."""
    before: list[tuple[Stateful, Any]] = []
    try:
        for name, part, state in targets:
            before.append((part, part.state_dict()))
            try:
                part.load_state_dict(state)
            except Exception as error:
                error.add_note(f"while loading {name} of {path}")
                raise
    except BaseException:
        for part, state in reversed(before):
            part.load_state_dict(state)
        raise


# States as trees of JSON and tensors.


def _is_array(value: object) -> bool:
    return isinstance(value, Tensor) or (hasattr(value, "__array__") and not isinstance(value, np.generic))


def _contiguous(value: object) -> Array:
    """The elements as safetensors takes them: in C order and native bytes, of a dtype that Lucid has."""
    array = to_array(value)
    return np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")


def _named_tensors(content: object) -> dict[str, Array]:
    """The tensors of a file without parts."""
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and _is_array(value) for name, value in content.items()
    ):
        raise ArgumentError(
            "a file without parts holds one module, or one dict of tensors by name.",
            hint="save all else under a name: lucid.save(path, optimizer=optimizer, step=17).",
        )
    tensors: dict[str, Array] = {}
    for name, value in content.items():
        _add_tensor(name, value, tensors)
    return tensors


def _add_tensor(name: str, value: object, tensors: dict[str, Array]) -> None:
    if name in tensors or name == "__metadata__":
        raise ArgumentError(f"two tensors can't have the name {name} in one file, and none the name __metadata__.")
    tensors[name] = _contiguous(value)


def _encode(value: object, name: str, tensors: dict[str, Array]) -> Any:
    """The tree of a value; its tensors are added to `tensors` under dotted names that begin with `name`."""
    if _is_array(value):
        _add_tensor(name, value, tensors)
        return {"tensor": name}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encode(item, f"{name}.{key}", tensors) for key, item in value.items()}}
    if isinstance(value, Mapping) and all(type(key) is int for key in value):
        return {"numbered": {str(key): _encode(item, f"{name}.{key}", tensors) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{name}.{number}", tensors) for number, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    raise ArgumentError(
        f"{name} can't be saved: it is of type {type(value).__name__}"
        + (", with keys that are neither strings nor integers." if isinstance(value, Mapping) else "."),
        hint="files hold tensors, numbers, strings, None, dicts with strings or integers as keys, lists and tuples; "
        "modules and optimizers are parts of their own.",
    )


def _decode(tree: Any, tensors: Mapping[str, Array]) -> Any:
    """The value of a tree. Raises KeyError or ValueError for what `_encode` does not write."""
    if isinstance(tree, list):
        return [_decode(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in content.items()}
    if kind == "numbered":
        return {int(key): _decode(item, tensors) for key, item in content.items()}
    if kind == "tuple":
        return tuple(_decode(item, tensors) for item in content)
    if kind == "float":
        return float(content)
    if kind == "tensor":
        return tensors[content]
    raise ValueError(f"a value of the kind {kind}")


def _decode_parts(path: PathLike, text: str, tensors: Mapping[str, Array]) -> tuple[dict[str, Any], tuple[int, int]]:
    """The state of each part, and the random state."""
    try:
        header = json.loads(text)
        version = header["version"]
        if version == VERSION:
            seed, draw = map(int, header["random_state"])
            return {name: _decode(tree, tensors) for name, tree in header["parts"].items()}, (seed, draw)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArgumentError(f"{path} is damaged: its metadata is not what lucid.save writes ({error!r}).") from error
    raise ArgumentError(
        f"{path} has version {version} of the format, and this Lucid reads version {VERSION}.",
        hint="it was written by another release of Lucid.",
    )


# Files.


def _file(what: str, path: PathLike) -> Path:
    """The path of a file; ArgumentTypeError for another kind of thing, ArgumentError for a text that can't be one."""
    try:
        file, is_path = Path(path), bool(os.fspath(path)) and b"\0" not in os.fsencode(path)
    except TypeError:
        raise ArgumentTypeError(f"{what} takes the path of a file, got {path!r}.", hint=SUCH_AS) from None
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise ArgumentError(f"{what} takes the path of a file, got {path!r}.", hint=SUCH_AS)
    return file


def _write(path: PathLike, data: bytes) -> None:
    """Replace a file at once: after a crash there is the old one or the new one."""
    file = _file("save", path)
    try:
        _refuse_folders_and_loops(file)
        _replace(file.resolve(), data)  # a link stays one
    except OSError as error:
        hint = LOOP if error.errno == errno.ELOOP else None
        if isinstance(error, FileNotFoundError):
            hint = f"make the folder first: os.makedirs({str(file.resolve().parent)!r})."
        raise file_error("written", path, error, hint=hint) from None


def _refuse_folders_and_loops(file: Path) -> None:
    """Raise OSError where a path leads to a folder, or a link to itself; not every Python finds the latter later on."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(file.stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def _replace(file: Path, data: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):  # where it could not be made
            temporary.unlink()
        raise


def _read(path: PathLike) -> tuple[dict[str, Array], str | None]:
    """The tensors of a file by name, each in memory of its own, and Lucid's text in the metadata."""
    safetensors = _safetensors()
    file = _file("load", path)
    try:
        data = file.read_bytes()
    except OSError as error:
        is_elsewhere = isinstance(error, FileNotFoundError) and not file.is_absolute()
        hint = f"relative paths begin at {Path.cwd()}." if is_elsewhere else None
        hint = LOOP if error.errno == errno.ELOOP else hint
        raise file_error("read", path, error, hint=hint) from None
    try:
        entries = safetensors.deserialize(data)
    except safetensors.SafetensorError as error:
        hint = None
        if data[:2] in PICKLES:
            hint = "PyTorch's state_dict goes into one by safetensors.torch.save_file(state_dict, path)."
        raise ArgumentError(f"{path} is not a complete safetensors file: {error}.", hint=hint) from error
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    tensors = {name: _array(path, name, entry) for name, entry in sorted(entries, key=itemgetter(0))}
    return tensors, metadata.get("lucid")


def _array(path: PathLike, name: str, entry: Mapping[str, Any]) -> Array:
    kind = entry["dtype"]
    if kind not in DTYPES:
        raise ArgumentError(f"{path} holds {name} as {kind}, an element type that Lucid does not read.")
    stored, returned = DTYPES[kind]
    array = np.frombuffer(entry["data"], stored)
    if kind == "BF16":
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return np.array(array, returned).reshape(entry["shape"])
