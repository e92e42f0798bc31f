"""The rules of suspicion that are optimised, as they were written first: one regular expression or one sum each."""

import re

from neuroglot.corpora.suspicion import LETTERS_NEEDED, SIMPLIFIED, TRADITIONAL, chinese_script, script_of, scripts_of

TAGS = "think|thinking|thought|reasoning|reflection|scratchpad|analysis"
_BLOCK = re.compile(rf"<({TAGS})>.*?</\1>\s*|◁think▷.*?◁/think▷\s*", re.DOTALL | re.IGNORECASE)
CLOSED = re.compile(
    rf"\A.*</(?:{TAGS})>\s*|\A.*◁/think▷\s*", re.DOTALL | re.IGNORECASE
)  # its beginning was in the prompt
OPENED = re.compile(rf"\s*(?:<(?:{TAGS})>|◁think▷).*\Z", re.DOTALL | re.IGNORECASE)  # its end was never written
_UNKNOWN = re.compile(r"<unk>|<UNK>|\[UNK\]|\ufffd|⁇")
_PIECES = re.compile(r"@@(?:\s|$)|(?:^|\s)##\w|[▁Ġ]\w")


def is_in_another_script(text: str, language: str) -> bool:
    """More than half of ten letters or more are in no script of the language, or in the other kind of Chinese."""
    scripts = scripts_of(language)
    letters = [script for character in text if (script := script_of(character))]
    if not scripts or len(letters) < LETTERS_NEEDED:
        return False
    if 2 * sum(script in scripts for script in letters) < len(letters):
        return True
    return chinese_script(language) not in (None, written := han_script(text)) and written is not None


def without_reasoning(text: str) -> str:
    """The text without reasoning blocks: whole ones, one that the prompt began, and one that never ends."""
    text = _BLOCK.sub("", text)
    return OPENED.sub("", CLOSED.sub("", text))


def has_unknown_tokens(text: str) -> bool:
    return bool(_UNKNOWN.search(text))


def has_pieces(text: str) -> bool:
    return bool(_PIECES.search(text))


def han_script(text: str) -> str | None:
    """`Hans` or `Hant` by the characters that only one of the two has; None if neither or both are there equally."""
    simplified, traditional = (sum(text.count(character) for character in only) for only in (SIMPLIFIED, TRADITIONAL))
    return None if simplified == traditional else "Hans" if simplified > traditional else "Hant"
