"""The experiments of the book, one module per chapter: seeded functions that return arrays, and draw nothing."""
