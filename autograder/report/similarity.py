"""Rare features that submissions share: a reason to look, never a score.

Right answers resemble each other, and so do frequent mistakes. So a feature counts only if it is rare: it stands in no
release and no reference, in no tutorial that many read, and in a few submissions of the class alone.
"""

import builtins
import io
import keyword
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from tqdm import tqdm

from autograder.bn_helper.parts import PARTS
from autograder.course import FOLDER, Course
from autograder.report.data import ClassData, Paper, template

RESULT, COMMENT, SENTENCE, NAME = "wrong result", "comment", "sentence", "name"
# How many features of a kind two submissions must share to be worth a look; of two kinds together, one of each.
ENOUGH = {RESULT: 1, COMMENT: 1, SENTENCE: 1, NAME: 3}
MOST_TEXT = 200_000  # characters of a submission that are looked at
MOST_SHOWN = 30  # groups

_WORDS = {COMMENT: 4, SENTENCE: 7}  # below which a text is too short to be anybody's own
_LETTERS = 5  # of a name
_VALUE = re.compile(r"^(?P<what>\S.*?) is (?P<value>-?\d[\d.e+-]*) and should be ")
_DIGITS = 4  # of a wrong number that nobody gets by chance
_LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}

# Names from public derivations of the same layer that students read (the CS231n notes, and blog posts on its backward
# pass through the graph); to share them says nothing.
_PUBLIC_NAMES = """
    sample_mean sample_var sample_std batch_mean batch_var batch_size minibatch_mean minibatch_var normalized
    x_norm x_normalized x_centered x_mu xmu x_hat xhat xhat_ gammax gamma_x_hat sqrtvar sqrt_var std_inv inv_std ivar
    invvar inv_var istd carre denom numer numerator denominator mean_x var_x dxhat dx_hat dxmu dxmu1 dxmu2 dsqrtvar
    divar dinv_std dsq dvar dmean dmu dxhat_ dgammax dgamma dbeta dnumer ddenom centered variance stddev sigma
    sigma2 running_mean running_var momentum moving_mean moving_var axis_mean column_mean column_means means variances
    inverse derivative gradient upstream result output outputs inputs value values count total index epsilon batch
    feature features normalise normalize forward backward shape
"""


@dataclass(frozen=True)
class Feature:
    """Something that can be the same in two submissions: its kind, and what it is."""

    kind: str
    text: str


@dataclass(frozen=True)
class Group:
    """Submissions that share the same rare features."""

    papers: tuple[str, ...]
    features: tuple[Feature, ...]


def shared(course: Course, data: ClassData) -> list[Group]:
    """Find submissions that share rare features; those that share most come first.

    Parameters
    ----------
    course : Course
        Its releases and sources are the baseline.
    data : ClassData
    """
    common = baseline(course)
    holders: dict[Feature, list[str]] = defaultdict(list)
    for paper in tqdm(data.papers, "looking for what is rare", unit="submission", delay=2, leave=False):
        for feature in features_of(paper) - common:
            holders[feature].append(paper.name)
    rare = {feature: names for feature, names in holders.items() if 2 <= len(names) <= most(len(data.papers))}
    for feature in _explained(data):
        rare.pop(feature, None)
    together: dict[tuple[str, str], list[Feature]] = defaultdict(list)
    for feature, names in rare.items():
        for pair in combinations(names, 2):
            together[pair].append(feature)
    worth = {pair for pair, features in together.items() if enough(features)}
    groups: dict[tuple[str, ...], list[Feature]] = defaultdict(list)
    for feature, names in rare.items():
        if any(pair in worth for pair in combinations(names, 2)):
            groups[tuple(names)].append(feature)
    found = [Group(names, tuple(sorted(features, key=_order))) for names, features in groups.items()]
    return sorted(found, key=lambda group: (-len(group.features), group.papers))


