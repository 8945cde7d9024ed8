"""Every command explains itself: what it reads, writes and returns, with an example that can be typed."""

import re
import shlex
import subprocess
import sys
import time

import pytest

from autograder import __main__ as commands
from autograder.__main__ import main
from autograder.course import FOLDER, Course, Problem
from autograder.manual import MANUAL

PARSER = commands._parser()
NAMES = list(next(action for action in PARSER._actions if action.choices).choices)


def help_of(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"] if name else ["--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def options_of(name):
    parser = next(action for action in PARSER._actions if action.choices).choices[name]
    return [action for action in parser._actions if action.dest != "help"]


def test_the_list_of_commands_says_what_each_is_for(capsys):
    told = help_of(None, capsys)
    for name in NAMES:
        assert re.search(rf"(?m)^    {name} +\w+", told), name
    assert list(MANUAL) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_is_read_written_and_returned_with_an_example(name, capsys):
    told = help_of(name, capsys)
    for row in ("reads:", "writes:", "returns:", "example:"):
        assert re.search(rf"(?m)^{row} +\S", told), row
    assert MANUAL[name].about in " ".join(told.split())
    assert all(len(line) <= 120 for line in told.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_explained(name):
    assert [option.dest for option in options_of(name) if not option.help] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_example_can_be_typed(name):
    words = shlex.split(MANUAL[name].example.partition(" > ")[0])
    assert words[:4] == ["python", "-m", "autograder", name]
    options = PARSER.parse_args(words[3:])
    assert callable(options.run)
    assert options.course in (FOLDER, FOLDER.parent / "_build" / "sample")


def test_help_needs_nothing_but_the_standard_library_and_the_settings():
    heavy = "{'numpy', 'nbgrader', 'matplotlib'}"
    code = f"import sys; from autograder.__main__ import _parser; _parser(); print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=FOLDER.parent, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("number", ["0", "-2", "many", "1.5"])
def test_a_number_that_is_none_is_said_in_plain_words(number, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["grade", "forward", f"--workers={number}"])
    assert ended.value.code == 2
    assert f"'{number}' is no whole number above 0" in capsys.readouterr().err


def failing(error):
    def run(course, options):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (Problem("This is missing; make it."), 1, "autograder: This is missing; make it.\n"),
        (
            PermissionError(13, "Permission denied", "/a/b"),
            1,
            "/a/b can be neither read nor written: Permission denied",
        ),
        (KeyboardInterrupt(), 130, "autograder: interrupted; what was graded stays graded.\n"),
    ],
)
def test_what_goes_wrong_is_one_sentence(monkeypatch, capsys, error, status, said):
    monkeypatch.setattr(commands, "_build", failing(error))
    assert main(["build"]) == status
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_a_fault_of_our_own_is_not_hidden(monkeypatch):
    monkeypatch.setattr(commands, "_build", failing(OSError("no file is meant")))
    with pytest.raises(OSError, match="no file is meant"):
        main(["build"])


def test_progress_is_told_on_the_standard_error_stream_and_only_of_what_is_slow(capsys, monkeypatch, tmp_path):
    from autograder.builder import build as builder

    monkeypatch.setattr(builder, "_release", lambda course, name: None)
    monkeypatch.setattr(builder, "_write_source", lambda course, text, notebook: time.sleep(slow))
    slow = 0.0
    builder.build(Course(tmp_path), [])
    assert capsys.readouterr().err == ""
    slow = 0.7
    builder.build(Course(tmp_path), [])
    shown = capsys.readouterr()
    assert "building" in shown.err
    assert shown.out == ""
