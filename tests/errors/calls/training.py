"""Calls of optimizers, schedules, averages of weights, initializers, and what works on gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.errors.calls.arrays import LINE, SQUARE, TABLE, floats, integers
from tests.errors.calls.call import Call, Of, call, unlike

NO_TENSOR = "rank shape dtype"


def weights(library: Any) -> Any:
    return [library.tensor(TABLE, requires_grad=True)]


def linear(library: Any) -> Any:
    return library.nn.Linear(3, 2)


def optimizer(library: Any) -> Any:
    return library.optim.SGD(weights(library), lr=0.1, momentum=0.9)


def sequence(library: Any) -> Callable[..., Any]:
    """SequentialLR with schedules of its optimizer."""
    own = optimizer(library)
    two = [library.optim.lr_scheduler.StepLR(own, 2) for _ in range(2)]

    def make(milestones: Any, schedulers: Any = two, optimizer: Any = own) -> Any:
        return library.optim.lr_scheduler.SequentialLR(optimizer, schedulers, milestones)

    return make


def with_grads(library: Any) -> Any:
    (weight,) = weights(library)
    (weight * weight).sum().backward()
    return [weight]


def loaded(kind: str) -> Any:
    return lambda library: getattr(library, kind)


PARAMETERS, MODEL, OPTIMIZER, GRADED = Of(weights), Of(linear), Of(optimizer), Of(with_grads)
COUNTED = Of(lambda library: [library.tensor(integers(3))])
COMPUTED = Of(lambda library: [weights(library)[0] * 2.0])
TWICE = Of(lambda library: weights(library) * 2)
NAN = float("nan")
MUON = (("ns_steps", 100), ("ns_steps", "x"), ("eps", -1.0), ("ns_coefficients", (1.0, 2.0)))

CALLS: list[Call] = [
    *(
        call(
            *(f"optim.{name}", PARAMETERS, 0.1),
            takes="rank shape",
            bad={
                "value": [
                    *({1: -1.0}, {1: "x"}, {1: NAN}, {0: []}, {0: 1}, {0: [1]}, {0: COMPUTED}, {0: TWICE}),
                    *({argument: -1.0} for argument in arguments),
                    {0: [{"lr": 0.1}]},
                ],
                "dtype": {0: COUNTED},
            },
        )
        for name, arguments in {
            "SGD": ("momentum", "weight_decay"),
            "Adadelta": ("rho", "eps", "weight_decay"),
            "Adagrad": ("lr_decay", "eps", "weight_decay", "initial_accumulator_value"),
            "Adam": ("betas", "eps", "weight_decay"),
            "AdamW": ("betas", "eps", "weight_decay"),
            "Adamax": ("betas", "eps", "weight_decay"),
            "Lion": ("betas", "weight_decay"),
            "NAdam": ("betas", "eps", "weight_decay", "momentum_decay"),
            "RAdam": ("betas", "eps", "weight_decay"),
            "RMSprop": ("alpha", "eps", "weight_decay", "momentum"),
            "Rprop": ("etas", "step_sizes"),
            "ASGD": ("weight_decay",),
            "Adafactor": ("eps", "d", "weight_decay"),
        }.items()
    ),
    call(
        "optim.Muon",
        Of(lambda library: [library.nn.Linear(2, 3).weight]),
        0.1,
        takes="rank",
        bad={
            "shape": {0: Of(lambda library: [library.nn.Linear(2, 3).bias])},
            "value": [
                *({1: -1.0}, {1: "x"}, {1: NAN}, {0: []}, {0: 1}),
                *({argument: -1.0} for argument in ("momentum", "weight_decay", "ns_coefficients")),
                *(unlike({argument: value}, "looks at it in a step") for argument, value in MUON),
                {"adjust_lr_fn": "adamw"},
            ],
            "dtype": {0: Of(lambda library: [library.tensor(integers(2, 3))])},
        },
    ),
    call(
        "optim.Adam",
        PARAMETERS,
        0.1,
        (0.9, 0.99),
        takes="rank shape dtype",
        bad={"value": [{2: (0.9, 1.5)}, {2: (0.9,)}, {2: 0.9}]},
    ),
    call(
        "optim.SGD",
        PARAMETERS,
        0.1,
        takes="rank shape dtype",
        nesterov=True,
        momentum=0.9,
        bad={"value": {"momentum": 0.0}},
    ),
    call(
        "optim.Optimizer.add_param_group",
        OPTIMIZER,
        Of(lambda library: {"params": weights(library)}),
        takes="rank shape",
        bad={
            "value": [
                {1: {}},
                {1: 1},
                {1: {"params": []}},
                {1: Of(lambda library: {"params": weights(library), "lr": -1.0})},
            ],
            "dtype": {1: Of(lambda library: {"params": COUNTED.make(library)})},
        },
    ),
    call(
        "optim.Optimizer.load_state_dict",
        OPTIMIZER,
        Of(lambda library: optimizer(library).state_dict()),
        takes="rank shape dtype value",
        bad={"state": [{1: {}}, {1: 1}, {1: {"state": {}, "param_groups": []}}]},
    ),
    call("optim.Optimizer.to", OPTIMIZER, "cpu", takes="rank shape", bad={"dtype": [{1: 1}], "value": {1: "tpu"}}),
    call("optim.Optimizer.step", OPTIMIZER, takes="rank shape dtype", bad={"value": {1: 1}}),
    # Schedules.
    call(
        "lr_scheduler.LambdaLR",
        OPTIMIZER,
        Of(lambda _: lambda epoch: 0.9**epoch),
        takes=NO_TENSOR,
        bad={"value": [{0: 1}, {1: 1}, {1: [1]}, {1: []}]},
    ),
    call(
        "lr_scheduler.MultiplicativeLR",
        OPTIMIZER,
        Of(lambda _: lambda epoch: 0.9),
        takes=NO_TENSOR,
        bad={"value": [{0: 1}, {1: []}]},
    ),
    call(
        "lr_scheduler.StepLR", OPTIMIZER, 2, 0.1, takes=NO_TENSOR, bad={"value": [{0: 1}, {1: 0}, {1: "x"}, {2: "x"}]}
    ),
    call(
        "lr_scheduler.MultiStepLR", OPTIMIZER, [2, 4], 0.1, takes=NO_TENSOR, bad={"value": [{0: 1}, {1: 2}, {1: ["x"]}]}
    ),
    call(
        "lr_scheduler.ConstantLR",
        OPTIMIZER,
        0.5,
        3,
        takes=NO_TENSOR,
        bad={"value": [{0: 1}, {1: 1.5}, {1: "x"}, {2: "x"}]},
    ),
    call(
        "lr_scheduler.LinearLR",
        OPTIMIZER,
        0.5,
        1.0,
        3,
        takes=NO_TENSOR,
        bad={"value": [{0: 1}, {1: 0.0}, {1: 1.5}, {2: 1.5}, {3: "x"}]},
    ),
    call("lr_scheduler.ExponentialLR", OPTIMIZER, 0.9, takes=NO_TENSOR, bad={"value": [{0: 1}, {1: "x"}]}),
    call("lr_scheduler.PolynomialLR", OPTIMIZER, 3, 1.0, takes=NO_TENSOR, bad={"value": [{0: 1}, {1: "x"}, {1: 0}]}),
    call("lr_scheduler.CosineAnnealingLR", OPTIMIZER, 3, takes=NO_TENSOR, bad={"value": [{0: 1}, {1: "x"}, {1: 0}]}),
    call(
        "lr_scheduler.CosineAnnealingWarmRestarts",
        OPTIMIZER,
        3,
        2,
        takes=NO_TENSOR,
        bad={"value": [{0: 1}, {1: 0}, {1: 0.5}, {2: 0}]},
    ),
    call(
        "lr_scheduler.CyclicLR",
        OPTIMIZER,
        0.1,
        0.2,
        3,
        takes=NO_TENSOR,
        bad={"value": [{0: 1}, {1: [0.1, 0.2]}, {3: 0}, {1: "x"}, {"mode": "square"}]},
    ),
    call(
        "lr_scheduler.OneCycleLR",
        OPTIMIZER,
        0.2,
        10,
        takes=NO_TENSOR,
        bad={"value": [{0: 1}, {1: "x"}, {2: 0}, {2: None}, {"pct_start": 1.5}, {"anneal_strategy": "line"}]},
    ),
    call(
        "lr_scheduler.ReduceLROnPlateau",
        OPTIMIZER,
        takes=NO_TENSOR,
        bad={
            "value": [{0: 1}, {"mode": "middle"}, {"factor": 1.5}, {"threshold_mode": "both"}, {"min_lr": [0.1, 0.2]}]
        },
    ),
    call(
        *(
            "lr_scheduler.ChainedScheduler",
            Of(lambda library: [library.optim.lr_scheduler.StepLR(optimizer(library), 2)]),
        ),
        takes=NO_TENSOR,
        bad={
            "value": [
                {0: []},
                {0: [1]},
                {0: 1},
                {0: Of(lambda library: [library.optim.lr_scheduler.StepLR(optimizer(library), 2) for _ in "ab"])},
            ]
        },
    ),
    call(
        "lr_scheduler.SequentialLR",
        [2],
        target=sequence,
        takes=NO_TENSOR,
        bad={"value": [{0: []}, {0: [2, 1]}], "type": [{0: 2}, {"schedulers": 1}, {"optimizer": 1}]},
    ),
    # Averages of weights, gradients.
    call("swa_utils.AveragedModel", MODEL, takes=NO_TENSOR, bad={"value": {0: 1}}),
    call(
        "swa_utils.SWALR",
        OPTIMIZER,
        0.1,
        takes=NO_TENSOR,
        bad={"value": [{0: 1}, {"anneal_strategy": "line"}, {"anneal_epochs": -1}]},
    ),
    call("swa_utils.update_bn", (), MODEL, takes=NO_TENSOR, bad={"value": {1: 1}}),
    call("swa_utils.get_swa_avg_fn", takes=f"{NO_TENSOR} value", bad={}),
    call("swa_utils.get_swa_multi_avg_fn", takes=f"{NO_TENSOR} value", bad={}),
    call("swa_utils.get_ema_multi_avg_fn", 0.9, takes=NO_TENSOR, bad={"value": [{0: 1.5}, {0: "x"}]}),
    call("swa_utils.get_ema_avg_fn", 0.9, takes=NO_TENSOR, bad={"value": [{0: 1.5}, {0: "x"}]}),
    call("utils.clip_grad_norm_", GRADED, 1.0, takes=NO_TENSOR, bad={"value": [{1: "x"}, {2: "x"}, {0: 1}]}),
    call("utils.clip_grads_with_norm_", GRADED, 1.0, 2.0, takes=NO_TENSOR, bad={"value": [{1: "x"}, {0: 1}]}),
    call("utils.clip_grad_value_", GRADED, 1.0, takes=NO_TENSOR, bad={"value": [{1: "x"}, {0: 1}]}),
    call("utils.get_total_norm", GRADED, takes=NO_TENSOR, bad={"value": [{1: "x"}, {0: 1}]}),
    call("utils.parameters_to_vector", PARAMETERS, takes=NO_TENSOR, bad={"value": [{0: 1}, {0: []}]}),
    call(
        "utils.vector_to_parameters",
        floats(6),
        PARAMETERS,
        takes="value dtype",
        bad={"rank": {0: SQUARE}, "shape": {0: floats(7)}},
    ),
    # Initializers.
    *(
        call(
            f"init.{name}",
            Of(lambda library: library.tensor(TABLE)),
            *arguments,
            takes="rank shape",
            bad={"value": bad, "dtype": {0: integers(2, 3)}},
        )
        for name, arguments, bad in (
            ("uniform_", (0.0, 1.0), [{1: 2.0}, {1: "x"}]),
            ("normal_", (0.0, 1.0), [{2: -1.0}, {1: "x"}]),
            ("trunc_normal_", (0.0, 1.0), [{2: "x"}, {3: 3.0}]),
        )
    ),
    call("init.constant_", TABLE, 0.5, takes=NO_TENSOR, bad={"value": {1: "x"}}),
    call("init.ones_", TABLE, takes="rank shape dtype", bad={"value": {0: 1}}),
    call("init.zeros_", TABLE, takes="rank shape dtype", bad={"value": {0: 1}}),
    call("init.eye_", TABLE, takes="shape dtype value", bad={"rank": {0: LINE}}),
    call("init.dirac_", floats(2, 3, 3), takes="shape dtype", bad={"rank": {0: LINE}, "value": {1: 3}}),
    *(
        call(f"init.{name}", TABLE, takes="shape", bad={"rank": {0: LINE}, "dtype": {0: integers(2, 3)}, "value": bad})
        for name, bad in (
            ("xavier_uniform_", {1: "x"}),
            ("xavier_normal_", {1: "x"}),
            ("kaiming_uniform_", [{1: "x"}, {"mode": "fan"}, {"nonlinearity": "sine"}]),
            ("kaiming_normal_", [{1: "x"}, {"mode": "fan"}, {"nonlinearity": "sine"}]),
            ("orthogonal_", {1: "x"}),
        )
    ),
    call("init.calculate_gain", "leaky_relu", 0.1, takes=NO_TENSOR, bad={"value": [{0: "sine"}, {1: "x"}]}),
]
