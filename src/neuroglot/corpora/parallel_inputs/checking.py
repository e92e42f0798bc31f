"""What can be wrong with translations, line by line, and which request belongs to which source line."""

import re
import statistics
from collections.abc import Sequence

from neuroglot.corpora.parallel_inputs.items import Kind

MARKERS: dict[str, Kind] = {"Request failed!!!": "failed request", "###over length!!!": "over length"}
REQUEST = re.compile(r".*Translate this into 1\. [^:\\]+:\\n(.*)\\n1\.\s*$")  # greedy: the last heading
INVISIBLE = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # marks of writing direction
SHORT = 40  # characters; the length of shorter translations varies too much to call one truncated


def marked(line: str) -> Kind | None:
    """The kind of a line that holds no text: empty, or a message of the program that asked for the translation."""
    return MARKERS.get(line.strip()) if line.strip() else "empty line"


def requested(line: str) -> str:
    """The text that a request asks to translate: between the last heading and the open answer; '' where there is none.

    The heading is that of Hendy et al. 2023, newlines are written as backslash and n.
    """
    found = REQUEST.match(line)
    return found[1] if found else ""


def visible(text: str) -> str:
    """The text without invisible marks of writing direction."""
    return INVISIBLE.sub("", text)


def places(requests: Sequence[str], sources: Sequence[str]) -> list[int]:
    """For each source the position of its request; where there are more requests than sources, others are skipped.

    A request is skipped only where a later one, within the surplus that is left, does ask for the source. Positions
    beyond the last request mean that there is none.
    """
    wanted, asked = [visible(text) for text in sources], [visible(text) for text in requests]
    surplus, place, found = max(0, len(asked) - len(wanted)), 0, []
    for text in wanted:
        window = asked[place : place + surplus + 1]
        skipped = window.index(text) if text in window else 0
        surplus, place = surplus - skipped, place + skipped
        found.append(place)
        place += 1
    return found


def truncated(sources: Sequence[str], translations: Sequence[str], below: float) -> list[int]:
    """Rows whose translation is shorter than `below` times what its source lets expect.

    Expected is the source's length in characters times the median ratio of the shorter half of the rows: languages
    differ in it (German to Chinese 0.3), and a cap on the output cuts the long ones. Rows without a text are left out;
    translations expected to be shorter than `SHORT` are not judged. (The paper's data were checked with a ratio of 0.5
    of the source's length itself, which calls all Chinese translations truncated.)
    """
    usable = [row for row, text in enumerate(translations) if marked(text) is None and sources[row]]
    shorter = sorted(usable, key=lambda row: len(sources[row]))[: (len(usable) + 1) // 2]
    if not shorter:
        return []
    usual = statistics.median(len(translations[row]) / len(sources[row]) for row in shorter)
    expected = {row: usual * len(sources[row]) for row in usable}
    return [row for row in usable if expected[row] >= SHORT and len(translations[row]) < below * expected[row]]
