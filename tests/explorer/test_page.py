"""The page in a browser: it shows, finds, compares and marks, asks no network, and runs no text of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid.explorer.page import page_of
from lucid.explorer.report import Files
from lucid.explorer.stages import Stages
from lucid.ir.build import Builder
from lucid.ir.graph import Graph, Value
from lucid.ir.ops.elementwise import Add, Neg
from lucid.ir.passes.simplify import simplify
from lucid.ir.types import TensorType, float32
from lucid.tables import with_unit
from tests.explorer.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

INSPECTOR = "document.getElementById('inspector').textContent"
TEXT = "document.getElementById('ir').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a training step, and of a forward with its backward."""
    state = lucid.get_state()
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 4))
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def train_step(x: Any, y: Any) -> lucid.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = np.ones((8, 6), np.float32), np.arange(8) % 4
    programs = [lucid.compile(train_step).lower(x, y), lucid.compile(model).lower(x)]
    lucid.set_state(state)
    return lucid.explorer.explore(programs, tmp_path_factory.mktemp("page") / "report.html")


def stage_of(browser: Browser) -> str:
    return str(browser.evaluate("document.querySelector('.stage[aria-current=true] .name').textContent"))


def test_it_opens_without_errors_and_without_a_network(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.evaluate("document.querySelector('h2').textContent") == "train_step"
    names = browser.evaluate("[...document.querySelectorAll('.stage .name')].map(e => e.textContent)")
    assert names == ["traced", "differentiated", "simplified", "rematerialized", "ordered", "fused", "planned"]
    assert browser.problems() == []
    assert {url.partition("#")[0] for url in browser.requests()} == {page.as_uri()}
    for view in ("graph", "kernels", "memory", "ir"):
        browser.click(f"[data-view={view}]")
        assert browser.evaluate("document.querySelector('.view.shown').id") == view
    assert browser.problems() == []


def test_a_stage_is_compared_with_the_one_before(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=simplified")
    removed = browser.evaluate("[...document.querySelectorAll('.row.removed .op')].map(e => e.textContent)")
    changed = browser.evaluate("[...document.querySelectorAll('.row.changed .op')].map(e => e.textContent)")
    assert "transpose" in removed
    assert changed[:2] == ["matmul", "matmul"]  # the line before and after, without the transpose
    same = "!document.querySelector('.pane + .pane .row:not(.added):not(.changed):not(.moved) .op')"
    assert browser.evaluate(same) is False
    browser.click("#diff")
    assert browser.evaluate("getComputedStyle(document.querySelector('.pane')).display") == "none"
    assert browser.evaluate("document.querySelectorAll('.row.removed, .row.changed, .row.added').length") == 0


def test_a_fused_node_keeps_what_is_inside_it(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=fused")
    kinds = "[...document.querySelectorAll('.pane + .pane .row')].filter(e => e.querySelector('.op'))"
    rows = browser.evaluate(f"{kinds}.map(e => [e.querySelector('.op').textContent, e.className])")
    assert all(("added" in name) == (op == "fused") for op, name in rows if op not in ("const", "broadcast"))


def test_pointing_at_a_value_shows_its_source_and_marks_its_uses(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=simplified")
    value = browser.evaluate(
        "[...document.querySelectorAll('.pane + .pane .row')]"
        ".find(e => e.querySelector('.op')?.textContent === 'random_keep').querySelector('.v').dataset.value"
    )
    browser.hover(f".pane + .pane .v[data-value='{value}']")
    shown = browser.evaluate(INSPECTOR)
    assert "random_keep" in shown
    assert "2: Dropout" in shown
    assert browser.evaluate("document.querySelector('.source .here').textContent").endswith(
        "F.cross_entropy(model(x), y)"
    )
    lit = "[...document.querySelectorAll('.pane + .pane .v.lit')].map(e => e.dataset.value)"
    assert browser.evaluate(lit) == [value] * browser.evaluate(f"{lit}.length")
    assert browser.evaluate(f"{lit}.length") >= 2
    assert browser.evaluate("document.querySelectorAll('.pane:first-child .v.lit').length") >= 2
    browser.move(5, 5)
    assert browser.evaluate("document.querySelectorAll('.v.lit').length") == 0


def test_a_click_holds_a_value_and_leads_to_its_uses(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=traced")
    browser.click(".pane + .pane .row .op")
    assert browser.evaluate("document.querySelectorAll('.row.at').length") == 1
    before = browser.evaluate("document.querySelector('#inspector h2').textContent")
    browser.click("#inspector button.chip:last-child")
    assert browser.evaluate("document.querySelector('#inspector h2').textContent") != before
    browser.press("Escape")
    assert browser.evaluate("document.querySelectorAll('.row.at').length") == 0


def test_a_search_finds_and_goes_on(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=planned")
    browser.press("/")
    browser.type("matmul")
    found = browser.evaluate("document.getElementById('found').textContent")
    assert found == "1 of 5"
    first = browser.evaluate("document.querySelector('#inspector h2').textContent")
    browser.press("Enter")
    assert browser.evaluate("document.getElementById('found').textContent") == "2 of 5"
    assert browser.evaluate("document.querySelector('#inspector h2').textContent") != first
    assert browser.evaluate("document.querySelectorAll('.row.found').length") >= 1
    browser.evaluate("document.getElementById('search').value = ''")
    browser.type("no such thing")
    assert browser.evaluate("document.getElementById('found').textContent") == "none"


def test_keys_lead_through_stages_and_views(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=traced")
    browser.press("ArrowRight")
    assert stage_of(browser) == "differentiated"
    browser.press("ArrowLeft")
    browser.press("ArrowLeft")
    assert stage_of(browser) == "traced"
    browser.press("3")
    assert browser.evaluate("document.querySelector('.view.shown').id") == "kernels"
    dark = "document.documentElement.classList.contains('dark')"
    before = browser.evaluate(dark)
    browser.press("t")
    assert browser.evaluate(dark) is not before
    browser.press("?")
    assert browser.evaluate("document.getElementById('keys').open")


def test_the_graph_is_zoomed_and_clicked(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=traced&view=graph")
    x, y = browser.place("#graph canvas")
    scale = browser.evaluate("graph.scale")
    browser.wheel(x, y, -300)
    browser.wait_for(f"graph.scale > {scale} * 1.2")
    browser.press("0")
    assert browser.evaluate("graph.scale") == pytest.approx(scale)
    spot = browser.evaluate(
        "(() => { const i = graph.flat.items.find(i => i.lines[0].startsWith('random_keep'));"
        "const b = graph.canvas.getBoundingClientRect(), s = graph.scale;"
        "return [b.x + graph.x + s * (i.x + i.width / 2), b.y + graph.y + s * (i.y + i.height / 2)]; })()"
    )
    browser.click_at(*spot)
    assert "random_keep" in browser.evaluate(INSPECTOR)
    browser.press("1")
    assert browser.evaluate("document.querySelector('.row.at .op').textContent") == "random_keep"


def test_each_kernel_is_shown_in_every_form(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=planned&view=kernels")
    begins = {"loops": "kernel(", "llvm": "define", "assembly": "kernel_0:", "cuda": "// kernel("}
    for form, beginning in begins.items():
        browser.click(f"[data-form={form}]")
        text = browser.evaluate("document.querySelector('.texts pre').textContent")
        assert text.startswith(beginning), text[:200]
    assert "operations" in browser.evaluate("document.querySelector('.texts .bar').textContent")
    apart = browser.evaluate("report.programs[0].parts[0].calls.calls.findIndex((c) => c.apart.length)")
    browser.evaluate(f"kernels.choose({apart})")
    before = browser.evaluate("state.call")
    browser.click(".apart .chip")
    assert browser.evaluate("state.call") != before
    count = browser.evaluate("document.querySelectorAll('.call').length")
    browser.evaluate("[...document.querySelectorAll('.call')].at(-1).click()")
    assert browser.evaluate("[...document.querySelectorAll('.call')].at(-1).getAttribute('aria-current')") == "true"
    assert count == browser.evaluate("document.querySelectorAll('.call').length")
    names = browser.evaluate("[...document.querySelectorAll('.call b')].map((e) => e.textContent.split('  '))")
    numbers = [name[0] for name in names if len(name) == 2]
    assert numbers == [str(number) for number in range(len(numbers))]
    assert len(numbers) > 3
    for number in (0, 8, 999, 1000, 2570, 33_000, 999_499, 999_500, 1_048_576):
        assert browser.evaluate(f"bytes({number})") == with_unit(number, "B")


def test_the_memory_plan_shows_each_block(browser: Browser, page: Path) -> None:
    browser.open(page, "stage=planned&view=memory")
    blocks = browser.evaluate("report.programs[0].parts[0].memory.blocks.length")
    assert browser.evaluate("document.querySelectorAll('#memory .block').length") == blocks > 3
    browser.click("#memory .block")
    assert browser.evaluate("document.querySelector('#memory .block').classList.contains('lit')")
    assert "arena+" in browser.evaluate(INSPECTOR)


def test_a_forward_and_its_backward_are_two_parts(browser: Browser, page: Path) -> None:
    browser.open(page, "program=1")
    assert browser.evaluate("[...document.querySelectorAll('.segments button')].map(e => e.textContent)") == [
        "forward",
        "backward",
    ]
    browser.click(".segments button:last-child")
    assert "@Sequential.backward" in browser.evaluate(TEXT)
    assert browser.problems() == []


def test_nothing_of_the_users_is_run(browser: Browser, tmp_path: Path) -> None:
    """Names, file names and source lines that try to be markup or script are text."""
    evil = "a</script><script>window.caught = 1</script><img src=x onerror='window.caught = 2'>z"
    source = tmp_path / "<img src=x onerror='window.caught = 3'>.py"
    source.write_text(f"def step(x):\n    return -x  # {evil}\n")
    names: dict[str, Any] = {}
    exec(compile(source.read_text(), str(source), "exec"), names)
    module = type(evil, (nn.Module,), {"forward": lambda self, x: names["step"](x)})()

    def step(x: Any) -> Any:
        return module(x)

    step.__name__ = evil
    program = lucid.compile(step).lower(np.ones(3, np.float32))
    target = program.explore(tmp_path / "page.html")
    browser.open(target, "stage=traced&value=0")
    assert browser.evaluate("window.caught === undefined")
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert evil in browser.evaluate("document.title + document.querySelector('#programs').textContent")
    assert evil in browser.evaluate("document.querySelector('.source').textContent")
    for view in ("graph", "kernels", "memory"):
        browser.click(f"[data-view={view}]")
    assert browser.evaluate("window.caught === undefined")


def test_a_foreign_script_is_refused(browser: Browser, page: Path, tmp_path: Path) -> None:
    """Should text ever become markup, the policy of the page stops it."""
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text().replace("</body>", "<script>window.caught = 1</script></body>"))
    browser.open(broken)
    assert browser.evaluate("window.caught === undefined")


def large_graph(count: int) -> Graph:
    builder, type = Builder(), TensorType(float32, (8,))
    x = Value(type, "x")
    values = [x]
    for number in range(count // 2):
        values += builder.add(Neg(), values[-1])
        values += builder.add(Add(), values[-1], values[number // 2])
    return Graph("large", (x,), (), tuple(builder.nodes), (values[-1],))


def page_of_a_large_graph(count: int, target: Path) -> Path:
    """The page of a program of so many nodes, and of a second stage with half of them."""
    graph = large_graph(count)
    stages = Stages(Files([]))
    graphs = {"traced": graph, "simplified": simplify(graph)}
    memory = {"arena": 0, "steps": 0, "sum": 0, "inputs": 0, "states": 0, "outputs": 0, "blocks": []}
    part: dict[str, Any] = {
        "title": "program",
        "stages": [stages.enter(name, graph, 1.0) for name, graph in graphs.items()],
        "calls": {"calls": [], "kernels": []},
        "memory": memory,
    }
    assert part["stages"][0]["count"] == count
    program = {"name": "large", "signature": "f32[8]", "parts": [part]}
    target.write_text(page_of({"version": "", "files": [], "programs": [program]}))
    return target


def test_what_the_page_does_grows_with_a_graph_no_faster_than_the_graph(browser: Browser, tmp_path: Path) -> None:
    def work(count: int) -> tuple[int, int]:
        """How often the page's functions and their branches ran, and how many elements it made."""
        page = page_of_a_large_graph(count, tmp_path / f"{count}.html")
        with browser.counting() as runs:
            browser.open(page, "stage=traced&view=graph")
            for action in ("graph.paint()", "go({ view: 'ir' })", "code.scroller.scrollTop = 20000"):
                browser.evaluate(action)
            browser.evaluate("search('add', true)")
        assert browser.evaluate("document.getElementById('found').textContent") == f"1 of {count // 2}"
        return runs[0], browser.evaluate("document.getElementsByTagName('*').length")

    (few_runs, few_elements), (many_runs, many_elements) = work(500), work(2000)
    assert few_runs > 500
    assert many_runs < 4.4 * few_runs
    assert many_elements < 1.1 * few_elements
