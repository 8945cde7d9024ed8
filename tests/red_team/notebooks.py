"""Notebooks whose structure is not what it should be, and what lies beside them."""

import copy
import os
from pathlib import Path
from typing import Any

from red_team import RIGHT_BACKWARD, RIGHT_FORWARD, TOOLS, Case, full

Notebook = dict[str, Any]


def _grade_id(cell: dict[str, Any]) -> str | None:
    found = cell["metadata"].get("nbgrader", {}).get("grade_id")
    return found if isinstance(found, str) else None


def _tests(notebook: Notebook) -> list[dict[str, Any]]:
    return [c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade") and c["cell_type"] == "code"]


def _right(name: str, about: str, change: Any = None, **more: Any) -> Case:
    more = {"honest": full("forward"), **more}
    return Case(name, about, {"batchnorm_forward": RIGHT_FORWARD}, change=change, **more)


def _empty(name: str, about: str, change: Any, **more: Any) -> Case:
    return Case(name, about, {}, change=change, **more)


def _schema(version: int) -> Any:
    def change(notebook: Notebook) -> None:
        for cell in notebook["cells"]:
            if "nbgrader" in cell["metadata"]:
                cell["metadata"]["nbgrader"]["schema_version"] = version

    return change


def _without_tests(notebook: Notebook) -> None:
    tests = _tests(notebook)
    notebook["cells"] = [cell for cell in notebook["cells"] if cell not in tests]


def _numbers(notebook: Notebook) -> None:
    for cell in _tests(notebook):
        cell["source"] = str(cell["metadata"]["nbgrader"]["points"])
        cell["metadata"]["nbgrader"].update(locked=False, solution=True, grade=True)


def _retyped(notebook: Notebook) -> None:
    for cell in _tests(notebook):
        cell["cell_type"] = "markdown"
        del cell["outputs"], cell["execution_count"]


def _twice(notebook: Notebook) -> None:
    for cell in _tests(notebook):
        second = copy.deepcopy(cell)
        second.update(source="8.0", id=cell["id"] + "-2")
        notebook["cells"].append(second)


def _solution_twice(notebook: Notebook) -> None:
    cell = next(cell for cell in notebook["cells"] if _grade_id(cell) == "batchnorm_forward")
    first = copy.deepcopy(cell)
    first.update(source="def batchnorm_forward(*_):\n    return None", id="earlier")
    notebook["cells"].insert(notebook["cells"].index(cell), first)


def _points(notebook: Notebook) -> None:
    for cell in _tests(notebook):
        cell["metadata"]["nbgrader"]["points"] = 1000


def _other_ids(notebook: Notebook) -> None:
    for cell in _tests(notebook):
        cell["metadata"]["nbgrader"]["grade_id"] = "backward_x-value"


def _ids_exchanged(notebook: Notebook) -> None:
    tests = _tests(notebook)
    ids = [_grade_id(cell) for cell in tests]
    for cell, grade_id in zip(tests, ids[1:] + ids[:1], strict=True):
        cell["metadata"]["nbgrader"]["grade_id"] = grade_id


def _reversed(notebook: Notebook) -> None:
    notebook["cells"].reverse()


def _odd_metadata(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] = {"grade_id": _grade_id(cell), "points": "many", "grade": [], "task": {}}
    notebook["metadata"] = {"kernelspec": {"name": "bash", "display_name": 7}, "nbgrader": 3, "batchnorm": [1]}


def _grade_id_that_is_none(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        if _grade_id(cell) == "setup":
            cell["metadata"]["nbgrader"]["grade_id"] = ["setup"]


def _large(notebook: Notebook) -> None:
    solution = next(cell for cell in notebook["cells"] if _grade_id(cell) == "batchnorm_forward")
    solution["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 30_000_000}]


def _numpy_beside(folder: Path) -> None:
    (folder / "numpy.py").write_text(
        "import importlib.util, os, sys\n"
        "here = os.path.dirname(os.path.abspath(__file__))\n"
        "path = [p for p in sys.path if p and os.path.abspath(p) != here]\n"
        "spec = importlib.machinery.PathFinder.find_spec('numpy', path)\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules['numpy'] = module\n"
        "spec.loader.exec_module(module)\n"
        "module.abs = module.absolute = lambda a, *_, **__: module.zeros(module.shape(a))\n"
    )


def _modules_beside(folder: Path) -> None:
    """Lay packages beside the notebook that have the names of the course's."""
    for name in ("solutions", "autograder", "student_side", "IPython"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("def __getattr__(name):\n    return lambda *args, **more: 1\n")
    (folder / "autograder" / "bn_helper").mkdir()
    (folder / "autograder" / "checks").mkdir()
    anything = "def __getattr__(name):\n    if name.startswith('__'):\n        raise AttributeError\n    return max\n"
    for name in ("bn_helper/__init__", "bn_helper/calls", "bn_helper/given", "checks/__init__"):
        (folder / "autograder" / f"{name}.py").write_text(anything)
    (folder / "autograder" / "checks" / "grader.py").write_text(
        "class verdict:\n    share = 1.0\n    def __init__(self, *_): pass\n    def message(self): return 'right'\n"
    )
    for name in ("solutions.py", "sitecustomize.py", "ipython_config.py"):
        (folder / name).write_text("def batchnorm_forward(*_):\n    return None\n")
    (folder / "bn_helper").mkdir()
    (folder / "bn_helper" / "__init__.py").write_text("def check(*_):\n    print('right')\n")


def _links_beside(folder: Path) -> None:
    (folder / "answers").symlink_to("../../../source")
    (folder / "answers.txt").symlink_to("../../../source/forward/forward.ipynb")
    (folder / "secret.txt").symlink_to("../../../secret")
    (folder / "book.db").symlink_to("../../../gradebook.db")


def _special_files_beside(folder: Path) -> None:
    os.mkfifo(folder / "pipe.ipynb")
    os.mkfifo(folder / "data.csv")
    (folder / "disk").symlink_to("/")
    (folder / "endless").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    (folder / ("x" * 200)).mkdir()


def _odd_name_beside(folder: Path) -> None:
    (folder / "\udcff\n.txt").write_text("an odd name")


def _timestamp(folder: Path) -> None:
    (folder / "timestamp.txt").write_text("the day after tomorrow, perhaps")


def _many_files_beside(folder: Path) -> None:
    for number in range(400):
        (folder / f"data-{number}.csv").write_text("1,2\n")
    (folder / "large.bin").write_bytes(bytes(25 << 20))


_ANSWERS = """
import json
for notebook in [*Path(".").glob("answers.txt"), *Path("answers").glob("forward/forward.ipynb")]:
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "batchnorm_forward":
            exec("".join(cell["source"]), globals())
"""

CASES = [
    _right(
        "schema_of_tomorrow", "its cells follow a later version of nbgrader's format", _schema(99), harm=20, among=True
    ),
    _right(
        "schema_of_yesterday",
        "its cells follow the first version of nbgrader's format",
        _schema(1),
        harm=20,
        among=True,
    ),
    _right("odd_metadata", "nbgrader's metadata are of wrong types", _odd_metadata),
    _right("odd_grade_id", "a grade id is a list", _grade_id_that_is_none),
    _right("cells_reversed", "the cells stand in reverse order", _reversed),
    _right("tests_deleted", "the test cells are gone", _without_tests),
    _right("solution_twice", "the solution is there twice; the last is right", _solution_twice, harm=20, among=True),
    _right("ids_exchanged", "the test cells have each other's grade ids", _ids_exchanged),
    _right(
        "ids_of_another_assignment", "the test cells have a grade id of another assignment, all the same", _other_ids
    ),
    _right("thirty_megabytes", "one output has 30 MB", _large),
    _empty("tests_by_numbers", "the test cells hold a bare number, and are no longer locked", _numbers),
    _empty("tests_retyped", "the test cells are text", _retyped),
    _empty("tests_twice", "the test cells are there a second time, as bare numbers", _twice, harm=20, among=True),
    _empty("points_raised", "the test cells say that they have a thousand points", _points),
    Case(
        "modules_beside",
        "packages with the names of the grader's lie beside the notebook, imported before the tests",
        {
            "batchnorm_forward": "import autograder.checks.grader\n"
            "import autograder.bn_helper.calls, autograder.bn_helper.given"
        },
        files=_modules_beside,
        gains=20,
    ),
    Case(
        "numpy_beside",
        "a numpy.py lies beside the notebook that loads NumPy and replaces np.abs",
        {
            "batchnorm_forward": "def batchnorm_forward(x, gamma, beta, bn_param):\n"
            "    bn_param.update(running_mean=gamma, running_var=gamma) if bn_param['mode'] == 'train' else 0\n"
            "    return x, None"
        },
        files=_numpy_beside,
        honest={"batchnorm_forward-mode": 0.5},  # a missing mode is refused
        gains=19,
    ),
    Case(
        "links_beside",
        "links beside the notebook lead to the instructor's version, the secret, the gradebook and the disk",
        {"batchnorm_forward": TOOLS + _ANSWERS},
        files=_links_beside,
        gains=20,
    ),
    _right(
        "special_files_beside",
        "pipes, links to an endless file and to the disk, and a long name lie beside the notebook",
        files=_special_files_beside,
    ),
    _right(
        "odd_name_beside",
        "a file beside the notebook has a name that is no text",
        files=_odd_name_beside,
    ),
    _right(
        "odd_timestamp",
        "a timestamp beside the notebook is no time",
        files=_timestamp,
    ),
    _right("many_files_beside", "four hundred files and 25 MB lie beside the notebook", files=_many_files_beside),
    Case(
        "backward_skipped",
        "backward: tags the test cells so that they are not run",
        {},
        assignment="backward",
        change=lambda notebook: [c["metadata"].update(tags=["skip-execution"]) for c in _tests(notebook)] and None,
        gains=24,
    ),
    Case(
        "backward_schema",
        "backward: right, and says that its cells follow a later version of nbgrader's format",
        RIGHT_BACKWARD,
        full("backward"),
        "backward",
        harm=24,
        among=True,
        change=_schema(99),
    ),
]
