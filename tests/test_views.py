"""Views of a tensor, and updates of it in place."""

import numpy as np
import pytest

import lucid
from lucid import Tensor
from lucid.errors import ArgumentError, DTypeError


class TestViews:
    """Reshapes, transposes, slices and detach share storage, and read later updates of it."""

    @pytest.mark.parametrize(
        ("view", "expected"),
        [
            (lambda x: x.reshape(4), [9.0, 2.0, 3.0, 4.0]),
            (lambda x: x.T, [[9.0, 3.0], [2.0, 4.0]]),
            (lambda x: x[0], [9.0, 2.0]),
            (lambda x: x.detach(), [[9.0, 2.0], [3.0, 4.0]]),
            (lambda x: x.T.T[:, 0], [9.0, 3.0]),
        ],
    )
    def test_reads_through(self, view: object, expected: list[object]) -> None:
        x = Tensor([[1.0, 2.0], [3.0, 4.0]])
        seen = view(x)
        x[0, 0] = 9.0
        assert seen.tolist() == expected

    def test_a_reshape_that_must_copy_does_not(self) -> None:
        x = Tensor([[1.0, 2.0], [3.0, 4.0]])
        copied = x.T.reshape(4)
        x[0, 0] = 9.0
        assert copied.tolist() == [1.0, 3.0, 2.0, 4.0]

    def test_a_view_is_not_updated(self) -> None:
        with pytest.raises(ArgumentError, match="a view can't be updated in place"):
            Tensor([[1.0, 2.0]])[0][0] = 1.0

    def test_detach_and_data_write_through(self) -> None:
        x = Tensor([1.0, 2.0], requires_grad=True)
        x.detach().fill_(3.0)
        assert x.tolist() == [3.0, 3.0]
        x.data = np.array([4.0, 5.0], np.float32)
        assert x.tolist() == [4.0, 5.0]

    def test_clone_has_its_own_storage(self) -> None:
        x = Tensor([1.0])
        twin = x.clone()
        x.fill_(2.0)
        assert twin.tolist() == [1.0]


class TestInPlace:
    def test_a_leaf_keeps_its_identity(self) -> None:
        x = same = Tensor([1.0, 2.0])
        x += 1.0
        x *= 2.0
        x -= 1.0
        x /= 2.0
        assert x is same
        assert x.tolist() == [1.5, 2.5]

    def test_items(self) -> None:
        x = lucid.zeros(2, 3)
        x[1, ::2] = 5.0
        x[Tensor(0)] = Tensor([1, 2, 3])
        assert x.tolist() == [[1.0, 2.0, 3.0], [5.0, 0.0, 5.0]]

    def test_copy_broadcasts_and_casts(self) -> None:
        x = lucid.zeros(2, 2)
        assert x.copy_(np.array([1, 2])).tolist() == [[1.0, 2.0], [1.0, 2.0]]

    def test_the_type_stays(self) -> None:
        x = Tensor([1, 2])
        with pytest.raises(DTypeError, match="keeps the type i64"):
            x += 0.5
        with pytest.raises(DTypeError, match="keeps the type"):
            x += Tensor([[1], [2]])
        assert x.tolist() == [1, 2]

    def test_a_computed_tensor_is_never_changed(self) -> None:
        x = Tensor([1.0], requires_grad=True)
        y = before = x * 2.0
        y += 1.0
        assert y is not before
        assert before.tolist() == [2.0]
        with pytest.raises(ArgumentError, match="a computed tensor can't be updated"), lucid.no_grad():
            before.fill_(0.0)

    def test_while_gradients_are_recorded(self) -> None:
        x = Tensor([1.0], requires_grad=True)
        with pytest.raises(ArgumentError, match="no_grad"):
            x.fill_(2.0)
        with lucid.no_grad():
            x -= 0.5
        assert x.tolist() == [0.5]
