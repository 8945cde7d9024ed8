"""No page, source or download of the book holds the body of a function that an assignment asks for.

A body is found by its statements. Two forms of a statement are compared: its text without white space, which also
finds a statement that is wrapped over lines; and its syntax tree with all variables renamed, which also finds a
statement whose author chose other names. One long statement is enough, or two shorter ones of the same function that
stand together; so is the whole body, however short.
"""

import ast
import copy
import html
import inspect
import io
import json
import keyword
import re
import textwrap
import tokenize
import zipfile
from itertools import pairwise

import pytest

import solutions

ASSIGNED = [
    "sigmoid_forward",
    "sigmoid_backward",
    "saturated_fraction",
    "gradient_norms",
    "batchnorm_forward",
    "backward_x_hat",
    "backward_var",
    "backward_mu",
    "backward_x",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "numerical_gradient",
    "relative_error",
    "check_gradients",
    "hidden_forward",
    "hidden_backward",
    "stack_forward",
    "stack_backward",
    "shift_percentiles",
    "spatial_batchnorm_forward",
    "spatial_batchnorm_backward",
    "layernorm_forward",
    "layernorm_backward",
    "fold_batchnorm",
    "convert_running",
]

SEARCHED = {".html", ".md", ".txt", ".rst", ".ipynb", ".json", ".py", ".zip"}
# How long a statement is: characters without white space, and names, numbers and operations.
SHORT_TEXT, LONG_TEXT = 18, 40
SHORT_TREE, LONG_TREE = 6, 14
# How far apart two statements stand together: characters without white space, and lines of code.
NEAR_TEXT, NEAR_LINES = 160, 4


# ---- what a text says ----


def texts_in(name, data):
    """Yield all that a reader can get out of a file as text."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                yield from texts_in(member, archive.read(member))
        return
    text = data.decode("utf8", errors="replace")
    if name.endswith(".ipynb"):
        yield "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    elif name.endswith(".html"):
        text = re.sub(r"</?(?:pre|div|p|br|li|dd|td|tr)\b[^>]*>", "\n", text)
        yield html.unescape(re.sub(r"<[^>]*>", "", text))
    elif name.endswith((".js", ".json")):
        yield text.replace("\\n", "\n").replace('\\"', '"')
    else:
        yield text


def texts_of_book(folder):
    """Yield (path, text) for the pages, sources and downloads of a built book, and for its search index."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in SEARCHED or path.name == "searchindex.js":
            for text in texts_in(path.name, path.read_bytes()):
                yield path.relative_to(folder).as_posix(), text


# ---- what a statement is ----


def squeezed(text):
    """Drop white space, comments and the kind of quotes."""
    return re.sub(r"\s+", "", re.sub(r"#[^\n]*", "", text)).replace("'", '"')


class Renamer(ast.NodeTransformer):
    """Call the variables of a statement v0, v1, ... in order of their appearance."""

    def __init__(self):
        self.names = {}

    def visit_Name(self, node):
        if node.id == "np":
            return node
        return ast.Name(self.names.setdefault(node.id, f"v{len(self.names)}"), node.ctx)


def simple_statements(tree):
    """Return the statements of a tree that contain no others, in order."""
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not hasattr(node, "body")]
    return sorted(statements, key=lambda node: node.lineno)


def renamed(statement):
    return ast.dump(Renamer().visit(copy.deepcopy(statement)))


def size(statement):
    counted = (ast.Name, ast.Constant, ast.operator, ast.Call, ast.Attribute)
    return sum(isinstance(node, counted) for node in ast.walk(statement))


class Answer:
    """The body of one assigned function, ready to be looked for."""

    def __init__(self, name):
        self.name = name
        self.source = textwrap.dedent(inspect.getsource(getattr(solutions, name)))
        function = ast.parse(self.source).body[0]
        body = function.body[1:] if ast.get_docstring(function) else function.body
        statements = simple_statements(ast.Module(body, []))
        self.whole = squeezed("\n".join(self.source.splitlines()[body[0].lineno - 1 :]))
        self.texts = [squeezed(ast.get_source_segment(self.source, node)) for node in statements]
        self.trees = [(renamed(node), text, size(node)) for node, text in zip(statements, self.texts, strict=True)]

    def found_in(self, text, lines):
        """Return the statements by which a text gives the answer away, or an empty list."""
        if self.whole in text:
            return [self.whole]

        by_text = [(text.find(statement), statement) for statement in self.texts if len(statement) >= SHORT_TEXT]
        by_text = sorted(hit for hit in by_text if hit[0] >= 0)
        long = [statement for _, statement in by_text if len(statement) >= LONG_TEXT]
        near = [(a, b) for (i, a), (j, b) in pairwise(by_text) if j - i <= NEAR_TEXT]

        known = [(tree, text) for tree, text, n in self.trees if n >= SHORT_TREE and tree in lines]
        by_tree = sorted((line, text) for tree, text in known for line in lines[tree])
        long += [text for tree, text, n in self.trees if n >= LONG_TREE and tree in lines]
        near += [(a, b) for (i, a), (j, b) in pairwise(by_tree) if 0 < j - i <= NEAR_LINES and a != b]
        return long or near


