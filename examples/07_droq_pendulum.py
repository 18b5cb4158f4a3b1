"""DroQ swings a pendulum up: twenty critic updates for each step of the environment, in one native call.

    python examples/07_droq_pendulum.py [--steps 3000] [--out demo-output]

Hiraoka et al., "Dropout Q-functions for doubly efficient reinforcement learning", arXiv:2110.02034: soft actor-critic
whose two critics are Linear -> Dropout -> LayerNorm -> ReLU, so that a small ensemble bears many updates on little
data. Prints returns and updates a second, and writes a picture of the return against wall-clock time. A good return on
Pendulum is about -150 on average; random actions give about -1200.
"""

import argparse
import copy
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import lucid
import lucid.nn as nn
import lucid.nn.functional as F
import lucid.optim as optim
from lucid import Tensor

try:
    import gymnasium
    import matplotlib
    from tqdm import tqdm
except ModuleNotFoundError as missing:
    sys.exit(f'The example needs {missing.name}, which is not installed.\n  hint: pip install "lucid-compiler[rl]"')

STEPS = 3000  # of the environment: 15 episodes of 200
WARM_UP = 400  # steps with random actions
UPDATES = 20  # of the critics, for each step of the environment
BATCH, HIDDEN, DROPOUT = 128, 64, 0.01
DISCOUNT, TARGET_RATE = 0.99, 0.005
OBSERVATION, ACTION, LARGEST_ACTION = 3, 1, 2.0
SEED = 0

Array = np.ndarray


def critic() -> nn.Module:
    """Observation and action to the expected sum of discounted rewards and entropies."""
    layers: list[nn.Module] = []
    for inputs in (OBSERVATION + ACTION, HIDDEN):
        layers += [nn.Linear(inputs, HIDDEN), nn.Dropout(DROPOUT), nn.LayerNorm(HIDDEN), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(HIDDEN, 1))


