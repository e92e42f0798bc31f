"""Text that is no text: what a corpus, a log or a model hands over in its place, recognised by plain rules.

Every kind is a line of `SUSPICIONS`. The rules are made to be silent on real text rather than to find everything; how
often they speak on published corpora is in docs/log.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from neuroglot.corpora.corpus import Corpus, Task
from neuroglot.corpora.languages import known_code
from neuroglot.errors import ConfigError, CorpusError

Suspicious = Literal["keep", "drop", "refuse"]
_Data = TypeVar("_Data", Corpus, Task)
_Counts = Mapping[str, Mapping[str, int]]  # by language, then by kind

TAGS = "think|thinking|thought|reasoning|reflection|scratchpad|analysis"
_BLOCK = re.compile(rf"<({TAGS})>.*?</\1>\s*|◁think▷.*?◁/think▷\s*", re.DOTALL | re.IGNORECASE)
CLOSED = re.compile(
    rf"\A.*</(?:{TAGS})>\s*|\A.*◁/think▷\s*", re.DOTALL | re.IGNORECASE
)  # its beginning was in the prompt
OPENED = re.compile(rf"\s*(?:<(?:{TAGS})>|◁think▷).*\Z", re.DOTALL | re.IGNORECASE)  # its end was never written
_UNKNOWN = ("<unk>", "<UNK>", "[UNK]", "\ufffd", "⁇")
# What stands in a row that has no text, whole and in lower case.
GAPS = frozenset(
    (
        "n/a", "#n/a", "nan", "null", "none", "nil", "<na>", "<missing>", "[missing]", "missing", "<blank>", "<empty>",
        "[deleted]", "[removed]", "todo", "tbd", "untranslated", "no translation", "not translated",
        "error", "undefined", "request failed!!!",
        "-", "--", "---", "—", "–", "_", "...", "…", "?", "??", "???", "xxx", "<s>",
        "</s>", "<pad>",
    )
)  # fmt: skip
REFUSAL = re.compile(
    r"(?:i['’]?m (?:really |very )?sorry|i apologi[sz]e|sorry|unfortunately)[,.]?\s+(?:but )?(?:i|as an)\b.{0,40}"
    r"\b(?:can(?:['’]t|not| not)|am unable|am not able|won['’]t)|i (?:can(?:['’]t|not)|am unable to) "
    r"(?:help|assist|translate|provide|comply|fulfil|answer)|as an ai\b|"
    r"es tut mir leid, aber ich kann|désolée?, (?:mais )?je ne peux pas|lo siento, (?:pero )?no puedo|"
    r"(?:к сожалению|извините), (?:но )?я не могу|(?:很?抱歉|对不起)，?我(?:无法|不能)",
    re.IGNORECASE,
)
PREAMBLE = re.compile(
    r"(?:(?:sure|certainly|of course|okay|ok)\b[^\n]{0,12}?[!,.:]\s*)?(?:here(?: is|['’]s| are)|below is) "
    r"(?:the|your|a|my)\b[^\n]{0,60}:|(?:sure|certainly|of course)[!.]\s|"
    r"(?:the )?(?:[a-z]+ )?translation(?: (?:in|into|to) [a-z]+)?\s*(?:is\s*)?:|"
    r"(?:natürlich|selbstverständlich)[!,] hier|(?:bien sûr|voici)[^\n]{0,40}(?:traduction)[^\n]{0,20}:|"
    r"(?:claro|por supuesto)[!,] aquí|(?:конечно)[!,] вот|(?:当然|好的)[！，!,][^\n]{0,12}(?:翻译|译文)",
    re.IGNORECASE,
)
_PIECES = re.compile(r"@@(?:\s|$)|(?:^|\s)##\w|[▁Ġ]\w")
_IN_PIECES = ("@@", "##", "▁", "Ġ")  # one of which each has; to look for them is ten times as fast
SENTENCE_END = tuple(".!?。！？।؟…።॥")
BROKEN_OFF = tuple(",;،、，-–—([{«“")
LETTERS_NEEDED = 10  # below, a script or a sameness says nothing
WORDS_NEEDED = 4


@dataclass(frozen=True)
class Context:
    """What a text is held against: its language, the text that it translates with its language, and its prompt."""

    language: str
    source: str | None = None
    source_language: str | None = None
    prompt: str | None = None


def is_gap(text: str, context: Context) -> bool:
    """The whole text marks that there is none."""
    return text.strip().lower() in GAPS


def has_unknown_tokens(text: str, context: Context) -> bool:
    """A vocabulary or an encoding has lost characters."""
    return any(mark in text for mark in _UNKNOWN)


def has_reasoning(text: str, context: Context) -> bool:
    """A block of reasoning stands in the text, whole or in part."""
    return without_reasoning(text) != text


def is_refusal(text: str, context: Context) -> bool:
    """The text begins by declining."""
    return bool(REFUSAL.match(text.strip()))


def has_preamble(text: str, context: Context) -> bool:
    """The text begins by speaking of the text that is to follow."""
    return bool(PREAMBLE.match(text.strip()))


def is_untranslated(text: str, context: Context) -> bool:
    """The text is its source in another language; names, numbers and short texts may be."""
    if (
        context.source is None
        or context.source_language == context.language
        or _folded(text) != _folded(context.source)
    ):
        return False
    return _is_prose(text)


def is_echo(text: str, context: Context) -> bool:
    """The text is its prompt, or begins with it."""
    return (
        context.prompt is not None and _is_prose(context.prompt) and _folded(text).startswith(_folded(context.prompt))
    )


def has_pieces(text: str, context: Context) -> bool:
    """Words stand in pieces of a tokenizer."""
    return any(mark in text for mark in _IN_PIECES) and bool(_PIECES.search(text))


def is_broken_off(text: str, context: Context) -> bool:
    """The source is a sentence with its end, and the text goes on."""
    ended = context.source is not None and context.source.rstrip(" \"'”»)").endswith(SENTENCE_END)
    return ended and text.rstrip().endswith(BROKEN_OFF)


def is_in_another_script(text: str, context: Context) -> bool:
    """More than half of ten letters or more are in no script of the language, or in the other kind of Chinese."""
    scripts = scripts_of(context.language)
    letters = {c: count for c, count in Counter(text).items() if script_of(c)} if scripts else {}
    number = sum(letters.values())
    if number < LETTERS_NEEDED:
        return False
    if 2 * sum(count for letter, count in letters.items() if script_of(letter) in scripts) < number:
        return True
    wanted = chinese_script(context.language)
    return wanted is not None and han_script(text) not in (None, wanted)


SUSPICIONS: Mapping[str, Callable[[str, Context], bool]] = {
    "gap marker": is_gap,
    "unknown tokens": has_unknown_tokens,
    "reasoning": has_reasoning,
    "refusal": is_refusal,
    "preamble": has_preamble,
    "untranslated": is_untranslated,
    "echo of the prompt": is_echo,
    "pieces of words": has_pieces,
    "broken off": is_broken_off,
    "another script": is_in_another_script,
}


def kinds_of(text: str, context: Context) -> tuple[str, ...]:
    """The kinds of suspicion that a text gives; none for most."""
    return tuple(kind for kind, holds in SUSPICIONS.items() if holds(text, context))


def without_reasoning(text: str) -> str:
    """The text without reasoning blocks: whole ones, one that the prompt began, and one that never ends."""
    if "<" not in text and "◁" not in text:
        return text
    text = _BLOCK.sub("", text)
    return OPENED.sub("", CLOSED.sub("", text))


def suspicions(texts: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[str, ...]]]:
    """The kinds of each text of parallel rows, by language.

    A text that two languages share is counted in the one it is not written in, which nobody knows: by convention all
    but English, or all but the first language if English is not there.
    """
    base = _base(texts)
    return {
        language: [kinds_of(text, Context(language, source, base)) for source, text in zip(texts[base], column)]
        for language, column in texts.items()
    }


def counted_suspicions(texts: Mapping[str, Sequence[str]]) -> tuple[dict[str, dict[str, int]], NDArray[np.bool_]]:
    """How many texts of each language are of each kind, and which rows have none, by the rule of `suspicions`."""
    base, counts = _base(texts), {}
    sound = np.ones(len(texts[base]) if texts else 0, dtype=bool)
    for language, column in texts.items():
        counter: Counter[str] = Counter()
        for row, (source, text) in enumerate(zip(texts[base], column)):
            if kinds := kinds_of(text, Context(language, source, base)):
                sound[row] = False
                counter.update(kinds)
        counts[language] = dict(counter)
    return {language: count for language, count in counts.items() if count}, sound


def _base(texts: Mapping[str, Sequence[str]]) -> str:
    return "en" if "en" in texts else next(iter(texts), "")


def counts_by_kind(kinds: Mapping[str, Sequence[tuple[str, ...]]]) -> dict[str, dict[str, int]]:
    """How many texts of each language are of each kind; languages and kinds without any are left out."""
    counters = {language: Counter(kind for row in column for kind in row) for language, column in kinds.items()}
    return {language: dict(counter) for language, counter in counters.items() if counter}


def said(counts: _Counts) -> tuple[str, ...]:
    """One sentence a language: `fr: untranslated (377)`; none if there are none."""
    return tuple(
        f"Texts that are perhaps no text in {language}: {', '.join(f'{kind} ({n:,})' for kind, n in kinds.items())}."
        for language, kinds in counts.items()
    )


def sifted(data: _Data, choice: Suspicious = "keep") -> _Data:
    """A corpus or a task: as it is, without the rows of suspicious texts, which its remarks then count, or refused.

    Raises `CorpusError` if rows are to be refused and there are some, or if none is left; `ConfigError` on another
    choice.
    """
    require_choice(choice)
    if choice == "keep":
        return data
    counts, is_sound = counted_suspicions(_asked(data).texts)
    sound = np.flatnonzero(is_sound)
    left_out = len(data) - len(sound)
    if not left_out:
        return data
    sentences: tuple[str, ...] = said(counts)
    if choice == "refuse" or not len(sound):
        raise CorpusError(
            f"{data.name!r} has {left_out} of {len(data)} rows that are perhaps no text. " + " ".join(sentences),
            "Expected text in every language.",
            "Correct the rows, leave them out (suspicious='drop'), or take them as they are (suspicious='keep').",
        )
    remarks = (f"{left_out:,} rows of {data.name} that are perhaps no text were left out.", *sentences)
    return _with_remarks(data.take(sound), remarks)


def require_choice(choice: str) -> None:
    """Raise `ConfigError` for what is no choice."""
    if choice not in ("keep", "drop", "refuse"):
        raise ConfigError(f"suspicious={choice!r} was given.", "Expected 'keep', 'drop' or 'refuse'.")


def _asked(data: Corpus | Task) -> Corpus:
    return data.prompts if isinstance(data, Task) else data


def _with_remarks(data: _Data, remarks: tuple[str, ...]) -> _Data:
    if isinstance(data, Task):
        return replace(data, prompts=replace(data.prompts, remarks=remarks))
    return replace(data, remarks=remarks)


@cache
def scripts_of(code: str) -> frozenset[str]:
    """The scripts that texts of a language are in, by Unicode's names; none if it is not known."""
    from langcodes import Language

    known = known_code(code)
    script = Language.get(known).maximize().script if known else None
    return _SCRIPTS.get(str(script), frozenset())


