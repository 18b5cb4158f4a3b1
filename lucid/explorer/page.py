"""The page: one file with the data, the script and the style in it. It asks no network for anything.

What comes from the user's program enters as JSON in a block that no browser runs, and the script shows it as text
only. Should that ever fail, a content security policy still lets no other script run than the one that is named there
by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from lucid.explorer.report import Exhibit, report

SCRIPTS = ("data.js", "code.js", "graph.js", "kernels.js", "memory.js", "page.js")


def page(exhibits: Sequence[Exhibit]) -> str:
    """The explorer page of some programs, as HTML."""
    return page_of(report(exhibits))


def page_of(data: dict[str, Any]) -> str:
    """The explorer page of a report."""
    script = f'"use strict";\n{"".join(map(_part, SCRIPTS))}'
    style = _part("page.css")
    names = ", ".join(dict.fromkeys(program["name"] for program in data["programs"]))
    filled = {
        "title": html.escape(names),
        "policy": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:",
        "style": style,
        "script": script,
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    }
    pieces = _part("page.html").split("@@")
    return "".join(filled[piece] if number % 2 else piece for number, piece in enumerate(pieces))


def _part(name: str) -> str:
    return resources.files("lucid.explorer").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
