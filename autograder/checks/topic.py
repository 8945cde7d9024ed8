"""What the grader knows of a topic: its reference, its inputs, its misconceptions."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from autograder.bn_helper.probes import Probe

Functions = dict[str, Callable[..., Any]]


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation, made from a module of `solutions`, and what a student should hear of it.

    Attributes
    ----------
    name : short and unique
    sentence : completes 'This is what one gets when ...'
    section : label of the section of the book that explains it
    breaks : ids of the parts that lose marks, declared by hand
    changes : (function, text, new text), applied to the source of the module
    module : of `solutions`
    raises : type of the exception with which a call ends, if that is how it shows
    twins : two functions that do the same; where only one of them is changed, the other takes its place too
    only : names of the functions that a submission with it holds; all of the module if empty
    """

    name: str
    sentence: str
    section: str
    breaks: tuple[str, ...]
    changes: tuple[tuple[str, str, str], ...]
    module: str
    twins: tuple[str, str] | None = None
    raises: str = ""
    only: tuple[str, ...] = ()

    @cached_property
    def functions(self) -> Functions:
        """The functions of the module with the changes applied."""
        module = importlib.import_module(f"solutions.{self.module}")
        source = inspect.getsource(module)
        for name, text, new in self.changes:
            function = inspect.getsource(getattr(module, name))
            if function not in source:  # changed before
                function = _function_source(source, name)
            if function.count(text) != 1:
                raise ValueError(f"{self.name!r} changes {text!r}, which {name} holds {function.count(text)} times")
            source = source.replace(function, function.replace(text, new))
        namespace: dict[str, Any] = {"__name__": module.__name__, "__package__": "solutions"}
        exec(compile(source, f"<misconception {self.name}>", "exec"), namespace)
        own = {name: value for name, value in namespace.items() if inspect.isfunction(value)}
        functions: Functions = {name: value for name, value in own.items() if value.__module__ == module.__name__}
        if self.only:
            functions = {name: functions[name] for name in self.only}
        if self.twins is not None:
            first, second = self.twins
            if any(name == second for name, _, _ in self.changes):
                functions[first] = functions[second]
            else:
                functions[second] = functions[first]
        return functions


def _function_source(source: str, name: str) -> str:
    start = source.index(f"def {name}(")
    end = source.find("\n\n\ndef ", start)
    return source[start:] if end < 0 else source[start : end + 1]


@dataclass(frozen=True)
class Topic:
    """A set of functions that are tried on the same inputs.

    Attributes
    ----------
    reference : right functions, gradients by numerical differentiation
    catalogue : the known wrong ones
    visible : probes that students hold, the same in every course
    hidden : draws the probes that only the grader holds
    given : functions, each with another that may take its place: where a function that `needs` them loses marks with
        the student's own, it is tried with the given ones too, and the better result counts
    needs : names of those functions
    diagnosed_by : the part that tells which misconception a student's own version of the given functions holds
    reference_on : makes the reference that belongs to other versions of the given functions
    formulas : right analytic functions, as one and as another student writes them
    carried : misconceptions that cost nothing where a function `needs` another: it may belong to the other as diagnosed
    """

    reference: Functions
    catalogue: tuple[Misconception, ...]
    visible: tuple[Probe, ...]
    hidden: Callable[[np.random.Generator], tuple[Probe, ...]]
    given: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    diagnosed_by: str = ""
    reference_on: Callable[[Functions], Functions] | None = None
    formulas: tuple[Functions, ...] = ()
    carried: tuple[str, ...] = ()