@cache
def script_of(character: str) -> str | None:
    """The script of a letter, the first word of its Unicode name; None for what is no letter."""
    if not character.isalpha():
        return None
    return unicodedata.name(character, "?").split()[0].removesuffix("-").partition("-")[0]


@cache
def chinese_script(code: str) -> str | None:
    """`Hans` or `Hant` for Chinese that says which; None for every other code, `zh` among them."""
    from langcodes import Language

    known = known_code(code) or ""
    script = Language.get(known).maximize().script if known.startswith("zh-") else None
    return script if script in ("Hans", "Hant") else None


def han_script(text: str) -> str | None:
    """`Hans` or `Hant` by the characters that only one of the two has; None if neither or both are there equally."""
    simplified, traditional = (sum(text.count(character) for character in only) for only in (SIMPLIFIED, TRADITIONAL))
    return None if simplified == traditional else "Hans" if simplified > traditional else "Hant"


def _folded(text: str) -> str:
    return " ".join(text.lower().split())


def _is_prose(text: str) -> bool:
    """No name and no number: four words, of which half begin in lower case; three that end as a sentence, with a long
    one in lower case; or ten letters of a script without spaces.
    """
    words = [word for word in text.split() if any(map(str.isalpha, word))]
    small = [word for word in words if not word.lstrip("\"'“«([¿¡")[:1].isupper()]
    if any(script_of(character) in UNSPACED_SCRIPTS for character in text):
        return sum(map(str.isalpha, text)) >= LETTERS_NEEDED
    is_sentence = text.rstrip(" \"'”»)").endswith(SENTENCE_END) and any(len(word) > WORDS_NEEDED for word in small)
    if is_sentence and len(words) == WORDS_NEEDED - 1:
        return True
    return len(words) >= WORDS_NEEDED and (is_sentence or 2 * len(small) >= len(words))


