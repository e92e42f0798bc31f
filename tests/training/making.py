"""Small prompt sets and examples, and a tiny model saved as the hub has it."""

from neuroglot.corpora.parallel_inputs import ParallelInputs, ParallelItem
from neuroglot.prompting import PromptSet, build_prompts, direct, pmi
from neuroglot.training import Example


def inputs(rows: int, original: str = "de", reverse: bool = False) -> ParallelInputs:
    items = [
        ParallelItem(
            f"row{row}", {"text": {g: f"w{row % 20} {g}" for g in ("de", "es", "ru")}}, original, (f"w{row % 7 + 1}",)
        )
        for row in range(rows)
    ]
    return ParallelInputs("words", "translation", tuple(reversed(items) if reverse else items))


def prompt_sets(rows: int, originals: tuple[str, ...] = ("de",), reverse: bool = False) -> list[PromptSet]:
    return [
        build_prompts(inputs(rows, main, reverse), setting, target="en")
        for main in originals
        for setting in (direct(main), pmi(main, [g for g in ("de", "es", "ru") if g != main]))
    ]


def examples(count: int = 12) -> tuple[Example, ...]:
    """The answer is the word behind the last one of the prompt; prompts and answers of different length."""
    made = []
    for place in range(count):
        words = [f"w{place + step}" for step in range(1 + place % 4)]
        last = int(words[-1][1:])
        answer = "".join(f" w{last + step}" for step in range(1, 2 + place % 2))
        made.append(Example(" ".join(words), answer, "direct", str(place)))
    return tuple(made)
