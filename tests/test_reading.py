"""Submitted files are read for what is there, or refused in one sentence; no file is ever changed."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.course import Problem
from autograder.engine import reading
from autograder.engine.reading import find_notebook, read_notebook


def code(source, grade_id=None, **fields):
    metadata = {} if grade_id is None else {"nbgrader": {"grade_id": grade_id, "points": 3}}
    return {
        "cell_type": "code",
        "id": "a",
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
        **fields,
    }


def notebook(*cells, **fields):
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **fields}


def lay(path, content):
    """Write a file, as bytes or as JSON; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def sources(path):
    return [cell.source for cell in read_notebook(path)[0].cells]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "forward.ipynb"


def refusal(path):
    with pytest.raises(Problem) as caught:
        read_notebook(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_sound_notebook_is_read_without_a_word(path):
    lay(path, notebook(code("x = 1\ny = 2", "f"), metadata={"batchnorm": {"release": "r1"}, "kernelspec": {}}))
    read, oddities = read_notebook(path)
    assert oddities == []
    assert read.metadata == {"batchnorm": {"release": "r1"}}
    assert read.cells[0].source == "x = 1\ny = 2"
    assert read.cells[0].id == "a"
    assert read.cells[0].metadata == {"nbgrader": {"grade_id": "f"}}


def test_reading_leaves_the_file_as_it_was(path):
    content = b"\xef\xbb\xbf" + json.dumps(notebook(code("x"))).encode() + b"more"
    lay(path, content)
    before = path.stat().st_mtime_ns
    read_notebook(path)
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_read_and_told(path, encoding):
    lay(path, json.dumps(notebook(code("x̂ = 'μ'")), ensure_ascii=False).encode(encoding))
    assert sources(path) == ["x̂ = 'μ'"]
    assert len(read_notebook(path)[1]) == 1


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_western_encodings_are_read_and_told(path, encoding):
    lay(path, json.dumps(notebook(code("# für café")), ensure_ascii=False).encode(encoding))
    assert sources(path) == ["# für café"]
    assert "Windows-1252" in read_notebook(path)[1][0]


def test_one_foreign_byte_spoils_no_other_character(path):
    lay(path, json.dumps(notebook(code("μ = 'X'")), ensure_ascii=False).encode().replace(b"X", b"\xfc"))
    assert sources(path) == ["μ = 'ü'"]


def test_foreign_bytes_in_outputs_go_unnoticed(path):
    lay(path, json.dumps(notebook(code("x", outputs=["X"]))).encode().replace(b"X", b"\xff\xfe"))
    assert read_notebook(path)[1] == []


@pytest.mark.parametrize("rest", [b"}", b"\n<<<<<<< HEAD", b'{"cells": []}', b"\xff"])
def test_what_follows_the_notebook_is_left_out_and_told(path, rest):
    lay(path, json.dumps(notebook(code("x"))).encode() + rest)
    assert sources(path) == ["x"]
    assert "Behind the end" in read_notebook(path)[1][0]


def test_zeros_behind_the_notebook_are_nothing(path):
    lay(path, json.dumps(notebook(code("x"))).encode() + b"\n" + bytes(512))
    assert read_notebook(path)[1] == []


def test_every_cut_of_a_notebook_is_reported_and_none_is_guessed(path):
    whole = json.dumps(notebook(code('a = "\\\\"\n', "f", outputs=[{"text": ["1\n", "2"]}]), code("b", "g"))).encode()
    for length in range(1, len(whole)):
        lay(path, whole[:length])
        assert "breaks off" in refusal(path)


def test_cut_off_notebook_is_told_with_its_line(path):
    whole = json.dumps(notebook(code("a"), code("b")), indent=1).encode()
    half = whole[: whole.index(b'"b"')]
    lay(path, half)
    line = half.count(b"\n") + 1
    assert f"breaks off in line {line}," in refusal(path)


@pytest.mark.parametrize("content", [b"", b"\n \n", bytes(4096), b"\xef\xbb\xbf"])
def test_empty_file_is_reported(path, content):
    lay(path, content)
    assert "is empty" in refusal(path)


@pytest.mark.parametrize("content", [b"<html>Log in</html>", b"PK\x03\x04", b"[1, 2]", b'"text"', b"null", b"\x00\x01"])
def test_what_is_no_notebook_is_reported(path, content):
    lay(path, content)
    assert "is no notebook" in refusal(path)


@pytest.mark.parametrize("content", [{}, {"cells": 3}, {"cells": {"0": "x"}, "metadata": []}, {"nbformat": 4}])
def test_json_without_cells_is_reported(path, content):
    lay(path, content)
    assert "no list of cells" in refusal(path)


def test_merge_conflict_is_reported_with_its_line(path):
    whole = json.dumps(notebook(code("a"), code("b")), indent=1).split("\n")
    whole.insert(7, "<<<<<<< HEAD")
    lay(path, "\n".join(whole).encode())
    assert "damaged in line 8" in refusal(path)


@pytest.mark.parametrize("version", [2, 3])
def test_old_formats_are_read_and_told(path, version):
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Title"], "metadata": {}},
        {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python", "outputs": [], "prompt_number": 3},
    ]
    lay(
        path,
        {"nbformat": version, "metadata": {"name": ""}, "worksheets": [{"cells": cells[:1]}, {"cells": cells[1:]}]},
    )
    read, oddities = read_notebook(path)
    assert [(cell.cell_type, cell.source) for cell in read.cells] == [
        ("markdown", "## Title"),
        ("code", "x = 1\ny = 2"),
    ]
    assert oddities == [f"The notebook is in format {version} of Jupyter and was read as format 4."]


def test_format_4_without_ids_is_read(path):
    cell = code("x", "f")
    del cell["id"]
    lay(path, notebook(cell, nbformat_minor=2))
    read, oddities = read_notebook(path)
    assert "id" not in read.cells[0]
    assert oddities == []


@pytest.mark.parametrize(
    ("cell", "kind", "source"),
    [
        ({"cell_type": "code", "source": "x"}, "code", "x"),
        ({"cell_type": "code", "source": ["x\n", "y"], "metadata": None}, "code", "x\ny"),
        ({"cell_type": "code", "source": ["x", 3, None], "metadata": [1]}, "code", "x"),
        ({"cell_type": "markdown"}, "markdown", ""),
        ({"cell_type": "code", "source": {"text": "x"}}, "code", ""),
        ({"cell_type": "python", "source": "x", "outputs": []}, "code", "x"),
        ({"cell_type": 7, "source": "x"}, "markdown", "x"),
        ({"source": "x\r\ny", "id": 7, "metadata": {"nbgrader": "f"}}, "markdown", "x\ny"),
        ({"cell_type": "raw", "source": "x", "id": [], "metadata": {"nbgrader": {"grade_id": 3}}}, "raw", "x"),
        ({"cell_type": "code", "source": "x", "extra": {"deep": [[[{}]]]}}, "code", "x"),
    ],
)
def test_invalid_cells_are_read_for_what_they_hold(path, cell, kind, source):
    lay(path, notebook(cell, "no cell", code("sound")))
    read, oddities = read_notebook(path)
    assert [cell.source for cell in read.cells] == [source, "sound"]
    assert read.cells[0].cell_type == kind
    assert set(read.cells[0]) <= {"cell_type", "id", "metadata", "source", "outputs", "execution_count"}
    assert "What is no cell was left out (cell 2)." in oddities


def test_places_of_many_mended_cells_are_counted(path):
    lay(path, notebook(*[{"cell_type": "odd", "source": ""}] * 9))
    assert read_notebook(path)[1][0].endswith("(cells 1, 2, 3 and 6 more).")


def test_lone_surrogates_become_characters_that_a_file_can_hold(path):
    lay(path, b'{"cells": [{"cell_type": "code", "source": "a\\ud800b \\ud83d\\ude00"}]}')
    assert sources(path) == ["a\ufffdb \N{GRINNING FACE}"]


def test_pasted_pictures_are_kept_and_nothing_else_is(path):
    bundle = {"image/png": "iVBORw0=", "text/html": "<script>", "image/svg+xml": "<svg/>", "image/jpeg": '"><script>'}
    pictures = {"a.png": bundle, "b": "x", "c": {"text/html": "x"}}
    lay(path, notebook({"cell_type": "markdown", "source": "", "attachments": pictures}))
    assert read_notebook(path)[0].cells[0].attachments == {"a.png": {"image/png": "iVBORw0="}}


def test_far_too_long_text_is_left_out_and_told(path):
    lay(path, notebook(code("x" * 9 * reading.LONGEST_TEXT), code("y")))
    assert sources(path) == ["", "y"]
    assert "far too much" in read_notebook(path)[1][0]


def peak_of_reading(path):
    """Read in a process of its own; return seconds and peak memory in MB beyond that of a small notebook."""
    program = (
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from autograder.engine.reading import read_notebook\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "start = time.perf_counter()\n"
        "try: print(len(read_notebook(Path(sys.argv[1]))[0].cells))\n"
        "except Exception as error: print(str(error)[-40:])\n"
        "print(time.perf_counter() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    root = Path(reading.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", program, path], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    said, numbers = run.stdout.splitlines()
    seconds, memory = map(float, numbers.split())
    return said, seconds, memory


def test_100_mb_of_outputs_cost_little_more_than_their_bytes(path):
    lines = {"output_type": "stream", "name": "stdout", "text": ["epoch 1: loss 0.25\n"] * 20_000}
    picture = {"output_type": "display_data", "data": {"image/png": "A" * 5_000_000}, "metadata": {}}
    lay(path, notebook(*[code(f"x = {n}", outputs=[lines, picture]) for n in range(19)]))
    assert 100e6 < path.stat().st_size < reading.LARGEST_FILE
    said, seconds, memory = peak_of_reading(path)
    assert said == "19"
    assert memory < 1.3 * path.stat().st_size / 2**20
    assert seconds < 20


@pytest.mark.parametrize("where", ["outputs", "cells", "key"])
def test_no_file_is_a_memory_bomb(path, where):
    bomb = b"[" + b"{}," * 15_000_000 + b"{}]"
    content = {
        "cells": b'{"cells": ' + bomb + b"}",
        "key": b'{"cells": [], "' + b"x" * 45_000_000 + b'": 1}',
    }.get(where, b'{"cells": [{"cell_type": "markdown", "%s": %s}]}' % (where.encode(), bomb))
    lay(path, content)
    _, seconds, memory = peak_of_reading(path)
    assert memory < 300
    assert seconds < 60


@pytest.mark.parametrize("content", [b'{"cells":' + b"[" * 1_000_000, b'{"cells":[{"source":' + b'{"a":' * 1_000_000])
def test_deep_nesting_is_reported(path, content):
    lay(path, content)
    refusal(path)


def test_deeply_nested_values_in_a_whole_file_are_reported(path):
    deep = b"[" * 100_000 + b"]" * 100_000
    lay(path, b'{"cells": [{"cell_type": "code", "source": ' + deep + b"}]}")
    refusal(path)


def test_file_larger_than_the_limit_is_refused_unread(path):
    path.touch()
    os.truncate(path, reading.LARGEST_FILE + 1)  # sparse
    assert "more than 200" in refusal(path)


def test_too_many_cells_are_refused(path):
    lay(path, notebook(*[{"source": "x"}] * (reading.MOST_CELLS + 1)))
    assert f"more than {reading.MOST_CELLS} cells" in refusal(path)


def test_link_is_not_followed(path, tmp_path):
    secret = lay(tmp_path / "elsewhere.ipynb", notebook(code("secret")))
    path.symlink_to(secret)
    assert "is a link" in refusal(path)


def test_link_that_leads_nowhere_is_reported_as_a_link(path):
    path.symlink_to("nowhere")
    assert "is a link" in refusal(path)


def test_folder_is_reported(path):
    path.mkdir()
    assert "is a folder" in refusal(path)


def test_pipe_is_reported_and_not_waited_for(path):
    os.mkfifo(path)
    sentences = []
    reader = threading.Thread(target=lambda: sentences.append(refusal(path)), daemon=True)
    reader.start()
    reader.join(10)
    assert "no ordinary file" in sentences[0]


def test_device_is_reported(path):
    assert "no ordinary file" in refusal(Path("/dev/zero"))


def test_missing_and_unreadable_files_are_reported(path, monkeypatch):
    assert "No such file" in refusal(path)
    lay(path, notebook())

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(reading.os, "open", denied)
    assert "Permission denied" in refusal(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
CELLS = st.dictionaries(
    st.sampled_from(["cell_type", "id", "source", "input", "metadata", "attachments", "level", "outputs"]),
    JSON | st.sampled_from(["code", "heading", {"nbgrader": {"grade_id": "f"}}, ["a", "b"]]),
)


def outcome(path, small):
    """Return what is read, as a whole or piece by piece, or why it is refused."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_SMALL", small)
        try:
            return json.dumps(read_notebook(path), sort_keys=True)
        except Problem as problem:
            return str(problem)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    content=st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.text('{}[]":, \\a1', max_size=40).map(str.encode)
)
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = lay(tmp_path_factory.getbasetemp() / "any.ipynb", content)
    try:
        read_notebook(path)
    except Problem:
        refusal(path)
    assert outcome(path, small=1000) == outcome(path, small=0)


@pytest.mark.parametrize(
    "content",
    [b'{"cells": [{"source": "a", "source": "b"}], "cells": [{}]}', b'{"cells": [{"source": "\\ud800\t"}]}\0'],
    ids=["keys that stand there twice", "half a character, a tab and zeros"],
)
def test_it_is_all_the_same_whether_a_file_is_loaded_as_a_whole(path, content):
    lay(path, content)
    assert outcome(path, small=1000) == outcome(path, small=0)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    cells=st.lists(CELLS | JSON, max_size=5),
    others=st.dictionaries(st.sampled_from(["metadata", "nbformat", "x"]), JSON),
)
def test_any_list_of_cells_is_read(tmp_path_factory, cells, others):
    path = lay(tmp_path_factory.getbasetemp() / "cells.ipynb", {**others, "cells": cells})
    read, oddities = read_notebook(path)
    assert len(read.cells) == sum(isinstance(cell, dict) for cell in cells)
    json.dumps(read).encode()
    assert all(cell.source.encode() is not None for cell in read.cells)
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in oddities)
    assert outcome(path, small=10**6) == outcome(path, small=0)


IDS = {"setup", "f", "f-value"}
FITTING = notebook(code("x", "f"), code("y", "f-value"))
OTHER = notebook(code("x", "g"), code("y", "g-value"))


def found(folder):
    path, oddities = find_notebook(folder, "forward", IDS)
    return path.relative_to(folder).as_posix(), oddities


def test_notebook_under_its_own_name_is_found_without_a_word(tmp_path):
    lay(tmp_path / "forward.ipynb", FITTING)
    lay(tmp_path / "data.csv", b"1")
    assert found(tmp_path) == ("forward.ipynb", [])


def test_other_notebooks_beside_the_right_name_are_told(tmp_path):
    lay(tmp_path / "forward.ipynb", FITTING)
    lay(tmp_path / "forward (1).ipynb", FITTING)
    assert found(tmp_path) == ("forward.ipynb", ["Beside forward.ipynb lies forward (1).ipynb, which is not graded."])


@pytest.mark.parametrize(
    "name", ["forward (1).ipynb", "FORWARD.IPYNB", "forward.ipynb.txt", "my/work/Untitled3.ipynb", "forward.ipynb.json"]
)
def test_renamed_notebook_is_found_and_told(tmp_path, name):
    lay(tmp_path / name, FITTING)
    lay(tmp_path / "bn_helper" / "__init__.py", b"")
    path, oddities = found(tmp_path)
    assert path == name
    assert oddities == [f"There is no forward.ipynb; {name} was graded, whose cells fit best."]


def test_notebook_with_most_of_the_cells_is_taken(tmp_path):
    lay(tmp_path / "a.ipynb", OTHER)
    lay(tmp_path / "b.ipynb", notebook(code("x", "f")))
    lay(tmp_path / "c.ipynb", FITTING)
    lay(tmp_path / "d.ipynb", notebook(*FITTING["cells"], *OTHER["cells"]))
    assert found(tmp_path)[0] == "c.ipynb"


def test_of_equal_notebooks_the_newest_is_taken_and_told(tmp_path):
    for age, name in enumerate(["b.ipynb", "a.ipynb", "c.ipynb"]):
        os.utime(lay(tmp_path / name, FITTING), (1e9 - age, 1e9 - age))
    path, oddities = found(tmp_path)
    assert path == "b.ipynb"
    assert "the newest of 3 that fit equally well" in oddities[0]


@pytest.mark.parametrize("name", [".ipynb_checkpoints/forward-checkpoint.ipynb", "._forward.ipynb", "__MACOSX/x.ipynb"])
def test_leftovers_of_programs_are_no_submission(tmp_path, name):
    lay(tmp_path / name, FITTING)
    with pytest.raises(Problem, match="holds no notebook; the submission should be"):
        found(tmp_path)


def test_notebook_too_deep_in_folders_is_not_searched_for(tmp_path):
    lay(tmp_path / "a/b/c/forward.ipynb", FITTING)
    with pytest.raises(Problem, match="holds no notebook"):
        found(tmp_path)


def test_links_are_not_searched(tmp_path):
    lay(tmp_path / "elsewhere" / "x.ipynb", FITTING)
    folder = tmp_path / "submission"
    folder.mkdir()
    (folder / "x.ipynb").symlink_to(tmp_path / "elsewhere" / "x.ipynb")
    (folder / "inside").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Problem, match="holds no notebook"):
        found(folder)


def test_what_lies_under_the_right_name_is_left_to_reading(tmp_path):
    (tmp_path / "forward.ipynb").symlink_to("/etc/passwd")
    assert found(tmp_path) == ("forward.ipynb", [])


def test_notebook_of_another_assignment_is_refused(tmp_path):
    lay(tmp_path / "x.ipynb", OTHER)
    with pytest.raises(Problem, match="no notebook with cells of this assignment"):
        found(tmp_path)


def test_only_notebook_is_taken_even_without_ids(tmp_path):
    lay(tmp_path / "x.ipynb", notebook(code("def f(): pass")))
    assert found(tmp_path)[0] == "x.ipynb"


def test_damaged_notebook_is_told_when_another_is_graded(tmp_path):
    lay(tmp_path / "a.ipynb", b"{")
    lay(tmp_path / "b.ipynb", FITTING)
    path, oddities = found(tmp_path)
    assert path == "b.ipynb"
    assert "breaks off" in oddities[1]


def test_only_notebook_that_is_damaged_is_refused_with_its_damage(tmp_path):
    lay(tmp_path / "a.ipynb", b"{")
    with pytest.raises(Problem, match="breaks off"):
        found(tmp_path)


def test_missing_folder_is_reported(tmp_path):
    with pytest.raises(Problem, match="cannot be read: No such file"):
        find_notebook(tmp_path / "nobody", "forward", IDS)
