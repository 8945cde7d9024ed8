"""Resolve numbered references without reading their pages anew for each.

Sphinx unpickles the whole page to which a `numref` leads, every time: for the few hundred references of this book, a
third of the time in which it is built. Its pages are only looked at for that, so one copy of each serves for all.
"""

from sphinx.domains.std import StandardDomain


class OnceRead:
    """The environment, but for the pages, of which each is read once; nobody may change them."""

    def __init__(self, env):
        self._env = env
        self._pages = {}

    def get_doctree(self, docname):
        if docname not in self._pages:
            self._pages[docname] = self._env.get_doctree(docname)
        return self._pages[docname]

    def __getattr__(self, name):
        return getattr(self._env, name)


class NumberedReferences(StandardDomain):
    """The standard domain, with numbered references from pages that are read once."""

    _once_read = None

    def _resolve_numref_xref(self, env, *args):
        if self._once_read is None:  # references are resolved when all pages have been read
            self._once_read = OnceRead(env)
        return super()._resolve_numref_xref(self._once_read, *args)


def setup(app):
    app.add_domain(NumberedReferences, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
