"""Parsing never raises, whatever comes; waiting times follow from their definition."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuroglot.errors import ConfigError
from neuroglot.generation.backend import FAILURES, Completion, check_prompts, judged
from neuroglot.generation.endpoint import Retrying, seconds_told
from neuroglot.generation.protocol import Answer, parse, says_over_length
from neuroglot.generation.stopping import check_stop, cut
from tests.inference.server import said

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.binary() | ANYTHING.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_answer_or_none(content: bytes) -> None:
    for chat in (True, False):
        assert parse(content, chat) is None
    assert says_over_length(content) is False


@given(st.sampled_from(["choices", "message", "content", "finish_reason", "usage", "prompt_tokens"]), ANYTHING)
def test_an_answer_with_a_field_of_any_kind(name: str, value: object) -> None:
    body = said("text")
    choice = body["choices"][0]
    for part in (body, choice, choice["message"], body["usage"]):
        if name in part:
            part[name] = value
    answer = parse(json.dumps(body).encode(), chat=True)
    assert answer is None or isinstance(answer, Answer)
    if answer is not None:
        answer.text.encode()
        completion = judged(answer.text, answer.finish, answer.prompt_tokens, answer.generated_tokens, False)
        assert (completion.text is None) != (completion.failure is None)


@given(st.text())
def test_a_text_comes_back_as_it_was_sent(text: str) -> None:
    for chat in (True, False):
        answer = parse(json.dumps(said(text, chat=chat)).encode(), chat)
        assert answer == Answer(text, "stop", 3, 2)
    assert judged(text, "stop", 1, 1, False).text == (text if text.strip() else None)


@given(st.text(alphabet="abc\n"), st.lists(st.text(alphabet="abc\n", min_size=1), max_size=3))
def test_a_text_ends_before_the_first_stop_string(text: str, stop: list[str]) -> None:
    expected = next((text[:end] for end in range(len(text)) if any(text[end:].startswith(s) for s in stop)), None)
    assert cut(text, stop) == ((text, False) if expected is None else (expected, True))


@pytest.mark.parametrize("values", [("x", "timeout"), (None, None), (None, "other"), (None, "http 99999")])
def test_a_completion_is_a_text_or_a_known_failure(values) -> None:
    with pytest.raises(ConfigError):
        Completion(*values)


def test_known_failures_are_taken() -> None:
    assert [Completion(None, failure).failure for failure in (*FAILURES, "http 418")][-1] == "http 418"


@pytest.mark.parametrize(
    "prompts",
    [
        *([""], ["a", "\n"], [[]], [3], ["a", None], [[{"role": "user"}]], [[{"role": "user", "content": 3}]]),
        *([[{"role": "robot", "content": "a"}]], [[{"role": "user", "content": "a", "name": "b"}]], ["a", ["b"]]),
    ],
)
def test_prompts_of_another_kind_are_refused(prompts) -> None:
    with pytest.raises(ConfigError, match="Prompt"):
        check_prompts(prompts)


@pytest.mark.parametrize("stop", ["\n", [""], [3]])
def test_stop_strings_of_another_kind_are_refused(stop) -> None:
    with pytest.raises(ConfigError, match="stop"):
        check_stop(stop)


def test_waits_double_up_to_the_longest() -> None:
    retrying = Retrying(attempts=7, first_wait=2, longest_wait=20)
    for attempt, most in enumerate([2, 4, 8, 16, 20, 20], 1):
        waits = [retrying.wait(attempt, None) or 0 for _ in range(200)]
        assert most / 2 <= min(waits) < 0.6 * most
        assert 0.9 * most < max(waits) <= most
    assert retrying.wait(7, None) is None
    assert retrying.wait(7, "1") is None
    assert retrying.wait(1, "20") == 20
    assert retrying.wait(1, "21") is None
    assert retrying.wait(1, "soon") is not None


def test_retry_after_is_a_number_or_a_date() -> None:
    assert seconds_told("3") == 3
    assert seconds_told("-3") == 0
    assert 8 < (seconds_told(format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)) or 0) <= 10
    assert seconds_told(format_datetime(datetime.now(UTC) - timedelta(days=10), usegmt=True)) == 0
    for foreign in (None, "", "nan", "inf", "soon", "Sat, 99 Nov 2026", "1e999"):
        assert seconds_told(foreign) is None


@given(st.text())
def test_any_retry_after_is_seconds_or_none(text: str) -> None:
    told = seconds_told(text)
    assert told is None or told >= 0
