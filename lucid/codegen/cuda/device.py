"""The GPU, through CuPy: the only module that uses it.

Nothing here waits for the GPU but `download`, which also looks whether a check has failed since the last time.

Whatever Lucid has the GPU do is done in the order of the calls, on whichever streams they were made: see `follow`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import signal
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lucid.codegen.cuda.launches import ReadyLaunch
from lucid.codegen.cuda.plan import STATUS_WORDS
from lucid.errors import AllocationError, ArgumentError, CompileError, reading
from lucid.ir.ops.structure import Check
from lucid.ir.types import BY_SHORT_NAME, TensorType, as_dtype

ARCHITECTURE_VARIABLE = "LUCID_CUDA_ARCH"
DEFAULT_ARCHITECTURE = "sm_80"  # where there is no GPU to ask

WITHOUT_GPU = "target='cuda-sim' runs the kernels; with target='cpu', lower(...).cuda_source() shows them."

# What DLPack calls the memory of an NVIDIA GPU, and that which it shares with the CPU.
CUDA_DEVICE, CUDA_MANAGED = 2, 13

Functions = Mapping[str, Any]  # those of CuPy, by name


@functools.cache
def gpu() -> Device:
    """The GPU. Raises CompileError that says what is missing where there is none."""
    try:
        import cupy
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            raise CompileError(
                "target 'cuda' runs its kernels through CuPy, which is not installed.",
                hint='pip install "lucid-compiler[cuda]", on a machine with an NVIDIA GPU and its driver; '
                f"without one, {WITHOUT_GPU}",
            ) from None
        cause = error.__cause__ or error  # CuPy wraps it in a page of advice, which the traceback has
        raise CompileError(
            "target 'cuda' runs its kernels through CuPy, which is installed but can't be imported: "
            f"{type(cause).__name__}: {cause}.",
            hint="`python -c 'import cupy'` shows it without Lucid. A file beside the script that has the name of a "
            "package, such as cuda.py, hides that package; else install CuPy again.",
        ) from error
    if not cupy.is_available():
        raise CompileError(
            "target 'cuda' needs an NVIDIA GPU and its driver, and CuPy finds none.",
            hint=f"nvidia-smi lists those that the driver sees; without one, {WITHOUT_GPU}",
        )
    return Device(cupy)


def is_on_gpu(array: Any) -> bool:
    """Whether an array of another library is in the memory of an NVIDIA GPU: DLPack tells, or else that it has CUDA's
    array interface."""
    if hasattr(type(array), "__dlpack_device__"):
        return array.__dlpack_device__()[0] in (CUDA_DEVICE, CUDA_MANAGED)
    # Of the class, as mocks have any attribute, and of the object, as a class may be that of arrays on the CPU, too.
    return hasattr(type(array), "__cuda_array_interface__") and hasattr(array, "__cuda_array_interface__")


def architecture() -> str:
    """The architecture to compile for: what LUCID_CUDA_ARCH names, that of the GPU, or else sm_80. Raises CompileError
    for a name of another form: for compute_80, NVRTC makes PTX and no machine code."""
    if chosen := os.environ.get(ARCHITECTURE_VARIABLE):
        if not re.fullmatch(r"sm_\d+", chosen):
            raise CompileError(
                f"{ARCHITECTURE_VARIABLE} is the architecture of a GPU, such as sm_80, got {chosen!r}.",
                hint="nvidia-smi --query-gpu=compute_cap --format=csv tells it: 9.0 is sm_90.",
            )
        return chosen
    try:
        return gpu().architecture
    except CompileError:
        return DEFAULT_ARCHITECTURE


class Device:
    """The GPU that is current in CuPy, with its memory and its status: see `lucid.codegen.cuda.plan`."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self.number = cupy.cuda.runtime.getDevice()
        self.architecture = f"sm_{cupy.cuda.Device().compute_capability}"
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._latest = cupy.cuda.get_current_stream()  # the stream that Lucid used last
        self.status = cupy.zeros(STATUS_WORDS, "int64")
        # Of all executables: the message, the dtype of the values, and what tells the location by the number there.
        self.checks: list[tuple[str, str, weakref.WeakMethod[Any], int]] = []
        self._folder: str | None = None
        self._numbers = itertools.count()  # of files in the folder
        self.when_failed: list[Callable[[], None]] = []  # called before the error of a check is raised

    # Memory. An array here is a cupy.ndarray. What makes one raises AllocationError where there is no room for it.

    def _room_for(self, what: str, *names: object) -> _RoomFor:
        """A block in which CuPy allocates something, which the error calls `what`, with names in its braces."""
        return _RoomFor(self._cupy.cuda.memory.OutOfMemoryError, what, names)

    def holds(self, array: object) -> bool:
        """Whether an array is in the memory of the GPU."""
        return isinstance(array, self._cupy.ndarray)

    def empty(self, type: TensorType) -> Any:
        """An array of CuPy's pool with any elements."""
        with self._room_for("a tensor of type {}", type):
            return self._cupy.empty(type.shape, type.dtype.numpy)

    def reserve(self, size: int) -> Any:
        """So many bytes of CuPy's pool, for the temporaries of a program."""
        with self._room_for("the temporaries of a program, {} bytes", size):
            return self._cupy.empty(max(size, 1), "uint8")

    def upload(self, array: Any) -> Any:
        """A contiguous array on the GPU with the elements of a NumPy array, or of another array there: that array
        itself where it is contiguous."""
        self.follow()
        if self.holds(array) and array.flags.c_contiguous:
            return array
        host = None if self.holds(array) else self._stable(_native(array))
        with self._room_for("an array of {} of shape {}", array.dtype, array.shape):
            there = array if host is None else self._cupy.asarray(host)
            # Not by ascontiguousarray, CuPy's or NumPy's: both give what has no axes one.
            return there if there.flags.c_contiguous else there.copy()

    def _stable(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """A NumPy array whose elements nobody will change. CuPy copies them at once, but leaves an array in pinned
        memory to the GPU, which reads it when it gets there: its owner may have written the next batch by then."""
        runtime = self._cupy.cuda.runtime
        pinned = runtime.pointerGetAttributes(array.ctypes.data).type == runtime.memoryTypeHost
        return array.copy() if pinned else array

    def write(self, target: Any, source: Any) -> None:
        """Copy elements, from either memory, into an array on the GPU."""
        self.follow()
        if self.holds(source):
            target[...] = source
        else:
            target.set(self._stable(np.asarray(source, target.dtype, order="C")))

    def copy(self, array: Any) -> Any:
        """A new array on the GPU with the elements of one there."""
        self.follow()
        with self._room_for("a copy of an array of {} of shape {}", array.dtype, array.shape):
            return array.copy()

    def download(self, array: Any) -> Any:
        """The elements as a NumPy array: waits until they are computed. Raises the CheckError of the first check that
        has failed since the last time; states are as they were before the step that it belongs to."""
        self.follow()
        with self._room_for(
            "a copy of an array of {} of shape {}", array.dtype, array.shape
        ):  # if it is not contiguous
            host = array.get()
        self.check()
        return host

    def check(self) -> None:
        """Wait for the GPU, and raise the CheckError of a check that has failed."""
        self.follow()
        failed, number, position, bits = self.status.get().tolist()
        if failed:
            self._fail(number, position, bits)

    def _fail(self, number: int, position: int, bits: int) -> NoReturn:
        self.status.fill(0)
        for restore in self.when_failed:
            restore()
        message, dtype, locate, number_in_executable = self.checks[number]
        location_of = locate()
        value = np.int64(bits).astype(BY_SHORT_NAME[dtype].numpy).item()
        raise Check(message).error(position, value, location_of and location_of(number_in_executable))

    def foreign(self, array: Any) -> Any:
        """The array over the memory of another library's array on the GPU. Raises ArgumentError for one on another GPU,
        or that CuPy can't read, and DTypeError for an element type that Lucid does not have."""
        self.follow()
        if self.holds(array):
            found = array
        else:
            with reading("CuPy", array):
                if hasattr(type(array), "__dlpack__"):  # CuPy has the current stream wait for that library
                    found = self._cupy.from_dlpack(array)
                else:  # CuPy waits for the stream that the interface names
                    found = self._cupy.asarray(array)
        if found.device.id != self.number:
            raise ArgumentError(
                f"an array is on GPU {found.device.id}, and Lucid works on GPU {self.number}, the first that it found "
                "current in CuPy.",
                hint=f"copy it, for instance with cupy.array(x) inside of `with cupy.cuda.Device({self.number}):`.",
            )
        as_dtype(found.dtype)
        return found

    @staticmethod
    def address(array: Any) -> int:
        """The address of an array's elements."""
        address: int = array.data.ptr
        return address

    # Code.

    def load(self, image: bytes, names: Sequence[str]) -> Functions:
        """The functions of machine code, as CuPy has them. They keep it loaded."""
        if self._folder is None:  # CuPy reads files only
            import shutil  # which importing Lucid does not load
            import tempfile

            self._folder = tempfile.mkdtemp(prefix="lucid-cuda-")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = Path(self._folder, f"{next(self._numbers)}.cubin")
        path.write_bytes(image)
        module = self._cupy.RawModule(path=str(path))
        return {name: module.get_function(name).kernel for name in names}

    def launch(self, launches: Iterable[ReadyLaunch]) -> None:
        """Launch functions, whose handles are the `ptr` of those of `load`, on the current stream. Whoever calls it has
        called `follow`.

        A function of CuPy that is called makes an object of each parameter, and looks at its type, at the context and
        at the stream each time: here all of it is ready, and goes to the driver's function as it is."""
        stream, launch = self._cupy.cuda.get_current_stream().ptr, self._cupy.cuda.driver.launchKernel
        for function, x, y, threads, parameters in launches:
            launch(function, x, y, 1, threads, 1, 1, 0, stream, parameters, 0)

    def capture(self, run: Callable[[], None]) -> Any:
        """What `run` launches, as a CUDA graph. It is not executed. What `run` raises ends the capture."""
        stream = self._cupy.cuda.Stream(non_blocking=True)  # the default stream can't be captured
        with stream:
            stream.begin_capture()
            try:
                run()
            except BaseException:
                with contextlib.suppress(Exception):  # of what has been captured, which nobody wants
                    stream.end_capture()
                raise
            return stream.end_capture()

    def replay(self, graph: Any) -> None:
        """Execute a graph on the current stream."""
        graph.launch(self._cupy.cuda.get_current_stream())

    def follow(self) -> None:
        """Have the current stream wait for all that Lucid has put on others. Whoever is about to put something there, a
        read too, calls this first: the arrays of a program may be read and written on any stream. Raises ArgumentError
        where another GPU is current, whose streams and memory these would be."""
        if (current := self._cupy.cuda.runtime.getDevice()) != self.number:
            raise ArgumentError(
                f"GPU {current} is current in CuPy, and Lucid works on GPU {self.number}, the first that it found "
                "current there.",
                hint=f"call it inside of `with cupy.cuda.Device({self.number}):`; each thread has a current GPU.",
            )
        if not hasattr(self._thread, "has_context"):  # without one, the driver launches nothing
            self._cupy.cuda.runtime.memGetInfo()  # CUDA's runtime makes it, as in CuPy's own launches
            self._thread.has_context = True
        stream = self._cupy.cuda.get_current_stream()
        with self._lock:
            if stream is not self._latest and stream != self._latest:
                stream.wait_event(self._latest.record())
                self._latest = stream


class _RoomFor:
    """See `Device._room_for`. A class, as the blocks of a generator take a microsecond each."""

    __slots__ = ("_names", "_refused", "_what")

    def __init__(self, refused: type[BaseException], what: str, names: tuple[object, ...]) -> None:
        self._refused, self._what, self._names = refused, what, names

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if isinstance(error, self._refused):
            raise AllocationError(
                f"the GPU has no memory left for {self._what.format(*self._names)}.",
                hint="smaller batches take less; nvidia-smi shows what other processes take.",
            ) from error


def _native(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A NumPy array in the byte order of the machine, which is the GPU's, too."""
    return np.asarray(array, array.dtype.newbyteorder("="))


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait: half of a step's launches would be half of a step."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    caught: list[Any] = []
    signal.signal(signal.SIGINT, lambda *arguments: caught.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if caught:
        handler(*caught[0])
