"""Arrays of other libraries on a GPU, and Lucid's for them: by DLPack and by CUDA's array interface, without a copy, in
the order of the streams. Where PyTorch has a GPU, its tensors are among them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import lucid
from lucid.codegen.cuda import device as devices
from lucid.errors import ArgumentError, DTypeError
from tests.codegen.foreign import KINDS, Foreign, WithDLPack, keep_busy
from tests.codegen.found_gpu import found_gpu

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def double() -> Any:
    return lucid.compile(lambda x: x * 2.0, target="cuda")


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_are_taken_where_they_are_and_in_order(kind: type[Foreign], cupy: Any, double: Any) -> None:
    """The imitation insists on the order of the streams."""
    assert double(kind(cupy, VALUES)).tolist() == (VALUES * 2).tolist()
    array = kind(cupy, VALUES)
    tensor = lucid.as_tensor(array)
    assert tensor.device == "cuda"
    assert tensor._array.data.ptr == array.memory.data.ptr
    with cupy.cuda.Stream(non_blocking=True):
        assert double(tensor).tolist() == (VALUES * 2).tolist()
    tensor = lucid.as_tensor(kind(cupy, VALUES), lucid.float32, device="cuda")
    assert tensor.copy_(kind(cupy, VALUES + 1)).tolist() == (VALUES + 1).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_in_columns_are_put_in_rows(kind: type[Foreign], cupy: Any, double: Any) -> None:
    array = kind(cupy, VALUES, order="F")
    assert not lucid.as_tensor(array)._array.flags.c_contiguous
    assert double(array).tolist() == (VALUES * 2).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_without_elements(kind: type[Foreign], cupy: Any, double: Any) -> None:
    assert double(kind(cupy, VALUES[:0])).shape == (0, 3)
    assert lucid.as_tensor(kind(cupy, VALUES[:, :0])).tolist() == [[], []]


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_that_a_function_captures_are_read_where_they_are(kind: type[Foreign], cupy: Any, double: Any) -> None:
    array = kind(cupy, VALUES)
    captured = lucid.as_tensor(array)
    add = lucid.compile(lambda x: x + captured, target="cuda")
    assert add(VALUES).tolist() == (VALUES * 2).tolist()
    array.memory.fill(1.0)
    assert add(VALUES).tolist() == (VALUES + 1).tolist()


def test_arrays_of_cupy_stay_the_same_objects(cupy: Any, double: Any) -> None:
    array = cupy.asarray(VALUES)
    assert lucid.as_tensor(array)._array is array
    assert double(array).tolist() == (VALUES * 2).tolist()


def test_results_are_given_where_they_are_in_the_order_of_the_streams(cupy: Any, double: Any) -> None:
    with cupy.cuda.Stream(non_blocking=True):
        keep_busy(cupy)
        result = double(VALUES)
    interface = result.__cuda_array_interface__
    assert interface["data"] == (result._array.data.ptr, False)
    assert (interface["shape"], interface["typestr"]) == ((2, 3), "<f4")
    assert result.__dlpack_device__() == (devices.CUDA_DEVICE, result._array.device.id)
    for take in (cupy.asarray, cupy.from_dlpack):
        with cupy.cuda.Stream(non_blocking=True):
            keep_busy(cupy)
            result = double(VALUES)
        with cupy.cuda.Stream(non_blocking=True):
            taken = take(result)
            assert taken.data.ptr == result._array.data.ptr
            assert taken.get().tolist() == (VALUES * 2).tolist()
    assert not hasattr(lucid.Tensor([1.0]), "__cuda_array_interface__")


def test_tensors_of_pytorch(double: Any) -> None:
    found_gpu()
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no GPU")
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(50_000_000)  # cycles
        x = torch.arange(6.0, device="cuda").reshape(2, 3)
        assert lucid.as_tensor(x)._array.data.ptr == x.data_ptr()
        result = double(x)
        assert result.tolist() == (VALUES * 2).tolist()
        for take in (torch.from_dlpack, partial(torch.as_tensor, device="cuda")):
            taken = take(result)
            assert taken.data_ptr() == result._array.data.ptr
            assert taken.tolist() == (VALUES * 2).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_element_types_that_lucid_does_not_have(kind: type[Foreign], cupy: Any, double: Any) -> None:
    for take in (lucid.as_tensor, double):
        with pytest.raises(DTypeError, match="float16"):
            take(kind(cupy, VALUES.astype(np.float16)))


class Refusing(WithDLPack):
    """One like a parameter of PyTorch's."""

    def __dlpack__(self, **_: Any) -> Any:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")


def test_arrays_that_their_library_does_not_give_away(cupy: Any, double: Any) -> None:
    for take in (lucid.as_tensor, double):
        with pytest.raises(ArgumentError) as raised:
            take(Refusing(cupy, VALUES))
        assert raised.value.sentence == (
            "CuPy can't read an array of type Refusing: "
            "Can't export tensors that require gradient, use tensor.detach()."
        )
        assert raised.value.hint == "convert it first: one of PyTorch as in x.detach().float()."


@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_of_the_cpu_is_not_made_of_what_is_on_a_gpu(kind: type[Foreign], cupy: Any, double: Any) -> None:
    for make in (lucid.Tensor, lambda x: lucid.compile(lambda: lucid.Tensor(x))()):
        with pytest.raises(ArgumentError) as raised:
            make(kind(cupy, VALUES))
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


def test_what_is_called_like_an_array_and_is_none(cupy: Any, double: Any) -> None:
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
