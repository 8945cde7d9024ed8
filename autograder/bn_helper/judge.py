"""Compare what a student's functions did with what is right, and say it in a sentence or two."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np

from .calls import Call
from .parts import PARTS
from .parts.claims import Claim, Notes, Part, Unusable
from .probes import Probe

Link = Callable[[str], str]

# How close a submission's signature must come to a misconception's, in units of the notes' scales.
SIGNATURE_TOLERANCE = 2e-5
_SIGNATURE_LENGTH = 6
_ON_OWN = "Tried on top of your other functions: what is wrong in them costs their own marks alone."
_LARGEST = 100  # times the right size: more is not projected


@dataclass(frozen=True)
class Suspect:
    """A known wrong implementation, as far as a check needs it.

    Attributes
    ----------
    name : of the misconception
    sentence : what the numbers show, as the end of 'Your out is what one gets when ...'
    section : label of the section that explains it
    breaks : ids of the parts that it breaks
    signature : what it does on the probes, projected to a few numbers
    raises : type of the exception with which it ends, where it does
    """

    name: str
    sentence: str
    section: str
    breaks: tuple[str, ...]
    signature: tuple[float, ...]
    raises: str = ""


@dataclass(frozen=True)
class Expected:
    """What is right for one claim on one probe: the reference's notes, and the suspects' over all probes."""

    notes: tuple[Notes, ...]
    suspects: tuple[Suspect, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One claim that does not hold: where, by how much, and which misconception does the same.

    `blind` says it without anything that the function may have made up, such as a number, a type's name or a line:
    a function that has seen hidden inputs could tell of them in a call with visible ones.
    """

    claim: str
    sentence: str
    suspects: tuple[Suspect, ...] = ()
    section: str = ""
    blind: str = ""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a part: the share of its points, and what was found."""

    part: Part
    share: float
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        return not self.findings

    def message(self, link: Link = lambda label: label) -> str:
        """Return the text for the student; `link` turns a section's label into its title and address."""
        lines = [f"{self.part.id}: " + ("right." if self.passed else "not right yet.")]
        told = dict.fromkeys((f.sentence, " or when ".join(s.sentence for s in f.suspects)) for f in self.findings)
        for suspected, told_together in groupby(told, key=lambda pair: pair[1]):
            lines += [f"  - {sentence}" for sentence, _ in told_together]
            if suspected:
                lines.append(f"    This is what one gets when {suspected}.")
        sections = dict.fromkeys(finding.section for finding in self.findings)
        lines += [f"    Read: {link(section)}" for section in sections]
        lines += [f"  {remark}" for remark in self.remarks]
        return "\n".join(lines)


@dataclass
class Judge:
    """Tries parts on one state of a student's functions.

    Parameters
    ----------
    call : Call
        Reaches the student's functions.
    probes : callable
        Gives the probes of a part, by its id.
    expected : callable
        Gives, by a part's id, what is right for each claim, by the claim's text.
    visible : int
        The first so many probes of a part are known to students: a message about them shows both numbers.
    """

    call: Call
    probes: Callable[[str], Sequence[Probe]]
    expected: Callable[[str], Mapping[str, Expected]]
    visible: int
    _tried: dict[str, Verdict] = field(default_factory=dict, repr=False)

    def verdict(self, part: str) -> Verdict:
        """Try a part, and keep of the misconceptions that fit only those which also fit the function's other parts."""
        verdict = self._try_part(part)
        findings = tuple(self._narrow(part, self._betrayed(part, finding)) for finding in verdict.findings)
        return replace(verdict, findings=findings)

    def _try_part(self, part: str) -> Verdict:
        if part not in self._tried:
            self._tried[part] = _try_claims(
                PARTS[part], self.call, self.probes(part), self.expected(part), self.visible
            )
        return self._tried[part]

    def _betrayed(self, part: str, finding: Finding) -> Finding:
        claim = next(claim for claim in PARTS[part].claims if claim.text == finding.claim)
        if finding.suspects or claim.betrays is None:
            return finding
        name, where = claim.betrays
        if where and not self._try_part(where).passed:
            return finding
        known = self.expected(part)[claim.text].suspects
        return replace(finding, suspects=tuple(s for s in known if s.name == name))

    def _narrow(self, part: str, finding: Finding) -> Finding:
        if len(finding.suspects) < 2:
            return finding
        explains = {suspect.name: self._explained(part, suspect) for suspect in finding.suspects}
        most = max(explains.values())
        suspects = tuple(s for s in finding.suspects if explains[s.name] == most) if most else finding.suspects
        sections = {s.section for s in suspects}
        return replace(finding, suspects=suspects, section=sections.pop() if len(sections) == 1 else finding.section)

    def _explained(self, part: str, suspect: Suspect) -> int:
        """Count the findings that a misconception explains; 0 if it should show where nothing of it is seen."""
        count = 0
        for sibling in suspect.breaks:
            if PARTS[sibling].function != PARTS[part].function:
                continue
            findings = {finding.claim: finding for finding in self._try_part(sibling).findings}
            hidden = any(claim.core and claim.text in findings for claim in PARTS[sibling].claims)
            for text, expected in self.expected(sibling).items():
                if suspect.name not in {s.name for s in expected.suspects} or (hidden and text not in findings):
                    continue
                if text not in findings or suspect.name not in {s.name for s in findings[text].suspects}:
                    return 0
                count += 1
        return count


