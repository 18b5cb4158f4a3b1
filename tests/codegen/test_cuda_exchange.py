"""Arrays of other libraries on a GPU, and Lucid's for them, behind the imitation of CuPy: by DLPack and by CUDA's array
interface, without a copy, in the order of the streams, on one GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lucid
from lucid.codegen.cuda import device as devices
from lucid.errors import ArgumentError, DTypeError
from tests.codegen import fake_cupy
from tests.codegen.fake_cupy import Calls, Device, FakeArray, Stream

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


class Foreign:
    """An array of another library, which has just computed it on a stream of its own."""

    def __init__(self, values: Any, order: Any = "C") -> None:
        self.stream = Stream()
        with self.stream:
            self.stream.follows = fake_cupy.calls.works  # whatever was done before is done
            self.stream.work()
            self.memory = FakeArray(values, order)


class WithInterface(Foreign):
    """One that has CUDA's array interface alone."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.memory.__cuda_array_interface__, "stream": self.stream.ptr}


class WithDLPack(Foreign):
    """One that has DLPack alone."""

    kind = devices.CUDA_DEVICE

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.kind, self.memory.device.id

    def __dlpack__(self, *, stream: int, **_: Any) -> Any:
        with self.stream:
            return self.memory.__dlpack__(stream=stream)


class Managed(WithDLPack):
    """One in memory that the GPU shares with the CPU."""

    kind = devices.CUDA_MANAGED


class WithBoth(WithDLPack):
    """One like PyTorch's: its interface does not name the stream that computes it."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.memory.__cuda_array_interface__, "stream": None}


KINDS = (WithInterface, WithDLPack, Managed, WithBoth)


@lucid.compile(target="cuda")
def double(x):
    return x * 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_taken_where_they_are_in_the_order_of_the_streams(kind: type[Foreign], calls: Calls) -> None:
    """The imitation insists on the order."""
    assert double(kind(VALUES)).tolist() == (VALUES * 2).tolist()
    array = kind(VALUES)
    tensor = lucid.as_tensor(array)
    assert tensor.device == "cuda"
    assert tensor._array.data.ptr == array.memory.data.ptr
    with Stream():
        assert double(tensor).tolist() == (VALUES * 2).tolist()
    tensor = lucid.as_tensor(kind(VALUES), lucid.float32, device="cuda")
    assert tensor.copy_(kind(VALUES + 1)).tolist() == (VALUES + 1).tolist()


def test_dlpack_does_not_have_the_cpu_wait(calls: Calls) -> None:
    for kind in (WithDLPack, WithBoth):
        double(kind(VALUES))
    assert calls.synchronizations == 0
    double(WithInterface(VALUES))
    assert calls.synchronizations == 1, "which is what CuPy does"


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_in_columns_are_put_in_rows(kind: type[Foreign], calls: Calls) -> None:
    array = kind(VALUES, order="F")
    assert not lucid.as_tensor(array)._array.flags.c_contiguous
    assert double(array).tolist() == (VALUES * 2).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_without_elements(kind: type[Foreign], calls: Calls) -> None:
    assert double(kind(VALUES[:0])).shape == (0, 3)
    assert lucid.as_tensor(kind(VALUES[:, :0])).tolist() == [[], []]


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_that_a_function_captures_are_read_where_they_are(kind: type[Foreign], calls: Calls) -> None:
    array = kind(VALUES)
    captured = lucid.as_tensor(array)
    add = lucid.compile(lambda x: x + captured, target="cuda")
    assert add(VALUES).tolist() == (VALUES * 2).tolist()
    array.memory._view[...] = 1.0
    assert add(VALUES).tolist() == (VALUES + 1).tolist()


def test_arrays_of_cupy_stay_the_same_objects(calls: Calls) -> None:
    array = FakeArray(VALUES)
    assert lucid.as_tensor(array)._array is array
    assert double(array).tolist() == (VALUES * 2).tolist()


def test_results_are_given_where_they_are_in_the_order_of_the_streams(calls: Calls) -> None:
    with Stream():
        result = double(VALUES)
    interface = result.__cuda_array_interface__
    assert interface["data"] == (result._array.data.ptr, False)
    assert (interface["shape"], interface["typestr"]) == ((2, 3), "<f4")
    named = Stream.all[interface["stream"]]
    assert named.follows == calls.works, "whoever waits for it waits for the step on the other stream"
    again = fake_cupy.make().asarray(result)
    assert again.get().tolist() == (VALUES * 2).tolist()
    assert fake_cupy.make().from_dlpack(result).data.ptr == again.data.ptr == result._array.data.ptr
    with Stream():
        result = double(VALUES)
    assert result.__dlpack_device__() == (devices.CUDA_DEVICE, 0)
    consumer = Stream()
    assert result.__dlpack__(stream=consumer.ptr).array is result._array
    with consumer:
        consumer.work()
    assert not hasattr(lucid.Tensor([1.0]), "__cuda_array_interface__")


@pytest.mark.parametrize("kind", KINDS)
def test_element_types_that_lucid_does_not_have(kind: type[Foreign], calls: Calls) -> None:
    for take in (lucid.as_tensor, double):
        with pytest.raises(DTypeError, match="float16"):
            take(kind(VALUES.astype(np.float16)))


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_arrays_on_another_gpu_are_refused(kind: type[Foreign] | None, calls: Calls) -> None:
    with Device(1):
        array = FakeArray(VALUES) if kind is None else kind(VALUES)
    for take in (lucid.as_tensor, double):
        with pytest.raises(ArgumentError) as raised:
            take(array)
        assert raised.value.sentence == (
            "an array is on GPU 1, and Lucid works on GPU 0, the first that it found current in CuPy."
        )
        assert raised.value.hint == ("copy it, for instance with cupy.array(x) inside of `with cupy.cuda.Device(0):`.")


@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_of_the_cpu_is_not_made_of_what_is_on_a_gpu(kind: type[Foreign], calls: Calls) -> None:
    for make in (lucid.Tensor, lambda x: lucid.compile(lambda: lucid.Tensor(x))()):
        with pytest.raises(ArgumentError) as raised:
            make(kind(VALUES))
        assert raised.value.sentence == "an array on a GPU was given where one of the CPU is copied."
        assert raised.value.hint == "lucid.as_tensor(x) takes it where it is."


class Elsewhere:
    """An array of a device that DLPack knows and Lucid does not."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 8, 0

    def __dlpack__(self, **_: Any) -> Any:
        raise AssertionError("nobody asks for it")


@pytest.mark.parametrize("take", [lucid.as_tensor, lucid.Tensor, lucid.compile(lambda x: x * 2.0)])
def test_arrays_on_other_devices_are_refused(take: Any) -> None:
    with pytest.raises(ArgumentError) as raised:
        take(Elsewhere())
    assert raised.value.sentence == "an array is on a device of DLPack's kind 8, which is neither the CPU nor NVIDIA's."
    assert raised.value.hint == "copy it to the CPU."


def test_what_is_called_like_an_array_and_is_none(calls: Calls) -> None:
    """A class may have CUDA's array interface, and an object of it be on the CPU."""

    class Here:
        __array__ = VALUES.__array__

        @property
        def __cuda_array_interface__(self) -> Any:
            raise AttributeError

    assert lucid.as_tensor(Here()).device == "cpu"
    assert double(Here()).tolist() == (VALUES * 2).tolist()
    with pytest.raises(DTypeError, match="a tensor takes numbers"):
        lucid.as_tensor(pytest)