def most(submissions: int) -> int:
    """Return in how many submissions of a class a feature may be and still be rare."""
    return max(3, submissions // 50)


def enough(features: Iterable[Feature]) -> bool:
    """Tell whether what two submissions share is worth a look."""
    kinds = [feature.kind for feature in features]
    return len(set(kinds)) > 1 or any(kinds.count(kind) >= number for kind, number in ENOUGH.items())


def features_of(paper: Paper) -> set[Feature]:
    """Return what could be rare in a submission."""
    return {
        *features_in("\n".join(paper.code), "\n\n".join(paper.answers)),
        *(Feature(RESULT, text) for text in _wrong_results(paper)),
    }


def features_in(code: str, prose: str = "") -> set[Feature]:
    """Return the comments and names of some code, and the sentences of some prose."""
    found = set()
    for kind, text in _tokens(code[:MOST_TEXT]):
        if kind == COMMENT:
            found |= {Feature(COMMENT, words) for words in [_words(text)] if words.count(" ") + 1 >= _WORDS[COMMENT]}
        elif len(_bare(text)) >= _LETTERS:
            found.add(Feature(NAME, _bare(text)))
    for sentence in re.split(r"(?<=[.!?;:])\s|\n\n", prose[:MOST_TEXT]):
        words = _words(sentence)
        if words.count(" ") + 1 >= _WORDS[SENTENCE]:
            found.add(Feature(SENTENCE, words))
    return found


def baseline(course: Course) -> set[Feature]:
    """Return what is nobody's own: what stands in releases, sources and the reference, and what many read."""
    found = {Feature(NAME, _bare(name)) for name in (*_PUBLIC_NAMES.split(), *dir(builtins))}
    for path in sorted((FOLDER.parent / "solutions").glob("*.py")) + sorted((FOLDER / "bn_helper").rglob("*.py")):
        found |= features_in(path.read_text(encoding="utf-8"))
    for path in sorted(p for kind in ("release", "source") for p in (course.root / kind).glob("*/*.ipynb")):
        found |= _features_of_notebook(path)
    return found


def _features_of_notebook(path: Path) -> set[Feature]:
    cells = template(path).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return features_in(code, "\n\n".join(cell.source for cell in cells if cell.cell_type != "code"))


def _tokens(code: str) -> Iterator[tuple[str, str]]:
    """Yield comments and names, as far as the code can be read; names of attributes and arguments are others'."""
    before = ""
    lines = [line for line in code.splitlines(keepends=True) if not line.lstrip().startswith(("%", "!"))]
    try:
        for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
            if token.type == tokenize.COMMENT:
                yield COMMENT, token.string
            elif token.type == tokenize.NAME and before != "." and not keyword.iskeyword(token.string):
                yield NAME, token.string
            before = token.string if token.type not in _LAYOUT else before
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


def _wrong_results(paper: Paper) -> Iterator[str]:
    """Yield the wrong numbers on known inputs that no misconception explains."""
    for record in paper.records:
        for finding in record["findings"]:
            value = _VALUE.match(finding["sentence"])
            if value and not finding["misconceptions"] and _is_telling(value["value"]):
                function = PARTS[record["part"]].function if record["part"] in PARTS else record["part"]
                yield f"{function}: {value['what']} is {value['value']}"


def _is_telling(value: str) -> bool:
    digits = re.sub(r"e.*|\D", "", value).strip("0")
    return len(digits) >= _DIGITS and len(set(digits)) > 2


def _explained(data: ClassData) -> Iterator[Feature]:
    """Yield wrong results that may follow from a known misconception elsewhere in a submission."""
    for paper in data.papers:
        if any(finding["misconceptions"] for record in paper.records for finding in record["findings"]):
            yield from (Feature(RESULT, text) for text in _wrong_results(paper))


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _bare(name: str) -> str:
    return name.lower().replace("_", "")


def _order(feature: Feature) -> tuple[int, str]:
    return list(ENOUGH).index(feature.kind), feature.text