def _try_claims(
    part: Part, call: Call, probes: Sequence[Probe], expected: Mapping[str, Expected], visible: int
) -> Verdict:
    @cache
    def run(script: Callable[[Call, Probe], Notes], number: int) -> Notes:
        return script(call, probes[number])

    findings: list[Finding] = []
    earned, remarks = 0.0, dict[str, None]()
    cleared: set[str] = set()  # misconceptions with which a core claim would not hold that does
    for claim in part.claims:
        finding = _try_claim(part, claim, run, probes, expected[claim.text], visible)
        if finding is not None and _right_on_own(claim, call, probes):
            finding, remarks = None, {_ON_OWN: None}
        if finding is None:
            earned += claim.share
            cleared |= {suspect.name for suspect in expected[claim.text].suspects if claim.core}
            continue
        suspects = tuple(suspect for suspect in finding.suspects if suspect.name not in cleared)
        findings.append(replace(finding, suspects=suspects))
        if claim.core:
            return Verdict(part, 0.0, tuple(findings))  # the other claims would repeat the same news
    return Verdict(part, earned if findings else 1.0, tuple(findings), tuple(remarks))


@np.errstate(all="ignore")
def _right_on_own(claim: Claim, call: Call, probes: Sequence[Probe]) -> bool:
    """Tell whether a claim that does not hold would hold, were it not for other functions of the student's."""
    try:
        return claim.on_own is not None and all(claim.on_own(call, probe) for probe in probes)
    except Unusable:
        return False


@np.errstate(all="ignore")  # of the student's arithmetic, and of comparing what overflows
def _try_claim(
    part: Part,
    claim: Claim,
    run: Callable[[Callable[[Call, Probe], Notes], int], Notes],
    probes: Sequence[Probe],
    expected: Expected,
    visible: int,
) -> Finding | None:
    seen: list[Notes] = []
    try:
        for number in range(len(probes)):
            notes = run(claim.script, number)
            for note in claim.asked(notes).values():
                if isinstance(note, Unusable):
                    raise note
            seen.append(notes)
    except Unusable as reason:
        blind = _without_line(reason)
        sentence = str(reason) if len(seen) < visible else blind
        kind = reason.error.kind if reason.error else ""
        suspects = tuple(s for s in expected.suspects if s.raises and s.raises == kind)
        return Finding(claim.text, sentence, suspects, _section(part, suspects), blind)
    for number, (notes, right) in enumerate(zip(seen, expected.notes, strict=True)):
        difference = first_difference(notes, claim.asked(right), claim.tolerance)
        if difference is not None:
            mine = signature(seen, expected.notes)
            suspects = tuple(s for s in expected.suspects if same_signature(mine, s.signature))
            # what is named needs no guess beside it, and a guess is about numbers
            hint = claim.hint if difference.index is not None and not suspects else ""
            lacks = claim.broken if difference.index is not None else None
            broken = lacks(probes[number], difference.name, difference.yours) if lacks else ""
            sentence, blind = (
                " ".join(filter(None, (difference.sentence(probes[number], shown), broken, hint)))
                for shown in (number < visible, False)
            )
            return Finding(claim.text, sentence, suspects, _section(part, suspects), blind)
    return None


def _section(part: Part, suspects: Sequence[Suspect]) -> str:
    """Return the section that explains all suspects, or else the part's."""
    sections = {suspect.section for suspect in suspects}
    return sections.pop() if len(sections) == 1 else part.section


def _without_line(reason: Unusable) -> str:
    """Return the brief form without the line of code, whose text a function can make up too."""
    line = reason.error.line if reason.error else ""
    return reason.brief.replace(f" in your line `{line}`", "") if line else reason.brief


