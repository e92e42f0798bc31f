"""`neuroglot init` recognises what a folder holds, writes a recipe that runs, and never writes over one."""

import json
import re
import shutil
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import yaml

from neuroglot import corpora
from neuroglot.errors import ArtifactError, ConfigError
from neuroglot.recipes.analyze import Analyze
from neuroglot.recipes.starting import RECIPE_FILE
from tests.tiny import tiny_corpus

SMALL = {"top_share": 0.2, "filter_quantile": 0.5, "owner_quantile": 0.5, "ablation_rows": 4, "random_draws": 1}
OPTIONS = {field.name: field.default for field in fields(Analyze)}


def put(folder: Path, rows: int = 12, name: str = "texts.tsv") -> None:
    columns = tiny_corpus(rows).texts
    lines = ["\t".join(columns), *("\t".join(row) for row in zip(*columns.values(), strict=True))]
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")


def test_a_recipe_is_written_for_what_is_there_and_runs(here: Path, run, capsys) -> None:
    put(Path("mine"))
    shutil.copytree("model", "mine/my-model")
    Path("mine/notes.md").write_text("# notes\n")
    run("init", "mine")
    printed = capsys.readouterr().out
    assert "mine/texts.tsv: 12 rows in de, sw, zh\n" in printed
    assert "mine/my-model: decoder of the type llama\n" in printed
    assert printed.endswith(f"\nRecipe: mine/{RECIPE_FILE}\nNext: neuroglot run mine/{RECIPE_FILE} --out run\n")
    path = Path("mine", RECIPE_FILE)
    assert yaml.safe_load(path.read_text()) == {
        "recipe": "analyze", "model": "mine/my-model", "corpus": "mine/texts.tsv", "languages": ["de", "sw", "zh"],
    }  # fmt: skip
    text = path.read_text()
    for name, value in SMALL.items():  # the # is taken away
        line = f"\n# {name}: {json.dumps(OPTIONS[name])}\n"
        assert text.count(line) == 1
        text = text.replace(line, f"\n{name}: {json.dumps(value)}\n")
    path.write_text(text)
    run("run", str(path), "--out", "run")
    assert Path("run/report.html").exists()
    assert json.loads(Path("run/recipe.json").read_text())["ablation_rows"] == 4


def test_every_option_stands_in_it_with_its_default(here: Path, run) -> None:
    put(Path("mine"))
    run("init", "mine")
    lines = [line.removeprefix("# ") for line in Path("mine", RECIPE_FILE).read_text().splitlines()]
    written = yaml.safe_load("\n".join(line for line in lines if line.split(":")[0] in {"recipe", *OPTIONS}))
    assert set(written) == {"recipe", *OPTIONS}
    for name, default in OPTIONS.items():
        if default is not MISSING and name != "languages":
            assert written[name] == json.loads(json.dumps(default))
    recipe = Analyze.from_json({name: value for name, value in written.items() if name != "recipe"})
    assert recipe == Analyze(model="lab", corpus="mine/texts.tsv", languages=("de", "sw", "zh"))


@pytest.mark.parametrize("where", [".", "lines"])
def test_a_folder_of_files_by_language_is_one_corpus_before_and_after(here, run, monkeypatch, where: str) -> None:
    Path("lines").mkdir()
    for language, column in tiny_corpus(12).texts.items():
        Path("lines", f"{language}.txt").write_text("\n".join(column) + "\n")
    if where == ".":
        monkeypatch.chdir("lines")
    run("init", *([] if where == "." else [where]))
    stored = yaml.safe_load(Path(where, RECIPE_FILE).read_text())
    assert Path(stored["corpus"]).resolve() == here / "lines"
    assert stored["model"] == "lab"
    assert len(corpora.load(stored["corpus"])) == 12


def test_several_texts_are_all_there_and_the_first_is_taken(here: Path, run, capsys) -> None:
    put(Path("mine"), name="a.tsv")
    put(Path("mine"), name="b.tsv", rows=20)
    Path("mine/c.tsv").write_text("de\tsw\nw1\tw2\n")
    run("init", "mine")
    text = Path("mine", RECIPE_FILE).read_text()
    assert yaml.safe_load(text)["corpus"] == "mine/a.tsv"
    assert '\n# corpus: "mine/b.tsv"  # 20 rows in de, sw, zh\n' in text
    assert "mine/c.tsv: left out: 1 rows in de, sw; two languages with 4 rows or more" in capsys.readouterr().out


