"""Link the editions that lie beside the pages from the first page: `python assets/editions/links.py _build/html`."""

import re
import sys
from pathlib import Path

NAME = "batch-normalization-worked"
EDITIONS = {"pdf": "PDF", "epub": "ePub"}
PLACE = re.compile(r"<!-- editions -->.*?<!-- end of editions -->", re.S)


def sentence(html):
    """Return the sentence about the editions that exist, or nothing."""
    found = [
        f'<a href="{NAME}.{suffix}">{title}</a> ({(html / f"{NAME}.{suffix}").stat().st_size / 1e6:.0f} MB)'
        for suffix, title in EDITIONS.items()
        if (html / f"{NAME}.{suffix}").exists()
    ]
    return f"<p>The whole book in one file: {' or '.join(found)}.</p>" if found else ""


def link(html):
    """Write the sentence into its place on the first page."""
    page = html / "index.html"
    text = page.read_text(encoding="utf8")
    page.write_text(PLACE.sub(f"<!-- editions -->{sentence(html)}<!-- end of editions -->", text), encoding="utf8")


if __name__ == "__main__":
    link(Path(sys.argv[1]))
