"""The figures of the book, one module per chapter, one function per figure. Importing the package sets the style."""

from . import style

style.use()
