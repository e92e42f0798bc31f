"""The section of sets says how many neurons were asked for, for whom, and how many these are."""

import pytest
import torch

from neuroglot.layout import Layout
from neuroglot.neurons import NeuronSet
from neuroglot.neurons.rules.common import EACH, TOGETHER, Size
from neuroglot.reports.section import section_of

LAYOUT = Layout((("decoder", (20,)),))


def sets_of(members: dict[str, list[int]], size: Size) -> dict[str, NeuronSet]:
    return {
        code: NeuronSet(LAYOUT, torch.isin(torch.arange(20), torch.tensor(listed, dtype=torch.int64)), size.signature)
        for code, listed in members.items()
    }


MANY = {code: [place] for place, code in enumerate(("en", "de", "fr", "es", "ru", "zh", "ja"))}


@pytest.mark.parametrize(
    ("members", "amount", "said"),
    [
        ({"de": [0, 1, 2], "sw": [3], "zh": []}, {"top_share": 0.2, "together": True},
         f"3 + 1 + 0 neurons: 4 in all, as asked for {TOGETHER}."),
        ({"de": [0, 1, 2], "sw": [2, 3]}, {"top_share": 0.2, "together": True},
         f"3 + 2 neurons: 4 different ones in all, as asked for {TOGETHER}."),
        ({"de": [0, 1], "sw": [3]}, {"top_share": 0.2, "together": True},
         f"2 + 1 neurons: 3 in all, of 4 asked for {TOGETHER}."),
        (MANY, {"top_share": 0.35, "together": True}, f"as asked for {TOGETHER}."),
        ({"de": [0, 1], "sw": [2, 3]}, {"count": 2, "together": True}, f"2 for {EACH}, as asked."),
        ({"de": [0, 1], "sw": [2, 3]}, {"top_share": 0.1}, f"2 for {EACH}, as asked."),
        ({"de": [0, 1], "sw": [2]}, {"count": 2}, f"Asked for were 2 for {EACH}."),
    ],
)  # fmt: skip
def test_the_amount_is_said(members: dict[str, list[int]], amount: dict, said: str) -> None:
    options = {"top_share": None, "count": None} | amount
    sentence = section_of(sets_of(members, Size.of(20, **options))).sentence
    assert said in sentence
    assert sentence.count("asked") + sentence.count("Asked") == 1


def test_sets_without_an_amount_say_nothing_of_one() -> None:
    neurons = NeuronSet(LAYOUT, torch.arange(20) < 3)
    assert "asked" not in section_of({"de": neurons, "sw": neurons}).sentence
