"""A program shows itself in a notebook, as markup without a script."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np

import lucid


def test_a_program_shows_its_stages_and_its_graph() -> None:
    def square(x: Any) -> Any:
        return x * x

    square.__name__ = "a<script>b"
    program = lucid.compile(square).lower(np.ones(3, np.float32))
    root = ElementTree.fromstring(program._repr_html_())
    assert [cell.text for cell in root.iter("td")][::3] == list(program.stages)
    assert root.find("code").text == "<Program a<script>b(f32[3])>"  # type: ignore[union-attr]
    assert root.find("details/div/{http://www.w3.org/2000/svg}svg") is not None
    assert not list(root.iter("script"))
    assert root.find("details/summary").text == "fused"  # type: ignore[union-attr]
