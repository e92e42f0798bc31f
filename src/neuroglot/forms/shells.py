"""Commands of a shell by their words, and programs of other languages by theirs: the same words do the same."""

from __future__ import annotations

import re

from neuroglot.forms.trees import require_bounded
from neuroglot.forms.verdicts import FormContext, InvalidFormError, UndecidedError, Verdict, of_reference, told_equal

ACTIVE, IN_QUOTES = "\0", "\1"  # before what a shell expands: as it stands, and between double quotation marks
_RESERVED = frozenset(
    ["if", "then", "else", "elif", "fi", "for", "do", "done", "while", "until", "case", "esac", "in", "function",
     "select", "time", "!", "{", "}", "[[", "]]"]
)  # fmt: skip
_OPERATOR = re.compile(r"&&|\|\||;;|\d*(?:>>|>&|<&|[<>])|&>|[();|&]")
_VARIABLE = re.compile(r"\$(?:\w+|\{[^{}]*\}|[@*#?$!-])")
_PLAIN = re.compile(r"\{\}|.", re.DOTALL)  # as it stands, `{}` is no pattern
_ASSIGNED = re.compile(r"[A-Za-z_]\w*\+?=")
_NESTED = re.compile(r"\$\(|`|<<|\$'|\$\"")  # what has quotation marks of its own

ShellWord = tuple[str, ...]


def compare_shell(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal where the words of a POSIX shell are, else undecided; open quotation marks are invalid.

    What is quoted is another word than what the shell expands: `*` and `'*'`. Comments say nothing.
    """
    if shell_words(answer) == of_reference(shell_words, reference):
        return told_equal(True)
    raise UndecidedError("other commands, which may do the same")


def shell_words(text: str) -> list[ShellWord]:
    """Words as tuples of characters, those that a shell expands marked, and operators; a new line is `;`.

    Commands that hold other commands (`$(...)`) are one word: they are compared as they are written.
    """
    text = text.strip()
    require_bounded(text)
    if _NESTED.search(text):
        return [(text,)]
    words: list[ShellWord] = []
    place = 0
    while place < len(text):
        if text[place] == "#":
            place = (text.find("\n", place) + len(text) + 1) % (len(text) + 1)
        elif text[place].isspace():
            words += [(ACTIVE, ";")] if text[place] == "\n" and words and words[-1] != (ACTIVE, ";") else []
            place += 1
        elif operator := _OPERATOR.match(text, place):
            words.append((ACTIVE, operator[0]))
            place = operator.end()
        else:
            word, place = _word(text, place)
            words += [word] if word is not None else []
    while words and words[-1] == (ACTIVE, ";"):
        words.pop()
    return words


def _word(text: str, start: int) -> tuple[ShellWord | None, int]:
    """The word that begins here, None of a line that goes on in the next, and where it ends."""
    parts: list[str] = []
    place = start
    if assigned := _ASSIGNED.match(text, start):
        parts.append(ACTIVE + assigned[0])
        place = assigned.end()
    while place < len(text) and not text[place].isspace() and text[place] not in "();<>|&":
        if text[place] == "'":
            end = text.find("'", place + 1)
            if end < 0:
                raise InvalidFormError("no closing quotation mark")
            parts += text[place + 1 : end]
            place = end + 1
        elif text[place] == '"':
            place = _in_quotes(text, place + 1, parts)
        elif text[place] == "\\":
            if place + 1 == len(text):
                raise InvalidFormError("nothing is escaped")
            parts += text[place + 1].replace("\n", "")
            place += 2
        else:
            whole = _VARIABLE.match(text, place) or _PLAIN.match(text, place)
            assert whole is not None
            parts += [ACTIVE + whole[0]] if whole[0][0] in "$*?[]{}~^" and whole[0] != "{}" else whole[0]
            place = whole.end()
    raw = text[start:place].replace("\\\n", "")
    return ((ACTIVE + raw,) if raw in _RESERVED else tuple(parts) if raw else None), place


def _in_quotes(text: str, place: int, parts: list[str]) -> int:
    """Add what stands between double quotation marks to the parts, and tell where it ends."""
    while place < len(text) and text[place] != '"':
        if text[place] == "\\" and text[place + 1 : place + 2] in ("$", '"', "\\", "\n"):
            parts += text[place + 1].replace("\n", "")
            place += 2
        elif variable := _VARIABLE.match(text, place):
            parts.append(IN_QUOTES + variable[0])
            place = variable.end()
        else:
            parts.append(text[place])
            place += 1
    if place == len(text):
        raise InvalidFormError("no closing quotation mark")
    return place + 1


_TOKEN = re.compile(
    r'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`[^`]*`|//[^\n]*|/\*[\s\S]*?\*/|\n'
    r"|[()\[\]{},;]|\d[\w.]*|\w+|(?:(?!//|/\*)[^\w\s()\[\]{},;\"'`])+|[\"'`/]"
)

_CLOSING = {"(": ")", "[": "]", "{": "}"}


def compare_java(answer: str, reference: str, context: FormContext) -> Verdict:
    """Equal where the words are, white space and comments aside, else undecided; what is not closed is invalid."""
    return _compared(answer, reference, lines_count=False)


def compare_go(answer: str, reference: str, context: FormContext) -> Verdict:
    """As `compare_java`; where a line ends, a statement may end."""
    return _compared(answer, reference, lines_count=True)


def _compared(answer: str, reference: str, lines_count: bool) -> Verdict:
    if _tokens(answer, lines_count) == _tokens(reference, lines_count):
        return told_equal(True)
    _require_closed(answer)
    raise UndecidedError("other programs, which may do the same")


def _require_closed(text: str) -> None:
    """Raise `InvalidFormError` for a bracket, quotation mark or comment that is not closed, or never opened."""
    open_ones: list[str] = []
    for match in _TOKEN.finditer(text):
        token, following = match[0], text[match.end() : match.end() + 1]
        if token in ('"', "'", "`"):
            raise InvalidFormError("no closing quotation mark")
        if token == "/" and following == "*":
            raise InvalidFormError("a comment is not closed")
        if token in _CLOSING:
            open_ones.append(_CLOSING[token])
        elif token in _CLOSING.values() and (not open_ones or open_ones.pop() != token):
            raise InvalidFormError("a bracket is closed that was not opened")
    if open_ones:
        raise InvalidFormError("a bracket is not closed")


def _tokens(text: str, lines_count: bool) -> list[str]:
    tokens: list[str] = []
    for token in _TOKEN.findall(text.strip()):
        is_comment = token.startswith(("//", "/*"))
        if token == "\n" or (is_comment and "\n" in token):
            tokens += ["\n"] if lines_count and tokens and tokens[-1] != "\n" else []
        elif not is_comment:
            tokens.append(token)
    return tokens[:-1] if tokens[-1:] == ["\n"] else tokens
