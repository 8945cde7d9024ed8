"""One page about a class: its marks, its misconceptions, its checks, and the submissions that want a look."""
