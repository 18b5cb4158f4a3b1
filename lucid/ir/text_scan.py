"""IR text as a stream of tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, NoReturn, TypeVar

from lucid.errors import ParseError

T = TypeVar("T")

# Possessive repetition scans text of any size in linear time and space. It matches everywhere, once a token.
_TOKEN = re.compile(
    r"[ \t\r]*+(?:"
    r"(?P<newline>\n)"
    r"|(?P<comment>\#[^\n]*+)"
    r"|(?P<value>%[\w.]++)"
    r"|(?P<label>@[\w.]++)"
    r"|(?P<number>-?(?:(?:inf|nan)\b|[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?))"
    r"|(?P<name>[^\W0-9]\w*+(?:\.[^\W0-9]\w*+)*+)"
    r'|(?P<string>"(?:[^"\\\n]|\\.)*+")'
    r"|(?P<symbol><-|[()\[\]{},:;=@+])"
    r"|(?P<end>\Z)"
    r"|(?P<unknown>.))"
)


class Token(NamedTuple):
    """A piece of text. Its kind is `value` (%x), `label` (@f), `number`, `name`, `string`, `end`, or a symbol."""

    kind: str
    text: str
    line: int
    column: int

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end of the text"
        return f"`{self.text if len(self.text) <= 40 else self.text[:37] + '...'}`"


class Scanner:
    """Cuts a text into tokens on demand, with one token of lookahead.

    `comments` has the comments that the lookahead has passed, by line.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.comments: dict[int, str] = {}
        self._offset = 0
        self._line = 1
        self._line_start = 0
        self.token = self._next()
        self._last_line = 1  # of the token before

    def _next(self) -> Token:
        while True:
            match = _TOKEN.match(self.text, self._offset)
            assert match is not None
            kind = str(match.lastgroup)
            text = match[kind]
            self._offset = match.end()
            if kind == "newline":
                self._line, self._line_start = self._line + 1, self._offset
            elif kind == "comment":
                self.comments[self._line] = text[1:].strip()
            else:
                column = self._offset - len(text) - self._line_start + 1
                if kind == "unknown":
                    what = "a closing quote on this line" if text == '"' else "a name, a number or a symbol"
                    character = Token("symbol", text, self._line, column)
                    self.fail(character, f"expected {what}, got {character}.")
                return Token(text if kind == "symbol" else kind, text, self._line, column)

    def advance(self) -> Token:
        """Consume the next token."""
        token, self.token = self.token, self._next()
        self._last_line = token.line
        return token

    def at(self, kind: str) -> bool:
        return self.token.kind == kind

    def at_word(self, word: str) -> bool:
        return self.token.kind == "name" and self.token.text == word

    def accept(self, kind: str) -> bool:
        """Whether the next token is of a kind; then it is consumed."""
        return self.at(kind) and bool(self.advance())

    def accept_word(self, word: str) -> bool:
        return self.at_word(word) and bool(self.advance())

    def take(self, kind: str, what: str = "") -> Token:
        """Consume a token of a kind, or fail."""
        if not self.at(kind):
            self.expected(what or f"`{kind}`")
        return self.advance()

    def take_word(self, word: str) -> Token:
        if not self.at_word(word):
            self.expected(f"`{word}`")
        return self.advance()

    def take_list(self, item: Callable[[], T]) -> list[T]:
        """item, item, ..."""
        items = [item()]
        while self.accept(","):
            items.append(item())
        return items

    def goes_on(self) -> bool:
        """Whether a statement continues: it ends with its line, with `;` or with the graph."""
        return self.token.line == self._last_line and self.token.kind not in (";", "}", "end")

    def expected(self, what: str) -> NoReturn:
        self.fail(self.token, f"expected {what}, got {self.token}.")

    def fail(self, at: Token, sentence: str, hint: str | None = None) -> NoReturn:
        """Raise a ParseError that shows a token in its line."""
        line = self.text.split("\n", at.line)[at.line - 1]
        raise ParseError(sentence, line=at.line, column=at.column, source=line, hint=hint)
