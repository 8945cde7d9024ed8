"""The sections of the book to which messages and assignments send a student."""

PAGES = {
    "sec-saturation": ("saturation", "Sigmoids saturate"),
    "sec-shift": ("covariate_shift", "Internal covariate shift"),
    "sec-forward": ("forward_pass", "The forward pass"),
    "sec-backward": ("backward_pass", "The backward pass"),
    "sec-gradcheck": ("gradient_check", "Checking a gradient"),
    "sec-network": ("network", "In a network"),
    "sec-beyond": ("beyond", "Beyond"),
}

# label -> title; the page follows from the label's beginning. The book's tests compare both with its pages.
TITLES = {
    "sec-saturation-derivative": "One quarter, at best",
    "sec-saturation-stable": "What a computer makes of the tails",
    "sec-saturation-fraction": "How many units are saturated?",
    "sec-saturation-depth": "A product of small numbers",
    "sec-saturation-relatives": "Its relatives: tanh and ReLU",
    "sec-shift-measured": "The shift, measured",
    "sec-forward-mean": "Where is the batch? The mean",
    "sec-forward-variance": "How wide is it? The variance",
    "sec-forward-accuracy": "Squares first, or mean first? Accuracy",
    "sec-forward-normalize": "Divide: normalize, with eps",
    "sec-forward-scale-shift": "Give it back: scale and shift",
    "sec-forward-properties": "What the layer cannot see: properties",
    "sec-forward-coupled": "The examples of a batch are coupled",
    "sec-forward-running": "What to remember: running averages",
    "sec-forward-inference": "One example, no batch: inference",
    "sec-forward-conventions": "The same layer, four conventions",
    "sec-backward-paths": "Three paths to the loss",
    "sec-backward-nodes": "Node by node",
    "sec-backward-closed-form": "The closed form",
    "sec-backward-parameters": "The two parameters",
    "sec-backward-weights": "The weights before the layer lose their scale",
    "sec-gradcheck-difference": "Ask the function itself",
    "sec-gradcheck-error": "Compare two gradients",
    "sec-gradcheck-upstream": "Why the upstream gradient is random",
    "sec-gradcheck-eps": "Why eps must not be small",
    "sec-gradcheck-shapes": "Shapes that tell the axes apart",
    "sec-gradcheck-blind": "What the check cannot see",
    "sec-network-gradient": "A hidden layer, there and back",
    "sec-network-fair": "What would be a fair comparison?",
    "sec-beyond-place": "Where to put it",
    "sec-beyond-axes": "One formula, four sets of axes",
    "sec-beyond-spatial": "The examples of a batch of images: spatial batch normalization",
    "sec-beyond-layer": "Each example by itself: layer normalization",
    "sec-beyond-folding": "A layer that disappears: folding",
    "sec-beyond-transformers": "Why transformers left the batch",
    "sec-beyond-practice": "In practice",
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