def test_nothing_is_written_over_and_nothing_is_made_up(here: Path, run) -> None:
    put(Path("mine"))
    run("init", "mine")
    before = Path("mine", RECIPE_FILE).read_text()
    with pytest.raises(ArtifactError, match="is there already.*neuroglot run"):
        run("init", "mine")
    assert Path("mine", RECIPE_FILE).read_text() == before
    Path("empty").mkdir()
    Path("odd").mkdir()
    Path("odd/data.tsv").write_text("a\tb\n1\t2\n")
    refused = {"empty": "no parallel text", "odd": r"data.tsv: .*Expected a file with", "no": "no folder"}
    for folder, said in refused.items():
        with pytest.raises(ConfigError, match=said):
            run("init", folder)
        assert not Path(folder, RECIPE_FILE).exists()


def test_run_folders_and_hidden_files_are_not_read(here: Path, run, capsys) -> None:
    put(Path("mine"))
    put(Path("mine"), name=".hidden.tsv")
    run("record", "model", "--corpus", "mine/texts.tsv", "--device", "cpu", "--out", "mine/run")
    capsys.readouterr()
    run("init", "mine")
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mine/")]
    assert said == ["mine/texts.tsv: 12 rows in de, sw, zh"]


def test_what_leads_nowhere_is_left_out_by_name(here: Path, run, capsys) -> None:
    put(Path("mine"))
    Path("mine/gone.tsv").symlink_to("nowhere")
    Path("mine/circle").symlink_to("circle")
    run("init", "mine")
    said = capsys.readouterr().out
    assert "mine/texts.tsv: 12 rows in de, sw, zh\n" in said
    assert re.search(r"^mine/gone.tsv: left out: There is no ", said, re.MULTILINE)
    assert re.search(r"^mine/circle: left out: ", said, re.MULTILINE)


def test_names_with_odd_characters_stay_names(here: Path, run) -> None:
    folder = Path('we"ird: #1\nmodel: x')
    put(folder)
    run("init", str(folder))
    stored = yaml.safe_load((folder / RECIPE_FILE).read_text())
    assert (stored["corpus"], stored["model"]) == (str(folder / "texts.tsv"), "lab")


@pytest.mark.parametrize("rows", [3, 4])
def test_four_rows_are_enough(here: Path, run, rows: int) -> None:
    put(Path("mine"), rows=rows)
    if rows == 4:
        run("init", "mine")
        assert yaml.safe_load(Path("mine", RECIPE_FILE).read_text())["corpus"] == "mine/texts.tsv"
    else:
        with pytest.raises(ConfigError, match="3 rows .* two languages with 4 rows or more"):
            run("init", "mine")


def test_what_lies_in_the_current_folder_is_no_model_of_the_hub(here: Path, run, monkeypatch) -> None:
    put(Path("mine"))
    shutil.copytree("model", "mine/my-model")
    monkeypatch.chdir("mine")
    run("init")
    stored = yaml.safe_load(Path(RECIPE_FILE).read_text())
    assert (stored["model"], stored["corpus"]) == ("./my-model", "./texts.tsv")


def test_the_languages_are_those_of_the_texts_that_are_taken(here: Path, run) -> None:
    put(Path("mine"), name="a.tsv")
    Path("mine/b.tsv").write_text("en\tfr\n" + "w1\tw2\nw3\tw4\nw5\tw6\nw7\tw8\n")
    run("init", "mine")
    stored = yaml.safe_load(Path("mine", RECIPE_FILE).read_text())
    assert (stored["corpus"], stored["languages"]) == ("mine/a.tsv", ["de", "sw", "zh"])


def test_files_of_a_corpus_that_is_a_folder_are_not_named_one_by_one(here: Path, run, capsys) -> None:
    shutil.copytree("texts", "lines")
    run("init", "lines")
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lines")]
    assert said == ["lines: 30 rows in de, sw, zh"]
