"""The text form of a graph: `print_graph` writes it, `parse` reads it back.

    graph @train_step(%x: f32[64, 64], %y: i64[64], %0.weight: state f32[128, 64], %lr: f32[]) {
      %h: f32[64, 128] = matmul %x, %0.weight, transpose_b=true    # 0: Linear  train.py:12
      %g: f32[128, 64] = grad %loss, %seed, %0.weight              # train.py:13
      check %position, %y, message="class {value} is out of range"
      %8: f32[64, 128] @ arena+4096 = fused %h, %b in backward 1 @bias(%a: f32[64, 128], %c: f32[64, 128]) {
        %0: f32[64, 128] = add %a, %c
        return %0
      }
      return %loss ; %0.weight <- %w1
    }

- A statement is an op: its results, its name, its operands, its attributes as `name=value`. It ends with its line
  or with `;`; after a comma or an opening bracket it goes on. A comment runs from `#` to the end of the line. The name
  of an op that a user declared has a namespace: `mylib.cube`.
- An attribute equal to its default is left out. So are `type`, `shape` and `dtype` where they repeat the type of the
  only result: `%5: f32[64, 10] = broadcast %b`, `%6: f32[] = const value=0.5`. Written out, they mean the same, and
  the types of the results may then be left out.
- Values of attributes: `true`, `3`, `0.1`, `-inf`, `nan`, `"text"` (escapes as in JSON), `none`, `(1, 2)`, `f32`,
  `f32[64, 128]`. The value of a `const` is rounded to its dtype: `0.1` in f32 is the float32 nearest to 0.1.
- Regions, the graphs inside an op, come last. A region sees its own values only, so it may use any names.
- `in backward 1` marks a node that the sweep of the first grad op made. (No attribute can be called `in`.)
- `@ arena+4096` or `@ %other` after a type is the place of a planned value.
- `state` marks the values that may be written; `%state <- %new` after `return ... ;` writes one.
- A value is named by its hint, made unique; one without a hint has a number. A name of digits is not a hint.
- The comment on an op's line is its location. Text keeps no folders, so a parsed Location has the file's name only.
"""

from lucid.ir.text_parse import parse
from lucid.ir.text_print import print_graph

__all__ = ["parse", "print_graph"]
