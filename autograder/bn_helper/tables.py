"""The file of expected outputs that lies beside the notebooks: write it, read it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .judge import Expected, Suspect
from .probes import Probe, decode, encode

FILE = Path(__file__).with_name("expected.json")


@dataclass(frozen=True)
class Tables:
    """Everything that a check in a notebook needs beside the student's functions.

    Attributes
    ----------
    sections : mapping from a section's label to its title and address
    probes : mapping from a topic to the inputs that students may see
    expected : mapping from a part's id and a claim's text to what is right
    """

    sections: Mapping[str, tuple[str, str]]
    probes: Mapping[str, Sequence[Probe]]
    expected: Mapping[str, Mapping[str, Expected]]

    def write(self, path: Path) -> None:
        """Write the tables as JSON; float64 survives exactly."""
        content = {
            "sections": dict(self.sections),
            "probes": {topic: [probe.to_json() for probe in probes] for topic, probes in self.probes.items()},
            "expected": {
                part: {text: _to_json(expected) for text, expected in claims.items()}
                for part, claims in self.expected.items()
            },
        }
        path.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True), encoding="utf-8")


def read_tables(path: Path = FILE) -> Tables:
    """Read what `Tables.write` wrote.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path.name} is missing in bn_helper: download the assignment's whole folder again")
    content = json.loads(path.read_text(encoding="utf-8"))
    return Tables(
        {label: (title, url) for label, (title, url) in content["sections"].items()},
        {topic: tuple(map(Probe.from_json, probes)) for topic, probes in content["probes"].items()},
        {
            part: {text: _from_json(expected) for text, expected in claims.items()}
            for part, claims in content["expected"].items()
        },
    )


def _to_json(expected: Expected) -> dict[str, Any]:
    notes = [encode(notes) for notes in expected.notes]
    return {"notes": notes, "suspects": [asdict(suspect) for suspect in expected.suspects]}


def _from_json(data: dict[str, Any]) -> Expected:
    notes = tuple(decode(notes) for notes in data["notes"])
    suspects = tuple(
        Suspect(s["name"], s["sentence"], s["section"], tuple(s["breaks"]), tuple(s["signature"]), s["raises"])
        for s in data["suspects"]
    )
    return Expected(notes, suspects)
