"""Small parallel inputs for tests of prompts."""

from neuroglot.corpora.parallel_inputs import ParallelInputs, ParallelItem

DOGS = {"de": "Der Hund schläft.", "es": "El perro duerme.", "ru": "Собака спит.", "de#2": "Es schläft der Hund."}
CATS = {
    "de": "Zwei Katzen spielen im Hof.",
    "es": "Dos gatos juegan.",
    "ru": "Кошки играют.",
    "de#2": "Katzen spielen.",
}
RAIN = {"de": "Es regnet seit gestern.", "es": "Llueve desde ayer.", "ru": "Дождь идёт.", "de#2": "Regen."}


def translations() -> ParallelInputs:
    rows = {"dogs": (DOGS, "The dog sleeps."), "cats": (CATS, "Two cats play."), "rain": (RAIN, "It is raining.")}
    items = (ParallelItem(name, {"text": texts}, "de", (english,)) for name, (texts, english) in rows.items())
    return ParallelInputs("animals", "translation", tuple(items))


def pairs() -> ParallelInputs:
    rows = ((DOGS, "Er träumt."), (CATS, "Sie ruhen."), (RAIN, "Es ist nass."))
    items = (
        ParallelItem(str(row), {"premise": premise, "hypothesis": {"de": hypothesis}}, "de", ("neutral",))
        for row, (premise, hypothesis) in enumerate(rows)
    )
    return ParallelInputs("pairs", "inference", tuple(items))
