"""The data folder of the paper on parallel multilingual input (Mu et al. 2024), one record a data set.

To add a data set of the same layout, add a record. In file names `{code}` is the language of a translation (`de`),
`{alpha3}` its three letters (`deu`), `{name}` its English name. Beside a `result.txt` lies the `prompt.txt` with the
requests, line by line, and in each the sentence that was to be translated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

XNLI_LANGUAGES = {"fr": "es ru de", "de": "es ru fr", "zh": "es fr de", "ru": "es fr de"}
WMT_LANGUAGES = {
    "de2en": "es ru fr zh ja cs", "de2fr": "es ru it zh ja cs en", "en2de": "es ru fr zh ja cs",
    "en2zh": "es ru fr ja cs de", "zh2en": "es ru fr ja cs de", "is2en": "es ru fr it cs de",
}  # fmt: skip
XLSUM_LANGUAGES = {"french": ("fr", "de es ru"), "russian": ("ru", "de es fr"), "spanish": ("es", "de fr ru")}


@dataclass(frozen=True)
class Released:
    """One data set: its languages in the order of the paper's prompts, and its files, relative to the folder.

    `sources[field]` is the file of the original texts; a field without one has them in the requests only.
    `translations[field]` are the files of a translation, the first that is there counts.
    """

    task: str
    original: str
    languages: tuple[str, ...]
    translations: Mapping[str, tuple[str, ...]]
    sources: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()


def _pairs(task: str, folder: str, stem: str, fields: str, languages: str, original: str, **files: str) -> Released:
    """A data set with a label a line: `fields` of the originals and their translations, a folder each."""
    split = files.get("split", "test")
    source = files.get("source", stem)
    return Released(
        task, original, tuple(languages.split()),
        {f: (f"{folder}/chatgpt_translation_{split}/{stem}.{f}.txt-{{code}}/result.txt",) for f in fields.split()},
        {f: f"{folder}/{split}_set/{source}.{f}.txt" for f in fields.split()},
        (f"{folder}/{split}_set/{source}.label.txt",),
    )  # fmt: skip


def _wmt(direction: str) -> Released:
    year = "wmt21" if direction == "is2en" else "wmt22"  # there was no Icelandic in 2022
    original = direction[:2]
    alpha3 = {"de": "deu", "en": "eng", "zh": "zho", "is": "isl"}[original]
    folder = f"WMT/gpt4_translation_test/{direction}/{year}-{alpha3}2{{alpha3}}-1shot-baseline_vhendy"
    return Released(
        "translation", original, tuple(WMT_LANGUAGES[direction].split()), {"text": (f"{folder}/result.txt",)}
    )


def _simple(folder: str, stem: str, split: str, references: str) -> Released:
    names = tuple(f"{folder}/{split}_set/{references}{n}" for n in range(10))
    result = f"{folder}/chatgpt_translation_{split}/{stem}-{{code}}/result.txt"
    return Released(
        "simplification", "en", ("de", "es", "fr"), {"text": (result,)}, {"text": f"{folder}/{split}_set/{stem}"}, names
    )


def _xlsum(name: str, part: str, split: str) -> Released:
    original, languages = XLSUM_LANGUAGES[name]
    stem = f"xlsum.{part}.{name}.text"
    folder = f"XLSum/chatgpt_translation_{split}/{stem}-{{code}}"
    texts = {"text": f"XLSum/{split}_set/{stem}.txt"}
    files = (f"{folder}/{stem}-{{code}}.txt", f"{folder}/result.txt")  # the first holds the chosen 500 of 1,000
    return Released(
        "summarisation", original, tuple(languages.split()), {"text": files}, texts,
        (f"XLSum/{split}_set/xlsum.{part}.{name}.sum.txt",),
    )  # fmt: skip


RELEASED: Mapping[str, Released] = {
    **{f"WMT/{direction}": _wmt(direction) for direction in WMT_LANGUAGES},
    "GSM8K": Released(
        "sums", "en", ("de", "ru", "it", "zh", "fr", "es"),
        {"question": ("GSM8K/chatgpt_translation_test/{name}_prompt_new.txt.out.txt",)},
        {"question": "GSM8K/PMI_Prompt/0shot-prompt_direct.jsonl"},
    ),
    "RTE": _pairs("entailment", "RTE", "RTE.valid", "premise hypothesis", "es fr de", "en"),
    "BoolQ": _pairs("reading", "BoolQ", "BoolQ.valid", "passage question", "es fr de", "en", source="valid"),
    "BoolQ/train": _pairs(
        "reading", "BoolQ", "BoolQ.train", "passage question", "es fr de", "en", source="train", split="train"
    ),
    **{
        f"XNLI/{code}": _pairs("inference", "XNLI", f"xnli.{code}", "premise hypothesis", languages, code)
        for code, languages in XNLI_LANGUAGES.items()
    },
    "Wiki-Auto": _simple("Wiki-Auto", "wikiauto.valid.orin", "test", "wikiauto.valid."),
    "Asset/test": _simple("Asset", "asset.test.orig", "test", "asset.test.simp."),
    "Asset/valid": _simple("Asset", "asset.valid.orig", "train", "asset.valid.simp."),
    **{f"XLSum/{name}": _xlsum(name, "test", "test") for name in XLSUM_LANGUAGES},
    **{f"XLSum/{name}/val": _xlsum(name, "val", "train") for name in XLSUM_LANGUAGES},
}  # fmt: skip
