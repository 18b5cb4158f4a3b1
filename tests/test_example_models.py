"""The examples that train models do it, on short runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.examples import EXAMPLES, load, run


def test_the_autoencoder_learns(tmp_path: Path) -> None:
    example = load("05_autoencoder_digits")
    training, test = example.load_splits()
    trained = example.train(training, epochs=10)
    assert trained.losses[-1] < 27.0 < 30.0 < trained.losses[0]
    assert example.bound(trained.model, test) < 28.0
    example.plot(trained.model, test, tmp_path / "plane.png", side=4)
    assert (tmp_path / "plane.png").read_bytes().startswith(b"\x89PNG")


def test_the_autoencoder_prints_what_it_promises(tmp_path: Path) -> None:
    printed = run(EXAMPLES / "05_autoencoder_digits.py", "--epochs", "1", "--out", tmp_path).stdout
    assert [line.split()[0] for line in printed.splitlines()] == ["step", "bound", "written"]


def test_the_gpt_learns(tmp_path: Path) -> None:
    example = load("06_character_gpt")
    text = example.python_help()
    assert len(text.training) > 300_000
    trained = example.train(text, 60)
    assert trained.losses[0] == pytest.approx(np.log(len(text.alphabet)), abs=0.2)  # it knows nothing yet
    assert trained.tests[-1][0] == 60
    assert trained.tests[-1][1] < 2.9
    written = example.write(trained.model, text, "The class ", 20)
    assert written.startswith("The class ")
    assert len(written) == 30
    assert set(written) <= set(text.alphabet)
    example.plot(trained, tmp_path / "gpt.png")
    assert (tmp_path / "gpt.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_droq_learns(tmp_path: Path) -> None:
    example = load("07_droq_pendulum")
    history = example.train(1200)
    assert max(history.returns[:4]) < -900.0 < -400.0 < history.returns[5]
    assert len(history.update_seconds) == 800
    example.plot(history, tmp_path / "droq.png")
    assert (tmp_path / "droq.png").read_bytes().startswith(b"\x89PNG")


def test_what_droq_samples() -> None:
    """The density of an action is that of the normal number behind it, over the slope of tanh there."""
    example = load("07_droq_pendulum")
    import lucid

    lucid.seed(0)
    policy, observation = example.Policy(), lucid.randn(1000, 3)
    state = lucid.get_state()
    with lucid.no_grad():
        action, log_density = (x.numpy().astype("float64") for x in policy(observation))
        lucid.set_state(state)
        mean, log_std = (x.numpy().astype("float64") for x in policy.body(observation).chunk(2, -1))
        before = mean + np.exp(log_std) * lucid.randn(1000, 1).numpy()
    np.testing.assert_allclose(action, np.tanh(before), rtol=1e-4, atol=1e-6)
    z = (before - mean) / np.exp(log_std)
    expected = -0.5 * z**2 - 0.5 * np.log(2.0 * np.pi) - log_std - np.log1p(-(np.tanh(before) ** 2))
    np.testing.assert_allclose(log_density, expected, rtol=1e-3, atol=1e-3)
