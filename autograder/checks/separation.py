"""How far apart the catalogue's entries lie on given probes: two that nearly coincide could be taken for each other."""

from collections.abc import Sequence

import numpy as np

from autograder.bn_helper.judge import scale_of
from autograder.bn_helper.parts.claims import Claim, Notes, Part
from autograder.bn_helper.probes import Probe
from autograder.checks.topic import Topic
from autograder.checks.trial import notes_of

APART = 100  # tolerances
_EXACT = 1e-6  # tolerance of a claim by whose numbers entries are told apart, and not in float32 or far from zero
_THE_SAME = 1e-9  # a smaller deviation is rounding: the two entries do the same here, and another part tells them apart


def too_close(topic: Topic, part: Part, probes: Sequence[Probe]) -> list[tuple[str, str]]:
    """Return the pairs of entries that differ on the probes by less than `APART` tolerances, and yet differ."""
    exact = [claim for claim in part.claims if claim.tolerance <= _EXACT]
    return [pair for claim in exact for pair in _too_close(topic, part, claim, probes)]


def _too_close(topic: Topic, part: Part, claim: Claim, probes: Sequence[Probe]) -> list[tuple[str, str]]:
    right = notes_of(topic.reference, claim, probes)
    behaviours: dict[str, np.ndarray] = {}
    for entry in topic.catalogue:
        notes = notes_of(entry.functions, claim, probes) if part.id in entry.breaks else None
        flat = _flat(notes, right) if notes is not None and right is not None else None
        if flat is not None:
            behaviours[entry.name] = flat
    if len(behaviours) < 2:
        return []
    names, rows = list(behaviours), np.stack(list(behaviours.values()))
    deviation = np.abs(rows[:, None] - rows[None]).max(axis=2, initial=0.0)
    close = (deviation > _THE_SAME) & (deviation < APART * claim.tolerance)
    return [(names[a], names[b]) for a, b in np.argwhere(np.triu(close, 1))]


def _flat(notes: tuple[Notes, ...], right: tuple[Notes, ...]) -> np.ndarray | None:
    """Return all notes as one vector, in units of the right ones' scales; None if a shape differs."""
    values = []
    for mine, rights in zip(notes, right, strict=True):
        for name, value in rights.items():
            if isinstance(value, np.ndarray):
                if not isinstance(mine.get(name), np.ndarray) or mine[name].shape != value.shape:
                    return None
                values.append((mine[name] / scale_of(value)).ravel())
            else:
                values.append(np.array([float(mine.get(name) == value)]))
    return np.nan_to_num(np.concatenate(values), nan=1e9, posinf=1e9, neginf=-1e9) if values else None