def lines_of_code(text):
    """Map the syntax tree of each line that is Python code, variables renamed, to the numbers of these lines."""
    found = {}
    number = 0
    for line in text.splitlines():
        line = line.strip().removeprefix(">>> ")
        if not line or line.startswith("#"):
            continue
        number += 1
        if not re.search(r"=|return|raise|\.\w+\(", line):
            continue
        try:
            statements = simple_statements(ast.parse(line))
        except (SyntaxError, ValueError):
            continue
        for statement in statements:
            found.setdefault(renamed(statement), []).append(number)
    return found


ANSWERS = [Answer(name) for name in ASSIGNED]


def answers_in(text):
    """Return {name of a function: the statements of its body that the text holds}."""
    without_space, lines = squeezed(text), lines_of_code(text)
    found = {answer.name: answer.found_in(without_space, lines) for answer in ANSWERS}
    return {name: statements for name, statements in found.items() if statements}


# ---- the book ----


def test_no_page_source_or_download_holds_an_answer(book):
    assert {path: found for path, text in texts_of_book(book.html) if (found := answers_in(text))} == {}


def test_pages_sources_and_the_search_index_are_searched(book):
    searched = {path for path, _ in texts_of_book(book.html)}
    assert {"chapters/api.html", "_sources/chapters/backward_pass.md", "searchindex.js"} <= searched


# ---- the search itself ----


def body_of(name):
    """Return the function's source without its docstring, as the book would show it."""
    function = ast.parse(textwrap.dedent(inspect.getsource(getattr(solutions, name)))).body[0]
    lines = inspect.getsource(getattr(solutions, name)).splitlines()
    return "\n".join(lines[function.body[1].lineno - 1 :])


def page_with(code):
    """Return an HTML page that shows code in colours."""
    coloured = re.sub(r"(\w+|[^\w\s])", lambda m: f"<span class='n'>{html.escape(m[0])}</span>", code)
    return f"<html><body><p>Some text.</p><div class='highlight'><pre>{coloured}\n</pre></div></body></html>".encode()


def planted(tmp_path, name, data):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return {function for _, text in texts_of_book(tmp_path) for function in answers_in(text)}


@pytest.mark.parametrize("name", ASSIGNED)
def test_a_planted_body_is_found_on_a_page(name, tmp_path):
    assert name in planted(tmp_path, "chapters/page.html", page_with(body_of(name)))


@pytest.mark.parametrize("name", ASSIGNED)
def test_a_planted_body_is_found_in_a_page_source(name, tmp_path):
    page = f"# Title\n\n```python\ndef my_layer(x):\n{body_of(name)}\n```\n"
    assert name in planted(tmp_path, "_sources/page.md", page.encode())


@pytest.mark.parametrize("name", ASSIGNED)
def test_a_planted_body_is_found_in_a_notebook_to_download(name, tmp_path):
    cells = [{"cell_type": "code", "source": body_of(name).splitlines(keepends=True)}]
    notebook = json.dumps({"cells": cells}).encode()
    assert name in planted(tmp_path, "_downloads/a1/notebook.ipynb", notebook)

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("notebook.ipynb", notebook)
    assert name in planted(tmp_path / "packed", "_downloads/a1/notebooks.zip", packed.getvalue())


def with_other_names(code):
    """Return the same code with every variable renamed."""
    fixed = {*keyword.kwlist, "np", "float", "abs", "sum", "len", "axis", "keepdims", "where", "out"}
    tokens = []
    for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(code)).readline):
        attribute = tokens and tokens[-1][1] == "."
        variable = token.type == tokenize.NAME and token.string not in fixed and not attribute
        tokens.append((token.type, token.string + "_" if variable else token.string))
    return tokenize.untokenize(tokens)


@pytest.mark.parametrize(
    "name", ["batchnorm_forward", "batchnorm_backward_alt", "backward_mu", "backward_x", "layernorm_forward"]
)
def test_a_planted_body_with_other_names_and_spaces_is_found(name, tmp_path):
    assert name in planted(tmp_path, "page.html", page_with(with_other_names(body_of(name))))


def test_two_lines_of_a_body_are_enough(tmp_path):
    lines = "dgamma = (dout * x_hat).sum(axis=0)\ndx = gamma * inv_std * (dout - dbeta / N - x_hat * dgamma / N)\n"
    assert "batchnorm_backward_alt" in planted(tmp_path, "page.html", page_with(lines))


@pytest.mark.parametrize(
    "code",
    [
        "out = x - x.mean(axis=0)  # (N, D)\ndx = dout - dout.mean(axis=0)",
        "out, cache = batchnorm_forward(x, gamma, beta, {'mode': 'train'})\nout.mean(axis=0), out.var(axis=0)",
        "rng = np.random.default_rng(0)\nx = rng.normal(size=(N, D))\nprint(x.mean(axis=0), x.std(axis=0))",
    ],
)
def test_a_worked_sibling_or_a_call_is_no_answer(code, tmp_path):
    assert planted(tmp_path, "page.html", page_with(code)) == set()