@dataclass(frozen=True)
class Difference:
    """Where a note first differs: its name, both values, and for arrays the entry and the relative deviation."""

    name: str
    yours: Any
    right: Any
    index: tuple[int, ...] | None = None
    deviation: float = 0.0

    def sentence(self, probe: Probe, visible: bool) -> str:
        """Say what differs; the values themselves only where the probe is known to students."""
        on = probe.where(visible)
        if not isinstance(self.right, np.ndarray):
            return f"It should hold that {self.name} ({on})."
        if self.index is None:
            has = f"has shape {self.yours.shape}" if visible else "has another shape"
            return f"{self.name} {has} and should have shape {self.right.shape} ({on})."
        head, _, rest = self.name.partition(" ")  # 'running_mean after one batch' -> 'running_mean[2] after one batch'
        entry = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        where = f"{head}{entry} {rest}".rstrip()
        yours = self.yours[self.index]
        if not np.isfinite(yours):
            text = f"{where} is {yours}, not a finite number ({on})."
        elif visible:
            text = f"{where} is {yours:.6g} and should be {self.right[self.index]:.6g} ({on})."
        else:
            largest = _LARGEST_OF.get(self.right.ndim, "the largest entry")
            text = f"{where} deviates by {_percent(self.deviation)} of {largest} ({on})."
        return text


def _percent(deviation: float) -> str:
    if deviation >= 10:
        return f"{deviation:.0f} times"
    return f"{100 * deviation:.0f} %" if deviation >= 0.1 else f"{100 * deviation:.2g} %"


# By which value of the same feature, column or channel, a deviation is measured, and the axes along which it lies.
_LARGEST_OF = {0: "the right value", 2: "its column's largest value", 4: "its channel's largest value"}
_AXES_OF = {2: (0,), 4: (0, 2, 3)}


def scale_of(right: np.ndarray) -> np.ndarray:
    """Return the size by which a deviation is measured: the largest value of each feature, or of all entries."""
    size = np.abs(right).max(axis=_AXES_OF.get(right.ndim), keepdims=True, initial=0.0)
    return np.maximum(size, 1e-12)


def first_difference(yours: Notes, right: Notes, tolerance: float) -> Difference | None:
    """Return the largest deviation in the first note that is not right, or None."""
    for name, value in right.items():
        mine = yours.get(name)
        if not isinstance(value, np.ndarray):
            if mine != value:
                return Difference(name, mine, value)
            continue
        if not isinstance(mine, np.ndarray) or mine.shape != value.shape:
            return Difference(name, np.asarray(mine), value)
        deviation = np.abs(mine - value) / scale_of(value)
        deviation = np.where(np.isnan(deviation), np.inf, deviation)
        if deviation.size and deviation.max() > tolerance:
            index = tuple(int(i) for i in np.unravel_index(int(deviation.argmax()), deviation.shape))
            return Difference(name, mine, value, index, float(deviation[index]))
    return None


def signature(seen: Sequence[Notes], right: Sequence[Notes]) -> tuple[float, ...]:
    """Project the notes of all probes to a few numbers: equal for equal behaviour, different otherwise.

    Each note is measured by the right one's scale, so that the numbers are of order one. An array of a wrong
    shape enters by its shape and its values, a note that is no array by its equality with the right one.
    """
    total = np.zeros(_SIGNATURE_LENGTH)
    for number, (notes, rights) in enumerate(zip(seen, right, strict=True)):
        for name, value in rights.items():
            mine = notes.get(name)
            if isinstance(value, np.ndarray) and isinstance(mine, np.ndarray):
                if mine.size > _LARGEST * max(value.size, 1):
                    mine = np.zeros(0)  # so large an array is like no misconception's
                scaled = mine / scale_of(value) if mine.shape == value.shape else mine / scale_of(value).max()
                numbers = np.append(np.nan_to_num(scaled, nan=7.0, posinf=1e3, neginf=-1e3).ravel(), mine.shape)
            else:
                numbers = np.array([float(mine == value)])
            weights = np.random.default_rng(zlib.crc32(f"{number} {name}".encode())).standard_normal
            total += np.clip(numbers, -1e6, 1e6) @ weights((numbers.size, _SIGNATURE_LENGTH))
    return tuple(round(float(v), 6) for v in total)


def same_signature(a: Sequence[float], b: Sequence[float]) -> bool:
    """Tell whether two signatures are the same up to rounding."""
    return len(a) == len(b) and np.allclose(a, b, rtol=SIGNATURE_TOLERANCE, atol=SIGNATURE_TOLERANCE)
