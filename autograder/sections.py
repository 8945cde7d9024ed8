"""The sections of the book to which messages and assignments send a student."""

PAGES = {
    "sec-forward": ("forward_pass", "The forward pass"),
    "sec-backward": ("backward_pass", "The backward pass"),
    "sec-gradcheck": ("gradient_check", "Checking a gradient"),
}

# label -> title; the page follows from the label's beginning. The book's tests compare both with its pages.
TITLES = {
    "sec-forward-mean": "",
    "sec-forward-variance": "",
    "sec-forward-accuracy": "",
    "sec-forward-normalize": "",
    "sec-forward-scale-shift": "",
    "sec-forward-properties": "",
    "sec-forward-coupled": "",
    "sec-forward-running": "",
    "sec-forward-inference": "",
    "sec-forward-conventions": "",
    "sec-backward-paths": "",
    "sec-backward-nodes": "",
    "sec-backward-closed-form": "",
    "sec-backward-parameters": "",
    "sec-gradcheck-difference": "",
    "sec-gradcheck-upstream": "",
    "sec-gradcheck-eps": "",
}


def section(label: str, book_url: str = "") -> tuple[str, str]:
    """Return a section's title, with its chapter's, and its address in the book.

    Parameters
    ----------
    label : str
        Such as 'sec-forward-mean'.
    book_url : str
        Where the book is; without it the address is the label.

    Raises
    ------
    KeyError
        If the book has no such section.
    """
    page, chapter = PAGES["-".join(label.split("-")[:2])]
    title = f"{chapter}, '{TITLES[label]}'"
    return title, f"{book_url.rstrip('/')}/chapters/{page}.html#{label}" if book_url else label


def link(label: str, book_url: str = "") -> str:
    """Return the text that sends a student to a section."""
    title, address = section(label, book_url)
    return f"{title} ({address})"
