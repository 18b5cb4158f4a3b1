"""IR text as tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lucid.errors import ParseError

# A symbol is a token of its own kind. Possessive repetition: text of any size is scanned in linear time and space.
_TOKEN = re.compile(
    r"(?P<space>[ \t\r]++)"
    r"|(?P<newline>\n)"
    r"|(?P<comment>\#[^\n]*+)"
    r"|(?P<value>%[\w.]++)"
    r"|(?P<graph>@[\w.]++)"
    r"|(?P<number>-?(?:(?:inf|nan)\b|[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?))"
    r"|(?P<name>[^\W0-9]\w*+)"
    r'|(?P<string>"(?:[^"\\\n]|\\.)*+")'
    r"|(?P<symbol><-|[()\[\]{},:;=@+])"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text. Its kind is `value`, `graph`, `number`, `name`, `string`, `end`, or the symbol that it is."""

    kind: str
    text: str
    line: int
    column: int

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end of the text"
        return f"`{self.text if len(self.text) <= 40 else self.text[:37] + '...'}`"


class Scanner:
    """Cuts a text into tokens, on demand. `comments` has, by line, the comments that it has passed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.comments: dict[int, str] = {}
        self._offset = 0
        self._line = 1
        self._line_start = 0

    def next(self) -> Token:
        """The next token; at the end of the text, again and again, one of kind `end`."""
        while self._offset < len(self.text):
            column = self._offset - self._line_start + 1
            match = _TOKEN.match(self.text, self._offset)
            if match is None:
                character = Token("symbol", self.text[self._offset], self._line, column)
                raise self.error(character, f"expected a name, a number or a symbol, got {character}.")
            self._offset = match.end()
            kind = match.lastgroup
            if kind == "newline":
                self._line, self._line_start = self._line + 1, self._offset
            elif kind == "comment":
                self.comments[self._line] = match[0][1:].strip()
            elif kind != "space":
                assert kind is not None, "every alternative is a group"
                return Token(match[0] if kind == "symbol" else kind, match[0], self._line, column)
        return Token("end", "", self._line, self._offset - self._line_start + 1)

    def error(self, token: Token, sentence: str, hint: str | None = None) -> ParseError:
        """An error at a token, with its line."""
        # Tokens of earlier lines can be at fault too, so the line is looked for.
        line = self.text.split("\n", token.line)[token.line - 1]
        return ParseError(sentence, line=token.line, column=token.column, source=line, hint=hint)
