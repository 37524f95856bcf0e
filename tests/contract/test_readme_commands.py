"""What the README and the references tell a newcomer to type works: each command is run or found to exist."""

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import typer
from tests.support.catalogs import demo_catalog
from tests.support.installation import Service
from typer.testing import CliRunner

import louver
import louver_sandbox.__main__ as sandbox_entry
from louver.cli.app import app as client_app
from louver_server.command import app as console_app

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "README.zh-CN.md",
    "docs/reference/operating.md",
    "docs/reference/cli.md",
    "docs/reference/console.md",
    "docs/reference/policy-tools.md",
    "docs/reference/auditing.md",
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMANDS = {"louver": client_app, "louver-sandbox": vars(sandbox_entry)["app"], "louver-server": console_app}


@dataclass(frozen=True)
class Line:
    """One shell command of a page."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def fences(page: str, *languages: str) -> list[str]:
    """The code of a page in these languages."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [code for language, code in FENCE.findall(text) if language in languages]


def lines() -> Iterator[Line]:
    """Every shell command of every page; what is piped is a command of its own."""
    for page in PAGES:
        for code in fences(page, "sh", "", "shell", "bash"):
            for text in code.splitlines():
                words = shlex.split(text, comments=True)
                while "|" in words:
                    cut = words.index("|")
                    words = words[cut + 1 :]
                if words and words[0] in {"make", "pip", *PROJECT["scripts"]}:
                    yield Line(page, tuple(words))


LINES = list(lines())


class NoSuchCommand(Exception):
    """The words call no command of ours; the text says which of them is wrong."""


def resolve(command: Any, words: Sequence[str]) -> None:
    """Checks words against a command: subcommands, options and their values, and the number of arguments."""
    options = {name: param for param in command.params for name in (*param.opts, *param.secondary_opts)}
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    given: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word.startswith("-") and word != "-":
            name, _, value = word.partition("=")
            if name not in options:
                raise NoSuchCommand(f"{command.name} has no option {name}")
            if not options[name].is_flag and not value:
                waiting.pop(0)
        elif commands := getattr(command, "commands", None):
            if word not in commands:
                raise NoSuchCommand(f"{command.name} has no command {word}")
            resolve(commands[word], waiting)
            return
        else:
            given.append(word)
    if len(given) > len(arguments) or len(given) < sum(argument.required for argument in arguments):
        raise NoSuchCommand(f"{command.name} takes {len(arguments)} arguments, not {len(given)}")


def resolved(words: Sequence[str]) -> None:
    """Raises `NoSuchCommand` unless one of our entry points takes these words."""
    name, *rest = words
    resolve(typer.main.get_command(COMMANDS[name]), rest)


@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_shell_command_of_the_pages_exists(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    match line.words:
        case ("make", target, *more):
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{target}:", makefile, re.MULTILINE)
            for setting in more:
                name, _, value = setting.partition("=")
                assert f"$({name})" in makefile
                assert (ROOT / "bench" / f"{value}.py").exists(), f"there is no benchmark {value}"
        case ("pip", "install", requirement):
            name, _, extra = requirement.rstrip("]").partition("[")
            assert name == PROJECT["name"]
            assert not extra or extra in PROJECT["optional-dependencies"]
        case (name, *_) if name in COMMANDS:
            resolved(line.words)
        case _:
            raise AssertionError(f"nobody checks {line}")


def test_the_pages_have_commands() -> None:
    assert {line.words[0] for line in LINES} == {"make", "pip", "louver", "louver-sandbox", "louver-server"}


@pytest.mark.parametrize(
    "words",
    ["louver query --no-such-option", "louver-sandbox publish --turbo", "louver askk", "louver-sandbox replay"],
)
def test_the_check_itself_sees(words: str) -> None:
    with pytest.raises(NoSuchCommand):
        resolved(words.split())


def subcommands(name: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command path of an entry point with its command, itself included."""

    def below(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        yield path, command
        for sub_name, sub in getattr(command, "commands", {}).items():
            yield from below((*path, sub_name), sub)

    yield from below((), typer.main.get_command(COMMANDS[name]))


EVERY = {" ".join((name, *path)): (name, path, command) for name in COMMANDS for path, command in subcommands(name)}


@pytest.mark.parametrize("words", EVERY)
def test_every_command_has_help_that_says_something(words: str) -> None:
    name, path, command = EVERY[words]
    result = CliRunner().invoke(COMMANDS[name], [*path, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output
    assert command.help, f"{words} does not say what it does"


def test_there_are_subcommands() -> None:
    assert {"louver query", "louver receipt verify", "louver-sandbox policy activate"} <= set(EVERY)


def test_the_systemd_unit_starts_commands_that_exist() -> None:
    unit = (ROOT / "deploy" / "louver-sandbox.service").read_text(encoding="utf-8")
    commands = re.findall(r"^ExecStart(?:Pre)?=(.+)$", unit, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        program, *rest = shlex.split(command)
        resolved((Path(program).name, *rest))


def test_every_entry_point_is_installed() -> None:
    for script in PROJECT["scripts"]:
        assert shutil.which(script, path=str(Path(sys.executable).parent)), script


def environment(served: Service) -> dict[str, str]:
    """How a bank's shell is set up."""
    authority, key, certificate = served.files("bank_a")
    return {
        "LOUVER_TARGET": served.address,
        "LOUVER_CERTIFICATE": str(certificate),
        "LOUVER_KEY": str(key),
        "LOUVER_CA": str(authority),
        "LOUVER_LOG_KEY": served.city.log_key,
    }


QUERIES = [line for line in LINES if line.page == "README.md" and line.words[:2] == ("louver", "query")]


@pytest.mark.parametrize("line", QUERIES, ids=str)
def test_the_questions_of_the_readme_are_answered(
    line: Line, served: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment(served).items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(client_app, list(line.words[1:]))
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()


def test_the_readme_counts_the_demos_tables_right() -> None:
    tables = [table for table in demo_catalog().tables.values() if table.name.schema == "gov"]
    views = [table for table in tables if table.view]
    said = f"{len(tables) - len(views)} government tables and {len(views)} views"
    assert said in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_asks_a_question_on_the_command_line() -> None:
    assert QUERIES


@pytest.mark.parametrize("code", fences("README.md", "python"))
def test_the_python_of_the_readme_runs(
    code: str, served: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    authority, key, certificate = served.files("bank_a")
    for place, name in ((authority, "authority.pem"), (key, "bank_a.key"), (certificate, "bank_a.pem")):
        shutil.copyfile(place, tmp_path / name)
    code = code.replace("sandbox.example:50551", served.address)
    code = re.sub(r'log_key="[^"]*"', f'log_key="{served.city.log_key}"', code)
    loans = parquet.read_table(served.city.world / "bank_a.loan_book")
    names: dict[str, object] = {"loans": loans}
    exec(compile(code, "README.md", "exec"), names)
    answer = names["answer"]
    assert isinstance(answer, louver.Answer)
    assert answer.rows
    assert answer.receipt is not None
    assert answer.proof is not None, "the README shows a verified answer"
