"""The examples run and do what they say."""

import gzip
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lucid.ir.text import parse, print_graph
from tests.examples import EXAMPLES, load, run

CNN = EXAMPLES / "03_cnn.py"
DIGITS = EXAMPLES / "01_train_digits.py"
ADDING = EXAMPLES / "04_lstm_adding.py"
LINEAR_DROPOUT = EXAMPLES / "02_linear_dropout.py"


@pytest.fixture(scope="module")
def digits() -> ModuleType:
    return load("01_train_digits")


def test_the_demo_prints_and_writes_what_it_promises(tmp_path: Path) -> None:
    out = tmp_path / "new" / "output"
    done = run(DIGITS, "--epochs", "3", "--out", out)
    for label in ("eager", "compiled"):
        assert re.search(rf"^{label} +\d+ us a step", done.stdout, re.MULTILINE)
        assert f"{label:8}: 100%" in done.stderr, "the progress bar"
    assert "Eager mode is the interpreter" in done.stdout
    agreement = re.search(r"^losses +agree to (\S+) of their value in all 66 steps$", done.stdout, re.MULTILINE)
    assert agreement is not None
    assert float(agreement[1]) < 1e-4
    accuracy = re.search(r"^accuracy +(\S+) on the test split", done.stdout.splitlines()[-1])
    assert accuracy is not None
    assert float(accuracy[1]) > 0.75  # guessing gives 0.1

    assert (out / "losses.png").read_bytes().startswith(b"\x89PNG")
    folder = out / "train_step"
    texts = [path.read_text() for path in sorted(folder.glob("*.ir"))]
    names = [path.name for path in sorted(folder.glob("*.ir"))]
    assert (names[0], names[1], names[-1]) == ("0-traced.ir", "1-differentiated.ir", f"{len(names) - 1}-planned.ir")
    for text in texts:
        assert print_graph(parse(text)) + "\n" == text
    assert " = grad " in texts[0]
    assert " = fused " in texts[-1]
    assert "define" in (folder / "llvm.ll").read_text()
    assert "\tret" in (folder / "machine.s").read_text()


def test_the_demo_reaches_its_accuracy(digits: ModuleType) -> None:
    train_images, test_images, train_labels, test_labels = digits.load_splits()
    data = list(digits.batches(train_images, train_labels, digits.EPOCHS))
    trained = digits.train(data, compiled=True)
    assert len(trained.step.programs) == 1
    assert digits.accuracy(trained.model, test_images, test_labels) >= 0.96


def test_a_hundred_steps_agree_with_eager(digits: ModuleType) -> None:
    train_images, _, train_labels, _ = digits.load_splits()
    data = list(digits.batches(train_images, train_labels, digits.EPOCHS))[:100]
    eager, compiled = digits.train(data, compiled=False), digits.train(data, compiled=True)
    np.testing.assert_allclose(compiled.losses, eager.losses, rtol=1e-4)
    for position in (2, 5):
        masks = [run.model[position].mask.numpy() for run in (eager, compiled)]
        np.testing.assert_array_equal(*masks)
        assert 0.0 < masks[0].mean() < 1.0
    named = zip(eager.model.named_parameters(), compiled.model.named_parameters(), strict=True)
    for (name, expected), (_, parameter) in named:
        scale = np.abs(expected.grad.numpy()).max()
        np.testing.assert_allclose(parameter.grad, expected.grad, rtol=1e-3, atol=1e-4 * scale, err_msg=name)


def test_a_missing_extra_is_named() -> None:
    hide = "import sys, runpy; sys.modules['tqdm'] = None; "
    done = run("-c", f"{hide}runpy.run_path({str(DIGITS)!r}, run_name='__main__')", code=1)
    assert done.stderr.strip() == (
        'The demo needs tqdm, which is not installed.\n  hint: pip install "lucid-compiler[demo]"'
    )


def test_epochs_must_be_positive() -> None:
    assert "--epochs takes a positive number, got 0" in run(DIGITS, "--epochs", "0", code=2).stderr


def test_linear_dropout_tells_its_story() -> None:
    printed = run(LINEAR_DROPOUT).stdout
    sections = dict(re.findall(r"^# ([^:\n]+)(?:: [^\n]+)?\n\n(.*?)\n(?=\n# |\Z)", printed, re.DOTALL | re.MULTILINE))
    eager, compiled = sections.pop("Dropout").removeprefix("eager\n").split("\ncompiled\n")
    assert eager == compiled
    assert "[[2.0, 0.0, 6.0, 8.0]]" in eager
    eager, compiled = sections.pop("Linear -> Dropout").removeprefix("eager\n").split("\ncompiled\n")
    assert eager.splitlines()[1] == compiled.splitlines()[1] == "  mask       [[1.0, 0.0]]"

    graphs = {title: parse(text) for title, text in sections.items()}
    assert all(print_graph(graphs[title]) == text for title, text in sections.items())
    assert list(graphs) == [
        "traced",
        "differentiated",
        "simplified",
        "partitioned",
        "ordered",
        "fused",
        "planned",
        "fused, the backward",
    ]

    def ops(title: str) -> list[str]:
        return [node.op.name for node in graphs[title].nodes if node.op.name != "const"]

    assert ops("traced") == ["transpose", "matmul", "broadcast", "add", "random_keep", "cast", "mul", "mul", "add"]
    assert not any(node.backward for node in graphs["traced"].nodes)
    assert any(node.backward for node in graphs["differentiated"].nodes)
    assert "transpose" not in ops("simplified")
    assert ops("fused") == ["matmul", "fused", "fused"]
    assert "@add_random_keep_cast_mul(" in sections["fused"]


def test_the_lstm_learns_to_remember(tmp_path: Path) -> None:
    done = run(ADDING, "--steps", "500", "--length", "8", "--out", tmp_path)
    assert "100%" in done.stderr
    lines = re.search(r"^program +(\d+) lines of IR", done.stdout, re.MULTILINE)
    error = re.search(r"^error +(\S+) on sequences not seen, where guessing gives 0\.1667$", done.stdout, re.MULTILINE)
    assert lines is not None
    assert error is not None
    assert float(error[1]) < 0.02
    assert (tmp_path / "lstm_adding.png").read_bytes().startswith(b"\x89PNG")
    assert "--steps takes a number from 1" in run(ADDING, "--steps", "0", code=2).stderr


def test_the_convolutional_network_learns_small_pictures(tmp_path: Path) -> None:
    done = run(CNN, "--data", "digits", "--epochs", "12", "--out", tmp_path)
    assert "100%" in done.stderr
    assert done.stdout.startswith("1437 pictures to train on, 360 to test\n")
    accuracy = re.search(r"^accuracy +(\S+) on the test pictures$", done.stdout, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.95  # guessing gives 0.1
    assert (tmp_path / "cnn.png").read_bytes().startswith(b"\x89PNG")


def test_the_convolutional_network_reads_the_files_of_fashion_mnist(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for part, count in (("train", 128), ("t10k", 10)):
        labels = generator.integers(0, 10, count).astype(np.uint8)
        images = generator.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            head = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    done = run(CNN, "--data", tmp_path, "--epochs", "1", "--out", tmp_path / "out")
    assert done.stdout.startswith("128 pictures to train on, 10 to test\n")
    missing = run(CNN, "--data", tmp_path / "nowhere", code=1).stderr
    assert "train-images-idx3-ubyte.gz is missing.\n  hint: install Debian's package" in missing
