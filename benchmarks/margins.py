"""Measure, for every claim about numbers, how far right and wrong implementations lie from its tolerance.

    python -m benchmarks.margins        writes benchmarks/margins.md

Right are the notebooks of `tests/right_implementations`, wrong the catalogue and its second implementations; the
inputs are those of several secrets. Two decades are wanted on each side.
"""

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from graded import expected_of, worst_deviation
from right_implementations import RIGHT, functions_of
from wrong_implementations import SECOND

from autograder.bn_helper.parts import PARTS
from autograder.bn_helper.parts.claims import Claim
from autograder.checks.topics import topic_with

Functions = dict[str, Callable[..., Any]]

SUMMARY = Path(__file__).with_name("margins.md")
SECRETS = tuple(f"margin {number}" for number in range(5))
WANTED = 2  # decades on each side


@dataclass(frozen=True)
class Margin:
    """The worst right deviation and the smallest wrong one of a claim; infinite is a wrong one of another kind."""

    part: str
    claim: Claim
    rights: int
    right: float
    wrong: float
    nearest: str

    @property
    def enough(self) -> bool:
        below, above = self.claim.tolerance / 10**WANTED, self.claim.tolerance * 10**WANTED
        return self.right <= below and self.wrong >= above


def margins(secrets: tuple[str, ...] = SECRETS) -> Iterator[Margin]:
    """Yield the margin of each claim about numbers, in the order of the parts."""
    rights = [functions_of(notebook) for notebook in RIGHT.values()]
    for name, part in PARTS.items():
        own = [functions for functions in rights if part.function in functions]
        entries = [entry for entry in topic_with(name).catalogue if name in entry.breaks]
        wrongs = [(e.name, functions) for e in entries for functions in (e.functions, SECOND[e.name])]
        for claim in part.claims:
            notes = expected_of(name, secrets[0])[claim.text].notes
            if not any(isinstance(value, np.ndarray) for note in notes for value in note.values()):
                continue  # a rule holds or does not

            def worst(functions: Functions, claim: Claim = claim, name: str = name) -> list[float]:
                return [worst_deviation(functions, claim, name, secret) for secret in secrets]

            right = max((value for functions in own for value in worst(functions)), default=np.nan)
            found = [(value, entry) for entry, functions in wrongs for value in worst(functions)]
            wrong, nearest = min(((v, e) for v, e in found if v > claim.tolerance), default=(np.inf, ""))
            yield Margin(name, claim, len(own), right, wrong, nearest if np.isfinite(wrong) else "")


def _number(value: float) -> str:
    return f"{value:.1e}" if np.isfinite(value) else "another kind"


def summary(found: list[Margin]) -> str:
    """Return the page that is committed."""
    rows = [
        f"| `{m.part}` | {m.claim.text} | {m.rights} | {m.right:.1e} | {m.claim.tolerance:.0e} | {_number(m.wrong)} "
        f"| {m.nearest} |"
        for m in found
    ]
    return "\n".join(
        [
            "# How far right and wrong lie from the tolerances",
            "",
            f"{date.today().isoformat()}, Python {platform.python_version()}, NumPy {np.__version__}, {len(SECRETS)} "
            "secrets; made by `python -m benchmarks.margins`.",
            "",
            "Deviations are relative to the largest value of the feature, channel or array. 'Another kind' is a",
            "wrong shape, an exception, a number that is not finite or a broken rule: no tolerance decides it.",
            "",
            "| part | claim | right ones | worst right | tolerance | nearest wrong | which is |",
            "|---|---|---:|---:|---:|---:|---|",
            *rows,
            "",
        ]
    )


def main() -> int:
    found = list(tqdm(margins(), total=sum(len(part.claims) for part in PARTS.values()), desc="claims", unit=""))
    SUMMARY.write_text(summary(found), encoding="utf-8")
    narrow = [margin for margin in found if not margin.enough]
    for margin in narrow:
        print(f"too narrow: {margin.part}: {margin.claim.text}: {margin.right:.1e}, {margin.wrong:.1e}")
    print(f"{len(found)} claims, {len(narrow)} with less than {WANTED} decades on a side; see {SUMMARY}")
    return int(bool(narrow))


if __name__ == "__main__":
    sys.exit(main())