UNSPACED_SCRIPTS = frozenset({"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"})
# Scripts by ISO 15924, as the first words of Unicode's names of their letters.
_SCRIPTS = {
    "Jpan": frozenset({"CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH"}), "Kore": frozenset({"HANGUL", "CJK"}),
    "Hans": frozenset({"CJK"}), "Hant": frozenset({"CJK"}), "Latn": frozenset({"LATIN", "MODIFIER", "FULLWIDTH"}),
    "Cyrl": frozenset({"CYRILLIC"}), "Arab": frozenset({"ARABIC"}), "Deva": frozenset({"DEVANAGARI"}),
    "Beng": frozenset({"BENGALI"}), "Telu": frozenset({"TELUGU"}), "Taml": frozenset({"TAMIL"}),
    "Thai": frozenset({"THAI"}), "Ethi": frozenset({"ETHIOPIC"}), "Grek": frozenset({"GREEK"}),
    "Hebr": frozenset({"HEBREW"}), "Geor": frozenset({"GEORGIAN"}), "Armn": frozenset({"ARMENIAN"}),
    "Gujr": frozenset({"GUJARATI"}), "Guru": frozenset({"GURMUKHI"}), "Knda": frozenset({"KANNADA"}),
    "Mlym": frozenset({"MALAYALAM"}), "Orya": frozenset({"ORIYA"}), "Sinh": frozenset({"SINHALA"}),
    "Khmr": frozenset({"KHMER"}), "Laoo": frozenset({"LAO"}), "Mymr": frozenset({"MYANMAR"}),
    "Tibt": frozenset({"TIBETAN"}), "Mong": frozenset({"MONGOLIAN"}),
}  # fmt: skip
# Frequent characters that only one kind of Chinese has, pair by pair.
SIMPLIFIED = (
    "们国个这来时会说为对学发经过还进动开关机问题长门车书见话语让谁认识爱买卖东风飞马鸟鱼龙无电视听读写业从"
    "众务义乐亲产仅价优伤传体债变叶号员响单卫历厂压县参双围图园处备够头夺妇妈孙宁实审宽宝专导层岁岛师带帮应"
    "并广庆库归录征总战户扩扫执护报担拥择损换据挥"
)
TRADITIONAL = (
    "們國個這來時會說為對學發經過還進動開關機問題長門車書見話語讓誰認識愛買賣東風飛馬鳥魚龍無電視聽讀寫業從"
    "眾務義樂親產僅價優傷傳體債變葉號員響單衛歷廠壓縣參雙圍圖園處備夠頭奪婦媽孫寧實審寬寶專導層歲島師帶幫應"
    "並廣慶庫歸錄徵總戰戶擴掃執護報擔擁擇損換據揮"
)