class Critics(nn.Module):
    """Two critics of the same pairs: (2, N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList([critic(), critic()])

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        pair = lucid.concatenate([observation, action], -1)
        return lucid.stack([member(pair) for member in self.members])


class Policy(nn.Module):
    """Observation to a random action between -1 and 1, and the logarithm of its density: (N, 1) both."""

    def __init__(self) -> None:
        super().__init__()
        inner = nn.Sequential(nn.Linear(OBSERVATION, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU())
        self.body = nn.Sequential(inner, nn.Linear(HIDDEN, 2 * ACTION))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.body(observation).chunk(2, -1)
        log_std = log_std.clip(-5.0, 2.0)
        noise = lucid.randn_like(mean)
        before = mean + log_std.exp() * noise
        log_normal = -0.5 * (noise * noise + np.log(2.0 * np.pi)) - log_std
        log_slope = 2.0 * (np.log(2.0) - before - F.softplus(-2.0 * before))  # of tanh, which changes the density
        return before.tanh(), (log_normal - log_slope).sum(-1, keepdims=True)


class Agent:
    """The networks, and the compiled steps that train them."""

    def __init__(self) -> None:
        self.policy, self.critics = Policy(), Critics()
        self.targets = copy.deepcopy(self.critics)
        self.log_temperature = nn.Parameter([0.0])
        policy_optimizer = optim.Adam(self.policy.parameters(), lr=1e-3)
        critic_optimizer = optim.Adam(self.critics.parameters(), lr=1e-3)
        temperature_optimizer = optim.Adam([self.log_temperature], lr=1e-3)

        @lucid.compile
        def update_critics(observation: Tensor, action: Tensor, reward: Tensor, following: Tensor) -> Tensor:
            with lucid.no_grad():
                next_action, log_density = self.policy(following)
                value = self.targets(following, next_action).min(0) - self.log_temperature.exp() * log_density
                wanted = reward + DISCOUNT * value  # Pendulum ends by its time limit alone: there is always a next step
            critic_optimizer.zero_grad()
            loss = ((self.critics(observation, action) - wanted) ** 2).mean()
            loss.backward()
            critic_optimizer.step()
            with lucid.no_grad():
                for target, current in zip(self.targets.parameters(), self.critics.parameters(), strict=True):
                    target.copy_(target.lerp(current, TARGET_RATE))
            return loss

        @lucid.compile
        def update_policy(observation: Tensor) -> Tensor:
            action, log_density = self.policy(observation)
            value = self.critics(observation, action).mean(0)
            policy_optimizer.zero_grad()
            (self.log_temperature.detach().exp() * log_density - value).mean().backward()
            policy_optimizer.step()
            critic_optimizer.zero_grad()
            temperature_optimizer.zero_grad()
            surplus = (-log_density.detach() - -ACTION).mean()  # of entropy, over the usual target
            (self.log_temperature.exp() * surplus).sum().backward()
            temperature_optimizer.step()
            return surplus

        @lucid.compile
        def act(observation: Tensor) -> Tensor:
            with lucid.no_grad():
                return self.policy(observation)[0]

        self.update_critics, self.update_policy, self.act = update_critics, update_policy, act


class Replay:
    """What has been seen: observation, action, reward and the observation that followed."""

    def __init__(self, capacity: int) -> None:
        self.columns = [np.zeros((capacity, width), np.float32) for width in (OBSERVATION, ACTION, 1, OBSERVATION)]
        self.count = 0
        self.generator = np.random.default_rng(SEED)

    def add(self, *row: Array | float) -> None:
        for column, value in zip(self.columns, row, strict=True):
            column[self.count] = value
        self.count += 1

    def batches(self, *shape: int) -> list[Array]:
        chosen = self.generator.integers(0, self.count, shape)
        return [column[chosen] for column in self.columns]


@dataclass
class History:
    """What a training gave."""

    returns: list[float] = field(default_factory=list)  # of each episode
    seconds: list[float] = field(default_factory=list)  # since the start, at its end
    update_seconds: list[float] = field(default_factory=list)  # of the updates for each step of the environment


def train(steps: int) -> History:
    """Learn while acting, from the first step on."""
    lucid.seed(SEED)
    environment, agent, replay, history = gymnasium.make("Pendulum-v1"), Agent(), Replay(steps), History()
    generator = np.random.default_rng(SEED)
    observation, _ = environment.reset(seed=SEED)
    total, start = 0.0, time.perf_counter()
    progress = tqdm(range(steps), unit="step")
    for step in progress:
        if step < WARM_UP:
            action = generator.uniform(-1.0, 1.0, ACTION).astype(np.float32)
        else:
            action = agent.act(observation[None]).numpy()[0]
        following, reward, _, is_over, _ = environment.step(LARGEST_ACTION * action)
        replay.add(observation, action, float(reward), following)
        observation, total = following, total + float(reward)
        if step >= WARM_UP:
            begin = time.perf_counter()
            agent.update_critics.repeat(*replay.batches(UPDATES, BATCH))
            agent.update_policy(replay.batches(BATCH)[0])
            history.update_seconds.append(time.perf_counter() - begin)
        if is_over:
            history.returns.append(total)
            history.seconds.append(time.perf_counter() - start)
            progress.set_postfix({"return": f"{total:.0f}"})
            total, (observation, _) = 0.0, environment.reset()
    return history


def plot(history: History, path: Path) -> None:
    """Draw the return of each episode against the time it was over."""
    matplotlib.use("Agg")  # draws into a file, without a screen
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot(history.seconds, history.returns, marker="o", markersize=3, color="tab:blue")
    axes.axhline(-200.0, color="black", linewidth=0.8, linestyle="dashed", label="-200")
    axes.set(xlabel="seconds since the start", ylabel="return of an episode", title="DroQ on Pendulum")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train DroQ on Pendulum.")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of the environment; default: {STEPS}")
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="default: demo-output")
    options = parser.parse_args()
    if options.steps < 1000:
        parser.error(f"--steps takes at least 1000, got {options.steps}")
    history = train(options.steps)
    path = options.out / "droq_pendulum.png"
    plot(history, path)
    updates = UPDATES / np.median(history.update_seconds)
    before, after = np.mean(history.returns[:2]), np.mean(history.returns[-5:])
    print(f"updates   {updates:.0f} of the critics a second, in the median, each twentieth with one of the policy")
    print(f"return    {before:.0f} with random actions, {after:.0f} in the last five episodes")
    print(f"time      {history.seconds[-1]:.0f} s for {options.steps} steps of the environment")
    print(f"written   {path}")


if __name__ == "__main__":
    main()
