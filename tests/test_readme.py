"""The code in the documentation runs, and prints what stands below it.

Python blocks of one page share their names, as if typed one after the other; commands (`$ lucid ...`) find the Python
block before them as the file train.py. A block marked `python raises` ends with the error that is shown below it.
`python -m tests.test_readme` writes the true output into the pages.
"""

import contextlib
import io
import re
import shlex
import sys
import tempfile
from pathlib import Path

import pytest

import lucid
from lucid.cli.main import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RECORDS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
TEXTS = [*PAGES, ROOT / "CONTRIBUTING.md", *RECORDS]

BLOCK = re.compile(
    r"^```python(?P<raises> raises)?\n(?P<code>.*?)^```\n(?:\n^```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
CONSOLE = re.compile(r"^```console\n(?P<session>.*?)^```\n", re.DOTALL | re.MULTILINE)
ANY_BLOCK = re.compile(f"{BLOCK.pattern}|{CONSOLE.pattern}", BLOCK.flags)


def with_true_output(page: str, folder: Path) -> str:
    """The text of a page with the output of each block as it is now."""
    names: dict[str, object] = {"__name__": "__main__"}
    sources = [folder]

    def run(block: re.Match[str]) -> str:
        if block["session"] is not None:
            with contextlib.chdir(sources[-1]):
                return f"```console\n{session_with_true_output(block['session'])}```\n"
        source = folder / str(block.start()) / "train.py"  # errors and the IR show the name of the file
        source.parent.mkdir(parents=True)
        source.write_text(block["code"])
        sources.append(source.parent)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.chdir(folder):  # where examples may write files
            try:
                exec(compile(block["code"], str(source), "exec"), names)
            except lucid.LucidError as error:
                if not block["raises"]:
                    raise
                print(f"{type(error).__module__}.{type(error).__name__}: {error}")
            else:
                assert not block["raises"], f"raises nothing:\n{block['code']}"
        if block["output"] is None:
            assert not printed.getvalue(), f"prints, but shows no output:\n{block['code']}"
            return block[0]
        return f"```python{block['raises'] or ''}\n{block['code']}```\n\n```text\n{printed.getvalue()}```\n"

    return ANY_BLOCK.sub(run, page)


def session_with_true_output(session: str) -> str:
    """The commands of a session, each with what it prints now."""
    shown = []
    for line in session.splitlines():
        if line.startswith("$ lucid "):
            printed = io.StringIO()
            state = lucid.get_state()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                main(shlex.split(line, comments=True)[2:])
            lucid.set_state(state)
            shown.append(f"{line}\n{printed.getvalue()}")
    return "\n".join(shown)


@pytest.fixture(autouse=True)
def _random_state_is_as_before() -> object:
    state = lucid.get_state()
    yield
    lucid.set_state(state)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_code_prints_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    assert with_true_output(text, tmp_path) == text


def test_the_readme_shows_a_program_and_its_ir() -> None:
    blocks = list(BLOCK.finditer(PAGES[0].read_text()))
    assert len(blocks) >= 2
    assert all(block["output"] for block in blocks)


def links(page: Path) -> list[Path]:
    """The files and folders of the project that a page leads to."""
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    return [(page.parent / target).resolve() for target in targets if "://" not in target]


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    named = re.findall(r"`((?:lucid|tests|docs|examples|benchmarks)/[\w./]*\w)(?:/|\*[\w.]*)?`", page.read_text())
    for path in (*links(page), *(ROOT / name for name in named)):
        assert path.exists() or list(path.parent.glob(f"{path.name}*")), path


def test_the_readme_leads_to_every_page() -> None:
    reached = {PAGES[0]}
    waiting = [PAGES[0]]
    while waiting:
        found = {path for path in links(waiting.pop()) if path.suffix == ".md"} - reached
        reached |= found
        waiting += found
    assert reached >= set(PAGES)
    assert RECORDS[0].parent in links(PAGES[0])


def test_records_are_numbered_and_have_four_parts() -> None:
    parts = ["Context", "Decision", "Alternatives considered", "Consequences"]
    for number, record in enumerate(RECORDS, 1):
        text = record.read_text()
        assert record.name.startswith(f"{number:04}-")
        assert text.startswith(f"# {number}. ")
        assert re.findall("^## (.*)", text, re.MULTILINE) == parts, record.name


if __name__ == "__main__":
    for path in PAGES:
        with tempfile.TemporaryDirectory() as temporary:
            path.write_text(with_true_output(path.read_text(), Path(temporary)))
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
