"""Groups of languages: by language, family, size, likeness of tokens and of neurons, and at random."""

import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.corpora.directions import Direction
from neuroglot.errors import ArtifactError, ConfigError, CorpusError
from neuroglot.layout import Layout
from neuroglot.neurons.grouping import (
    by_family,
    by_likeness,
    by_size,
    each_alone,
    groups_at_random,
    likeness_of_neurons,
    likeness_of_tokens,
)
from neuroglot.neurons.masks import DirectionMasks
from neuroglot.recipes import all_recipes
from neuroglot.recipes.branching import groups_in
from neuroglot.runs.identity import Identity
from neuroglot.tokens import language_tokens
from tests.branched.making import translator
from tests.specialization.making import translation_tokenizer


def test_each_language_and_each_family() -> None:
    assert each_alone(["de", "zh-Hans"]) == {"de": ["de"], "zh-Hans": ["zh-Hans"]}
    assert by_family(["de", "ru", "nl", "sw", "hi"]) == {
        "Germanic": ["de", "nl"], "Slavic": ["ru"], "sw": ["sw"], "Indo-Aryan": ["hi"],
    }  # fmt: skip
    assert by_family(["de", "fr"], {"all of them": ("de", "fr")}) == {"all-of-them": ["de", "fr"]}


def test_groups_by_size_hold_about_as_much_and_grow() -> None:
    sizes = {"a": 600, "b": 300, "c": 250, "d": 50} | {f"e{place}": 10 for place in range(60)}
    groups = by_size(sizes, 3)
    assert groups["g1"] == ["a"]
    assert groups["g2"] == ["b", "c", "d"]
    assert len(groups["g3"]) == 60
    assert by_size({"a": 1, "b": 9}, 2) == {"g1": ["b"], "g2": ["a"]}


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 12))
def test_groups_by_size_are_a_partition_in_order(sizes: dict[str, int], count: int) -> None:
    if count > len(sizes):
        with pytest.raises(ConfigError, match="were asked for"):
            by_size(sizes, count)
        return
    groups = list(by_size(sizes, count).values())
    flat = [code for group in groups for code in group]
    assert len(groups) == count
    assert all(groups)
    assert flat == sorted(sizes, key=lambda code: (-sizes[code], code))


def plain_clusters(similarity: torch.Tensor, count: int) -> set[frozenset[int]]:
    """Join the two groups with the highest mean likeness until so many are left."""
    groups = [frozenset({place}) for place in range(len(similarity))]
    while len(groups) > count:
        pairs = [(a, b) for number, a in enumerate(groups) for b in groups[:number]]
        first, second = max(pairs, key=lambda pair: float(similarity[sorted(pair[0])][:, sorted(pair[1])].mean()))
        groups = [group for group in groups if group not in (first, second)] + [first | second]
    return set(groups)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [1, 3, 7])
def test_likeness_is_clustered_as_a_plain_loop_joins(seed: int, count: int) -> None:
    vectors = torch.randn(7, 4, generator=torch.Generator().manual_seed(seed))
    likeness = likeness_of_tokens(vectors)
    torch.testing.assert_close(
        likeness[2, 5], torch.nn.functional.cosine_similarity(vectors[2].double(), vectors[5].double(), dim=0)
    )
    codes = [f"l{place}" for place in range(7)]
    found = by_likeness(likeness, codes, count)
    assert {frozenset(int(code[1:]) for code in group) for group in found.values()} == plain_clusters(likeness, count)
    assert list(found) == [f"g{number}" for number in range(1, count + 1)]


def test_likeness_of_neurons_is_their_overlap_on_the_side_that_is_the_languages_own() -> None:
    layout = Layout((("encoder", (6,)), ("decoder", (4,))))
    named = {"de-en": [0, 1, 2], "fr-en": [1, 2, 3], "en-de": [6, 7], "en-fr": [7, 8, 9]}
    kept = torch.zeros(4, 10, dtype=torch.bool)
    for row, neurons in enumerate(named.values()):
        kept[row, neurons] = True
    kept[:2, 6:] = torch.tensor(
        [[True, False, True, False], [False, True, False, True]]
    )  # the decoders of x→en: unread
    masks = DirectionMasks(layout, tuple(map(Direction.parse, named)), kept)
    likeness = likeness_of_neurons(masks, ["de", "fr"], "en")
    assert float(likeness[0, 1]) == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert likeness.diagonal().tolist() == [1.0, 1.0]
    with pytest.raises(ConfigError, match="no mask of sw-en"):
        likeness_of_neurons(masks, ["de", "sw"], "en")


def test_chance_keeps_the_sizes_and_deals_the_languages() -> None:
    groups = {"a": ["1", "2", "3"], "b": ["4"], "c": ["5", "6"]}
    dealt = [groups_at_random(groups, seed) for seed in range(60)]
    assert groups_at_random(groups, 1) == dealt[1]
    for each in dealt:
        assert {name: len(codes) for name, codes in each.items()} == {"a": 3, "b": 1, "c": 2}
        assert sorted(code for codes in each.values() for code in codes) == list("123456")
    assert min(Counter(each["b"][0] for each in dealt).values()) >= 2
    assert len({each["b"][0] for each in dealt}) == 6


def test_likenesses_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="Got likenesses"):
        by_likeness(torch.ones(2, 3), ["a", "b"], 1)
    with pytest.raises(ConfigError, match="Got likenesses"):
        by_likeness(torch.full((2, 2), torch.nan), ["a", "b"], 1)


