"""The smallest story: Dropout, then Linear -> Dropout, eager and compiled, and what the compiler made of it.

python examples/02_linear_dropout.py
"""

import numpy as np

import lucid
import lucid.nn as nn
from lucid import Tensor

WHAT_CHANGED = {
    "traced": "What ran, in order: a Linear is a matmul and a bias; a Dropout is a mask, a multiply and a scale.",
    "differentiated": "The backward was derived, from %seed, the gradient of the output. It begins with the scale.",
    "simplified": "The transposes went into the matmuls, and what nobody reads (the gradient of the mask) is gone.",
    "partitioned": "The forward alone. What the backward needs of it, here the mask, is one more output.",
    "ordered": "Each matmul and sum got the order of its additions: the same bits on every machine.",
    "fused": "Bias, mask, multiply and scale are one kernel: one loop, that stores its result and the mask.",
    "planned": "Every value has a place: in the arena, in a result, or in the state that it becomes.",
}


class DropoutModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(in_features=4, out_features=2)
        self.dropout = nn.Dropout(p=0.5)

    def forward(self, x):
        return self.dropout(self.linear(x))


def run(title, function, dropout):
    """Print what the function gives for one input and one seed, and return it: output, mask and gradient."""
    lucid.seed(3)
    input_data = Tensor([[1.0, 2.0, 3.0, 4.0]], requires_grad=True)
    output = function(input_data)
    output.backward()
    print(title)
    print("  output    ", output)
    print("  mask      ", dropout.mask)
    print("  input.grad", input_data.grad)
    return output, dropout.mask, input_data.grad


def compare(module, dropout):
    """Run a module eagerly and compiled from the same seed; the results must be the same. Returns the compiled one."""
    compiled = lucid.compile(module)
    results = run("eager", module, dropout), run("compiled", compiled, dropout)
    for eager, native in zip(*results, strict=True):
        np.testing.assert_allclose(eager, native, rtol=1e-6)
    return compiled


print("# Dropout\n")
dropout = nn.Dropout(p=0.5)
compare(dropout, dropout)

print("\n# Linear -> Dropout\n")
lucid.seed(0)
model = DropoutModel()
compiled = compare(model, model.dropout)

(program,) = compiled.programs
for stage in program.stages:
    print(f"\n# {stage}: {WHAT_CHANGED[stage]}\n")
    print(program.ir(stage))
print("\n# fused, the backward: a program of its own, which output.backward() runs.\n")
print(program.backward.ir("fused"))
