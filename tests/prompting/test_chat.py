"""Chat templates come with models: whatever they do, it ends in one message or in the conversation as it is."""

import pytest

from neuroglot.errors import ConfigError
from neuroglot.generation.backend import ChatWriter
from neuroglot.prompting.chat import written_by_template
from tests.tiny import tiny_tokenizer

TURNS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How much is 2 + 2?"}]
EACH = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
BROKEN = {
    "no template language": "{% for m in messages %}",
    "an unknown tag": "{% nothing %}",
    "an unknown filter": "{{ messages|nothing }}",
    "an unknown test": "{{ messages is nothing }}",
    "division by zero": "{{ 1 / 0 }}",
    "modulo zero": "{{ 1 % 0 }}",
    "text and number": "{{ 'a' + 1 }}",
    "a number that is called": "{{ 3() }}",
    "nothing that is called": "{{ nothing() }}",
    "nothing's attribute": "{{ nothing.content.text }}",
    "a list's attribute": "{{ messages.content.text }}",
    "an index that is not there": "{{ messages[7].content }}",
    "a number too large": "{{ 2.0 ** 5000 }}",
    "a text too long": "{{ 'a' * 10 ** 18 }}",
    "a list too long": "{{ range(10 ** 12)|list }}",
    "a macro without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "what it raises itself": "{{ raise_exception('Only user turns') }}",
    "a private attribute": "{{ messages.__class__.__mro__ }}",
    "a builtin": "{{ ''.__class__.__base__.__subclasses__() }}",
    "an import": "{% import 'os' as os %}",
    "an include": "{% include '/etc/passwd' %}",
    "a parent": "{% extends 'base' %}",
    "an assignment to a list": "{% set messages[0] = 1 %}",
    "a comparison of kinds": "{{ messages < 3 }}",
    "a join of kinds": "{{ [1, none]|sum }}",
    "a format of nothing": "{{ '%d'|format('a') }}",
    "a number of a text": "{{ messages|first|int + none }}",
    "nothing at all": "",
    "the system prompt only": "{{ messages[0].content }}",
    "the prompt in capitals": "{{ messages[-1].content|upper }}",
    "the prompt cut": "{{ messages[-1].content[:5] }}",
    "the number of turns": "{{ messages|length }}",
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_template_is_one_message(broken: str) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = BROKEN[broken]
    with pytest.raises(ConfigError, match="chat template (refuses|leaves out)") as refusal:
        ChatWriter(tokenizer).write(TURNS)
    assert len(str(refusal.value)) < 500
    assert "\n" not in str(refusal.value)


def test_a_sound_template_writes_all_turns() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = EACH
    assert written_by_template(tokenizer, TURNS) == "system: Be brief.\nuser: How much is 2 + 2?\n"
