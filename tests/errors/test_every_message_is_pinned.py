"""Each message that Lucid raises stands in a test, in the documentation or in a docstring.

The fixed parts of a message are looked for, so a test may match a part of it: four words in a row will do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import lucid.cli.command
import lucid.errors
from lucid.errors import LucidError

ROOT = Path(__file__).parents[2]
WORDS = 4

KINDS = {
    name
    for module in (lucid.errors, lucid.cli.command)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Exception)
}


def fixed_parts(node: ast.expr) -> list[str] | None:
    """The parts of a text in code that stay the same, None for what is no text."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return [part.value for part in values if isinstance(part, ast.Constant)]
        case ast.BinOp(left=left, right=right):
            return [*(fixed_parts(left) or []), *(fixed_parts(right) or [])]
    return None


def messages(source: str) -> Iterator[tuple[int, str]]:
    """The line of each error that a text of Python makes, and the longest part of its message that stays the same."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in KINDS or name in ("fail", "error"):
            parts = next((parts for argument in node.args if (parts := fixed_parts(argument))), None)
            if parts:
                yield node.lineno, max(parts, key=len).strip()


@cache
def everything_said() -> str:
    """All texts of tests, documentation and docstrings."""
    texts = [path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.expr) and (parts := fixed_parts(node)):
                texts.append("".join(parts))
    for path in sorted((ROOT / "lucid").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                texts.append(ast.get_docstring(node) or "")
    return "\n".join(texts).replace("\\", "")


def is_pinned(message: str) -> bool:
    words = message.split()
    runs = [" ".join(words[start : start + WORDS]) for start in range(max(len(words) - WORDS, 0) + 1)]
    return any(run in everything_said() for run in runs)


def test_every_message_is_pinned() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{line}: {message}"
        for path in sorted((ROOT / "lucid").rglob("*.py"))
        for line, message in messages(path.read_text())
        if not is_pinned(message)
    ]
    assert not missing, "no test shows these messages:\n" + "\n".join(missing)


def test_a_message_without_a_test_is_noticed() -> None:
    source = "raise ShapeError(f'quite {some} thing that nobody ever' ' has written')"
    ((line, message),) = messages(source)
    assert (line, message) == (1, "thing that nobody ever has written")
    assert not is_pinned(" ".join(["something", "that", "nobody", "has", "said"]))
    assert issubclass(LucidError, Exception)
    assert "LucidError" in KINDS
