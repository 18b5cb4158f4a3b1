"""The language model of the benchmark, in code that Lucid and PyTorch both run as it stands: `model(nn, F, ...)`."""

from __future__ import annotations

from typing import Any


def model(nn: Any, F: Any, width: int, heads: int, layers: int, length: int, vocabulary: int, p: float) -> Any:  # noqa: N803
    """A GPT of `layers` blocks with pre-normalization: tokens (N, T) to logits (N, T, vocabulary).

    Radford et al., "Language models are unsupervised multitask learners", 2019, section 2.3. Dropout with probability p
    is behind the embedding, in the attention, and behind both halves of a block.
    """

    class Attention(nn.Module):  # type: ignore[misc, name-defined]  # nn is an argument
        def __init__(self) -> None:
            super().__init__()
            self.inputs, self.outputs = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x: Any) -> Any:
            batch, count, _ = x.shape
            parts = (part.reshape(batch, count, heads, -1) for part in self.inputs(x).chunk(3, -1))
            query, key, value = (part.transpose(1, 2) for part in parts)
            mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=p, is_causal=True)
            return self.outputs(mixed.transpose(1, 2).reshape(batch, count, width))

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.Sequential(nn.LayerNorm(width), Attention(), nn.Dropout(p))
            self.perceptron = nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(p)
            )

        def forward(self, x: Any) -> Any:
            x = x + self.attention(x)
            return x + self.perceptron(x)

    class Model(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
            self.dropout = nn.Dropout(p)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary))

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(self.dropout(self.tokens(x) + self.places.weight)))

    return Model()
