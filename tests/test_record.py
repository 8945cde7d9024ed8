"""What a marked notebook records: it is a notebook to everybody else, and its summary is read from its end."""

import json

import nbformat
import pytest

from autograder.engine.record import recorded, text_of


def notebook(cells=3, **summary):
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"x = {n}\nprint('ä')") for n in range(cells)])
    for number, cell in enumerate(made.cells):
        cell.id = f"c{number}"
        cell.metadata["metadata"] = {"batchnorm": {"fingerprint": "a cell's"}}
        cell.outputs = [nbformat.v4.new_output("stream", text='\n "metadata": {"batchnorm": 1}\n')]
    made.metadata.batchnorm = summary
    return made


@pytest.mark.parametrize("cells", [0, 1, 40])
def test_a_notebook_is_read_as_it_was_written(cells):
    made = notebook(cells, fingerprint="f", oddities=["odd"])
    again = nbformat.reads(text_of(made), as_version=4)
    nbformat.validate(again)
    assert again == made


@pytest.mark.parametrize("write", [text_of, nbformat.writes], ids=["our layout", "Jupyter's layout"])
@pytest.mark.parametrize("cells", [0, 3, 2000])
def test_the_summary_is_that_of_the_notebook(tmp_path, write, cells):
    path = tmp_path / "n.ipynb"
    path.write_text(write(notebook(cells, fingerprint="f", found=["a"] * 5)), encoding="utf-8")
    assert recorded(path) == {"fingerprint": "f", "found": ["a"] * 5}


def test_a_summary_longer_than_the_end_that_is_read_is_found_too(tmp_path):
    path = tmp_path / "n.ipynb"
    path.write_text(text_of(notebook(2, oddities=["odd" * 100] * 1000)), encoding="utf-8")
    assert len(recorded(path)["oddities"]) == 1000


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metadata": 3}', json.dumps({"metadata": {"batchnorm": [1]}})])
def test_what_is_no_notebook_of_ours_records_nothing(tmp_path, text):
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    assert recorded(path) == {}
    assert recorded(tmp_path / "nothing") == {}
