"""Names of arguments that an optimizer does not have: what to write for those of other libraries, and for typos."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping

from lucid.missing_names import near_name

# Lucid's names, by the name in PyTorch, Keras or Optax of the same number.
NAMES = {"learning_rate": "lr", "rho": "alpha", "epsilon": "eps", "wd": "weight_decay"}

# Those of what another number says, by its name: the first that an optimizer has is the one.
RELATED: dict[str, tuple[str, ...]] = {
    "momentum": ("betas",),
    **dict.fromkeys(("beta1", "beta_1", "b1", "beta2", "beta_2", "b2"), ("betas", "beta2_decay")),
    "l2": ("weight_decay",),
}

# What to know of others.
_CLIP = "clip gradients before the step: nn.utils.clip_grad_norm_(parameters, 1.0)."
_COMPILE = "leave it out: a compiled step updates all parameters in one native call."
EXPLAINED = {
    **dict.fromkeys(("foreach", "fused", "capturable"), _COMPILE),
    "differentiable": "leave it out: nothing is recorded in a step.",
    **dict.fromkeys(("clipnorm", "global_clipnorm"), _CLIP),
    "clipvalue": "clip gradients before the step: nn.utils.clip_grad_value_(parameters, 1.0).",
}


def hint_for(unknown: str, value: object, known: Mapping[str, object]) -> str | None:
    """What to write instead of an argument and its value that an optimizer does not have, by the defaults of those it
    has."""
    if NAMES.get(unknown) in known:
        return f"write `{NAMES[unknown]}={reprlib.repr(value)}`."
    for name in RELATED.get(unknown, ()):
        if name in known:
            return f"write `{name}={known[name]!r}`."
    return EXPLAINED.get(unknown) or near_name(unknown, known)
