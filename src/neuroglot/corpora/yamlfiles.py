"""YAML files of options: plain values only, every key once, and no references."""

from pathlib import Path

import yaml

from neuroglot.corpora.textfiles import read_text
from neuroglot.errors import CorpusError


class _Strict(yaml.SafeLoader):
    """As SafeLoader, without references: a few hundred bytes of them can stand for more than fits into memory."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="a reference (*)", problem_mark=self.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_scalar(self, node: yaml.ScalarNode) -> object:
        value = super().construct_scalar(node)
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise yaml.MarkedYAMLError(problem="half a surrogate pair", problem_mark=node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        found = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):  # the last of two would win unseen
            raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=node.start_mark)
        return found


def read_yaml(path: Path) -> object:
    """The value in a YAML file; raises `CorpusError` with the line on anything else, references and doubled keys."""
    text = read_text(path)
    try:
        return yaml.load(text, _Strict)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = str(getattr(error, "problem", None) or type(error).__name__)[:200]
        raise CorpusError(
            f"{where}: this is not YAML: {problem}.", "Expected is plain YAML.", "Mend the file."
        ) from None
