"""Running commands in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import lucid
from lucid.cli.main import main

SCRIPT = """
import sys

import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim

model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.25), nn.Linear(16, 4))
optimizer = optim.SGD(model.parameters(), lr=0.1)
number = 3


class Two(nn.Module):
    def forward(self, x, scale=1.0):
        return x * scale, (x * x).sum()


two = Two()


def loss(x):
    return model(x).sum()


def train_step(x, y):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


def square(x):
    return x * x


if __name__ == "__main__":
    sys.exit("trained")
"""


@dataclass(frozen=True)
class Outcome:
    """The exit code and what was printed."""

    code: int
    output: str
    errors: str


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """Runs `lucid ...` in a folder with the file train.py, and expects an exit code, or any."""
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    state = lucid.get_state()

    def run(*arguments: str | Path, code: int | None = 0) -> Outcome:
        try:
            found = main(list(map(str, arguments)))
        except SystemExit as end:  # argparse
            found = int(end.code or 0)
        lucid.set_state(state)
        captured = capsys.readouterr()
        assert code is None or found == code, captured.out + captured.err
        return Outcome(found, captured.out, captured.err)

    return run