def test_the_command_groups_by_tokens_and_the_training_reads_it(tmp_path: Path) -> None:
    translator().save_pretrained(tmp_path / "model")
    translation_tokenizer().save_pretrained(tmp_path / "model")
    weights, tokenizer = translator().model.shared.weight.detach(), translation_tokenizer()
    rows = [tokenizer.convert_tokens_to_ids(f"__{code}__") for code in ("en", "de", "fr")]
    options = {"by": "tokens", "model": str(tmp_path / "model"), "languages": ["en", "de", "fr"], "count": 2}
    recipe = all_recipes()["lego group"].from_json({**options, "device": "cpu"})
    recipe.run(tmp_path / "groups")
    expected = by_likeness(likeness_of_tokens(weights[rows]), ["en", "de", "fr"], 2)
    assert groups_in(tmp_path / "groups") == expected == json.loads((tmp_path / "groups" / "groups.json").read_text())
    all_recipes()["lego group"].from_json({**options, "device": "cpu", "control": True, "seed": 2}).run(
        tmp_path / "dealt"
    )
    assert groups_in(tmp_path / "dealt") == groups_at_random(expected, 2)


def test_the_command_groups_by_size_of_text_by_pair(tmp_path: Path) -> None:
    for code, rows in {"de": 5, "fr": 2, "sw": 1}.items():
        for side in ("en", code):
            lines = "".join(f"{side} {row}\n" for row in range(rows))
            (tmp_path / f"train.en-{code}.{side}").write_text(lines)
    recipe = all_recipes()["lego group"].from_json({"by": "size", "corpus": str(tmp_path), "count": 2})
    recipe.run(tmp_path / "groups")
    assert groups_in(tmp_path / "groups") == {"g1": ["de"], "g2": ["fr", "sw"]}


def test_sizes_are_sums_over_the_pairs_of_a_language(tmp_path: Path) -> None:
    for (first, second), rows in {("en", "de"): 5, ("en", "fr"): 2, ("fr", "de"): 4}.items():
        for side in (first, second):
            (tmp_path / f"train.{first}-{second}.{side}").write_text("".join(f"{side} {n}\n" for n in range(rows)))
    identity = Identity()
    found = all_recipes()["lego group"].from_json({"by": "size", "corpus": str(tmp_path), "count": 2}).read(identity)
    assert found.sizes == {"de": 9, "fr": 6}
    assert "sizes" in identity.noted  # so that a run does not go on with other text


@pytest.mark.parametrize("text", ["[]", "{", '{"a": "de"}', '{"a": [1]}', "{}", '{"a": ["de"], "a": ["fr"]}'])
def test_files_that_hold_no_groups_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"groups\.json"):
        groups_in(tmp_path / "groups.json")


def test_what_a_way_does_not_read_is_refused(tmp_path: Path) -> None:
    make = all_recipes()["lego group"].from_json
    for options in (
        {"by": "family", "languages": ["de"], "masks": "masks"}, {"by": "neurons"}, {"by": "family"},
        {"by": "language", "languages": ["de", "de"]}, {"by": "tokens", "model": "m", "masks": "x"},
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            make(options).run(tmp_path / "out")


def test_languages_that_cannot_be_grouped_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = all_recipes()["lego group"].from_json
    translator().save_pretrained(tmp_path / "model")
    translation_tokenizer().save_pretrained(tmp_path / "model")
    by_tokens = {"by": "tokens", "model": str(tmp_path / "model"), "device": "cpu", "count": 1}
    for code in ("en", "de"):
        for side in ("en", "de"):
            (tmp_path / f"train.de-en.{side}").write_text(f"{code} {side}\n")
    by_size = {"by": "size", "corpus": str(tmp_path), "count": 1}
    refused: list[tuple[dict[str, object], type[Exception], str]] = [
        ({**by_tokens, "languages": ["en"]}, ConfigError, "Only the pivot 'en'"),
        ({**by_tokens, "languages": ["de", "qqq"]}, CorpusError, "'qqq' is no language"),
        ({**by_tokens, "languages": ["de"], "stem": "train"}, ConfigError, "The stem 'train'"),
        ({**by_size, "languages": ["de", "sw"]}, CorpusError, "no text of sw"),
        ({**by_size, "stem": "valid"}, CorpusError, "no text by pair"),
        ({"by": "family", "languages": ["de"], "control": True, "seed": -1}, ConfigError, "the seed -1"),
        ({"by": "family", "languages": ["de", "deu_Latn"]}, ConfigError, "Expected each once"),
        ({"by": "language", "languages": ["de", "aux"]}, ConfigError, "A group is called 'aux'"),  # no file on Windows
    ]
    for options, kind, said in refused:
        with pytest.raises(kind, match=said):
            make(options).run(tmp_path / "out")
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    make({**by_size, "stem": "train"}).run(tmp_path / "sized")
    assert groups_in(tmp_path / "sized") == {"g1": ["de"]}
    # MADLAD-400 is told the target alone: what all languages share would be their likeness
    told = SimpleNamespace(sources=lambda direction, _: [[7 if direction.target == "en" else 9, 2]], languages={7, 9})
    monkeypatch.setattr(language_tokens, "require_convention", lambda *_: told)
    with pytest.raises(ConfigError, match="does not name the language of what it reads"):
        make({**by_tokens, "languages": ["de", "fr"]}).run(tmp_path / "out")


def test_codes_in_a_file_are_those_of_corpora(tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_text('{"a": ["deu_Latn", "FR"], "b": ["zh-hans"]}')
    assert groups_in(tmp_path / "groups.json") == {"a": ["de", "fr"], "b": ["zh-Hans"]}
    (tmp_path / "groups.json").write_text('{"a": ["deu"], "b": ["de"]}')
    with pytest.raises(ConfigError, match="in two groups"):
        groups_in(tmp_path / "groups.json")
