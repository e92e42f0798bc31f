"""Logs of fairseq-generate: order, tags, joining of words, and logs that are not whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from neuroglot.corpora.generate_log import detokenized, is_generate_log, read_generate_log
from neuroglot.errors import CorpusError, MissingExtraError

LOG = """\
2023-01-01 00:00:00 | INFO | fairseq_cli.generate | loading model(s)
S-2\t__de__ Sie sagte : " Ja , gern . "
T-2\tShe said : " Yes , gladly . "
H-2\t-0.4768\tShe said : " Yes , sure . "
D-2\t-0.4768\tsomething else
P-2\t-0.1361 -0.6441
S-0\t__deu_Latn__ Das kostet 3 $ ( netto ) , R &amp; D .
T-0\tThat is $ 3 ( net ) , R &amp; D .
H-0\t-1.2e-05\tThat &apos;s $ 3 ( net ) , R &amp; D .
S-1\t__src__ __tgt__ Ein Welt @-@ Hotel a__b__c
T-1\tA world @-@ class hotel
H-1\t-inf\t
Generate test with beam=5: BLEU4 = 39.07, 68.9/45.8/32.2/22.9 (BP=1.000, ratio=1.031, syslen=50633, reflen=49104)
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "generate-test.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_sentences_come_in_the_order_of_their_ids_without_tags(tmp_path: Path) -> None:
    log = read_generate_log(written(tmp_path, LOG))
    assert log.sources == (
        "Das kostet 3 $ ( netto ) , R &amp; D .",
        "Ein Welt @-@ Hotel a__b__c",
        'Sie sagte : " Ja , gern . "',
    )
    assert log.hypotheses[1] == ""
    assert log.references is not None
    assert log.references[2] == 'She said : " Yes , gladly . "'
    assert log.bleu4 == 39.07


def test_words_are_joined_as_the_side_is_written(tmp_path: Path) -> None:
    log = read_generate_log(written(tmp_path, LOG))
    assert detokenized(log.hypotheses, "en") == ("That's $3 (net), R & D.", "", 'She said: "Yes, sure."')
    assert detokenized(log.sources, "deu_Latn")[1:] == ("Ein Welt-Hotel a__b__c", 'Sie sagte: "Ja, gern."')
    assert detokenized(["L' homme vient !"], "fr") == ("L'homme vient !",)
    assert detokenized(["L' homme vient !"], "de") == ("L' homme vient!",)


def test_joining_equals_the_command_line_of_sacremoses(tmp_path: Path) -> None:
    lines = [
        '" Hello , world " , he &quot; said &quot; .',
        "Marie 's dog ( big ) @-@ costs $ 5 &amp; more : 9 : 30",
        "今天 天气 好 ！",
        "  two   spaces ",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "sacremoses", "-l", "en", "-q", "detokenize"],
        input="\n".join(lines) + "\n", capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert list(detokenized(lines, "en")) == done.stdout.removesuffix("\n").split("\n")


def test_a_log_without_references_or_without_its_last_line_is_read(tmp_path: Path) -> None:
    lines = [line for line in LOG.split("\n") if not line.startswith(("T-", "Generate"))]
    log = read_generate_log(written(tmp_path, "\n".join(lines)))
    assert (log.references, log.bleu4, len(log.hypotheses)) == (None, None, 3)


def test_a_log_is_told_by_its_content() -> None:
    assert is_generate_log(LOG.split("\n"))
    assert not is_generate_log(["S-1 is a train", "H-2 is another", "S-x\ty", "H-\t"])
    assert not is_generate_log(["S-1\tonly sources"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("H-2\t-0.4768\tShe said", "X-2\t-0.4768\tShe said", "1 of 3 sentences have no hypothesis line"),
        ("T-0\t", "X-0\t", "1 of 3 sentences have no reference line"),
        ("S-1\t", "X-1\t", "1 of 3 sentences have no source line"),
        ("S-1\t", "S-2\t", "sentence 2 has a second source"),
        ("H-0\t", "H-2\t", "sentence 2 has a second hypothesis"),
        ("S-2\t", "S-two\t", "generate-test.txt:2: the source has the id 'two'"),
        ("T-2\t", "T--2\t", "the id '-2'"),
        ("T-2\t", "T-²\t", "the id '²'"),
        ("H-1\t-inf\t", "H-1\tno score", "the hypothesis has no score"),
        ("H-1\t-inf\t", "H-1\tword\ttext", "the hypothesis has no score"),
    ],
)
def test_logs_that_are_not_whole_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in LOG
    with pytest.raises(CorpusError, match=message):
        read_generate_log(written(tmp_path, LOG.replace(old, new)))


def test_missing_sentences_and_foreign_files_are_refused(tmp_path: Path) -> None:
    gap = LOG.replace("S-2", "S-5").replace("T-2", "T-5").replace("H-2", "H-5")
    with pytest.raises(CorpusError, match=r"3 sentences are missing, of ids 0 to 5 \(2 first\)"):
        read_generate_log(written(tmp_path, gap))
    with pytest.raises(CorpusError, match="holds no line of a sentence"):
        read_generate_log(written(tmp_path, "just text\n"))


def test_without_sacremoses_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    with pytest.raises(MissingExtraError, match=r"neuroglot\[scores\]"):
        detokenized(["a ."], "en")


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(CorpusError, match="no language code"):
        detokenized(["a ."], "klingonisch")
