"""What the tables of messages share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lucid.errors import LucidError
from lucid.ir.text import parse

# A call, the class of its error, the error's sentence and its hint.
Case = tuple[Callable[[], Any], type[LucidError], str, str | None]


def ir(statements: str) -> Any:
    """The graph of statements that compute %y."""
    return parse(
        f"graph(%x: f32[4, 3], %i: i64[4], %b: bool[4], %w: f32[2, 3, 4], %s: u64[]) {{ {statements}; return %y }}"
    )


def expect_message(case: Case) -> None:
    """That a call raises exactly this."""
    call, kind, sentence, hint = case
    with pytest.raises(kind) as caught:
        call()
    assert (caught.value.sentence, caught.value.hint) == (sentence, hint)
    assert type(caught.value) is kind
