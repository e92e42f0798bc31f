"""Every recipe: run again from its run folder with an equal report, priced, and one job however it is given."""

import json
import shlex
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml

from neuroglot.cli import app, commands
from neuroglot.errors import ConfigError
from neuroglot.recipes import all_recipes
from neuroglot.recipes.analyze import Analyze
from neuroglot.recipes.demo import Demo
from neuroglot.runs.files import load_recipe, read_options
from neuroglot.runs.recipe import Recipe, help_of, option_types
from tests.recipes.every import EXAMPLES, LACKING, stand_in, write_inputs

every_recipe = pytest.mark.parametrize(
    "command",
    [
        pytest.param(name, marks=pytest.mark.skipif(name in LACKING, reason=f"{LACKING.get(name)} is not installed"))
        for name in all_recipes()
    ],
)


def example(command: str) -> Recipe:
    return all_recipes()[command].from_json(EXAMPLES[command])


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    write_inputs(folder)
    return folder


@pytest.fixture(autouse=True)
def _here(workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that holds the inputs of the examples; the demo analyses less than it would."""
    stand_in(workshop, tmp_path, monkeypatch)
    monkeypatch.setattr("neuroglot.runs.price.ENOUGH_SECONDS", 0.0)
    monkeypatch.setattr(Demo, "job", property(lambda self: Analyze(**EXAMPLES["analyze"])))


def test_every_recipe_has_an_example() -> None:
    assert set(EXAMPLES) == set(all_recipes())


def without_times(report: Any) -> Any:
    """A report without the rows that say how long something took."""
    for section in report["sections"]:
        for table in section["tables"]:
            table["rows"] = [row for row in table["rows"] if "ms" not in row]
    return report


@every_recipe
def test_what_follows_is_a_command_that_reads_the_run_folder(command: str) -> None:
    words = example(command).following(Path("first run"))
    if words:
        assert "first run" in words
        app.parse_args(list(words), exit_on_error=False, print_error=False)
        followers = [all_recipes()[name] for name in (" ".join(words[:2]), words[0]) if name in all_recipes()]
        assert followers or words[0] == "report", words  # which is no recipe, and needs a folder only
        for follower in followers[:1]:
            needed = [field.name for field in fields(follower) if field.default is MISSING]
            flags = [f"--{field.replace('_', '-')}" for field in needed if field not in follower.positional]
            assert set(flags) <= set(words), f"{words} lacks one of {flags}"


def test_what_follows_is_printed_so_that_it_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    """Selected on a part, the neurons are switched off on the rest; selected on all, on other texts."""
    options = ["--corpus", "texts", "--selector", "random", "--count", "3", "--device", "cpu"]
    app(["select", "model", *options, "--part", "selection", "--out", "a b"], result_action="return_value")
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Next: neuroglot ablate model --neurons 'a b' --out 'a b-ablated' --corpus texts --part rest"
    app([*shlex.split(last)[2:], "--device", "cpu"], result_action="return_value")
    assert Path("a b-ablated/report.html").is_file()
    capsys.readouterr()
    app(["select", "model", *options, "--out", "all"], result_action="return_value")
    assert capsys.readouterr().out.splitlines()[-1].endswith("--neurons all --out all-ablated --corpus OTHER-TEXTS")
    app(["select", "model", *options, "--out", "third", "--json"], result_action="return_value")
    assert "Next:" not in capsys.readouterr().out


@every_recipe
def test_it_runs_again_from_its_run_folder_with_an_equal_report(command: str) -> None:
    job = example(command)
    report = job.run("first")
    again = load_recipe(Path("first"), all_recipes())
    assert again == job
    again.run("second")
    stored = [json.loads(Path(name, "report.json").read_text()) for name in ("first", "second")]
    assert without_times(stored[1]) == without_times(stored[0]) == without_times(report.to_json())
    made = [
        {path.relative_to(name) for path in Path(name).rglob("*") if path.is_file()} for name in ("first", "second")
    ]
    assert made[0] == made[1]
    assert {Path("report.html"), Path("report.json"), Path("recipe.json"), Path("neuroglot-run.json")} <= made[0]
    for path in made[0] - {Path("report.json"), Path("report.html")} if command != "stages" else ():
        assert Path("first", path).read_bytes() == Path("second", path).read_bytes(), path


@every_recipe
def test_it_is_priced_and_nothing_is_written(command: str) -> None:
    before = set(Path().rglob("*"))
    price = example(command).estimate("out")
    assert json.loads(json.dumps(price.to_json()))["notes"]
    assert price.disk_bytes > 0
    assert price.lines or price.files or price.models
    assert price.tables()[-1].rows
    assert all(line.tokens > 0 and line.seconds > 0 for line in price.lines)
    assert set(Path().rglob("*")) == before


@every_recipe
def test_flags_python_and_files_give_one_job(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Recipe] = []
    monkeypatch.setattr(commands, "run_job", lambda job, **_: jobs.append(job))
    monkeypatch.setattr(sys.modules["neuroglot.cli.run"], "run_job", lambda job, **_: jobs.append(job))
    job = example(command)
    Path("job.yaml").write_text(yaml.safe_dump({"recipe": command, **EXAMPLES[command]}))
    job.save(Path("job.json"))
    for words in (
        [*command.split(), *flags(job)],
        [*command.split(), "--config", "job.yaml"],
        [*command.split(), "--config", "job.json"],
        ["run", "job.yaml"],
        ["run", "job.json"],
    ):
        app([*words, "--out", "out"], result_action="return_value", exit_on_error=False)
    assert jobs == [job] * 5
    assert all_recipes()[command](**EXAMPLES[command]) == job


def flags(job: Recipe) -> list[str]:
    """The example as it would be typed."""
    positional = [word for name in job.positional for word in _words(EXAMPLES[job.command].get(name, []))]
    named = {name: value for name, value in EXAMPLES[job.command].items() if name not in job.positional}
    typed = [[f"--{name.replace('_', '-')}", *_words(value)] for name, value in named.items()]
    return positional + [word for words in typed for word in words]


def _words(value: Any) -> list[str]:
    if isinstance(value, bool):
        assert value
        return []
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]


@every_recipe
def test_options_of_a_wrong_type_are_refused_by_name(command: str) -> None:
    recipe = all_recipes()[command]
    for name, kind in option_types(recipe).items():
        wrong = {"no": "mapping"} if _takes_no_mapping(kind) else 3
        with pytest.raises(ValueError, match=rf"^{name}(\[0\])? of {command!r} is"):
            recipe.from_json({**EXAMPLES[command], name: wrong})
    with pytest.raises(ValueError, match="no option 'colour'"):
        recipe.from_json({**EXAMPLES[command], "colour": "red"})


def _takes_no_mapping(kind: Any) -> bool:
    return get_origin(kind) is not dict and all(map(_takes_no_mapping, get_args(kind)))


def test_beams_that_were_mistyped_are_refused() -> None:
    """A million rows for each text would take all memory; every option by which beams are named refuses them."""
    named = {name: {"beams", "beam", "beam_sizes"} & {*option_types(form)} for name, form in all_recipes().items()}
    asked = [(command, option) for command, options in named.items() for option in options]
    assert {"generate", "translate", "lego translate", "lego evaluate", "sga translate", "specialize evaluate", "probe",
            "sign evaluate", "sign recognise", "ablate"} <= {command for command, _ in asked}  # fmt: skip
    for command, option in asked:
        form = all_recipes()[command]
        for many in (1001, 1_000_000):
            value = [2, many] if option == "beam_sizes" else many
            with pytest.raises(ConfigError, match=rf"{option}.* is {many}\. Expected less than or equal to 1000"):
                form.from_json({**EXAMPLES[command], option: value})
        form.from_json({**EXAMPLES[command], option: [2, 1000] if option == "beam_sizes" else 1000})


@pytest.mark.parametrize("written", ["1e-3", "1E-3", "+1e-03", "1.e-3", ".1e-2", "0.001", "1.0e-3"])
def test_numbers_with_an_exponent_are_numbers_in_files(written: str) -> None:
    """YAML 1.1 takes `1e-3` for a text."""
    Path("job.yaml").write_text(f"learning_rate: {written}\ntask: {written}x\nlimit: 10\n")
    assert read_options(Path("job.yaml")) == {"learning_rate": 0.001, "task": f"{written}x", "limit": 10}


def test_no_description_is_typed_twice() -> None:
    typed: dict[str, set[type]] = {}
    for recipe in all_recipes().values():
        for name, text in help_of(recipe).items():
            owners = [owner for owner in recipe.__mro__ if name in vars(owner).get("__annotations__", {})]
            typed.setdefault(f"{name}: {text}", set()).add(owners[-1])
    assert {text for text, owners in typed.items() if len(owners) > 1} == set()
    assert len(typed) > 100
