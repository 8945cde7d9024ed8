"""The gradients dx, dgamma and dbeta of a layer with a scale and a shift, as the three parts of its backward pass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..calls import Call, Handle, Reply
from ..probes import Probe
from .claims import Claim, Notes, Part, array, ask, several

RETURNS = "(dx, dgamma, dbeta)"


@dataclass(frozen=True)
class Layer:
    """A layer as its backward pass is tried.

    Attributes
    ----------
    backward : name of the backward pass
    cache : runs the forward pass on x with the rest of a probe, and gives its cache
    constant : gives an x of which one set of values that are normalized together is constant
    constant_where : says where, as in 'dx is right where a channel of x is constant'
    broken : see `Claim`
    overwrites : the misconceptions that a changed dout, and a second call with other numbers, betray; empty for none
    section : label
    of_parameters : label of the section on dgamma and dbeta, where it is another one
    manners : share of dx of each of the two last claims, dout and a second call
    """

    backward: str
    cache: Callable[[Call, Probe, np.ndarray], Handle]
    constant: Callable[[np.ndarray], np.ndarray]
    constant_where: str
    broken: Callable[[Probe, str, np.ndarray], str]
    overwrites: tuple[str, str]
    section: str
    of_parameters: str = ""
    manners: float = 0.0625

    def gradients(self, call: Call, probe: Probe, x: np.ndarray) -> tuple[tuple[Any, ...], Handle, Reply]:
        """Run forward and backward; return the gradients, the cache and the reply of the backward pass."""
        cache = self.cache(call, probe, x)
        reply = ask(call, self.backward, probe.dout.astype(x.dtype), cache)
        return several(reply, self.backward, RETURNS, 3), cache, reply

    def gradient(self, position: int, name: str) -> Callable[[Call, Probe], Notes]:
        """Return the script that notes one of the gradients."""

        def script(call: Call, probe: Probe) -> Notes:
            return {name: array(self.gradients(call, probe, probe.x)[0][position], name)}

        return script

    def _dx_where_constant(self, call: Call, probe: Probe) -> Notes:
        return {"dx": array(self.gradients(call, probe, self.constant(probe.x))[0][0], "dx")}

    def _dx_float32(self, call: Call, probe: Probe) -> Notes:
        gradients = self.gradients(call, probe, probe.x.astype(np.float32))[0]
        return {"dx": array(gradients[0], "dx").astype(np.float64)}

    def _keeps_dout(self, call: Call, probe: Probe) -> Notes:
        kept = "dout after the call, which should not change it,"
        return {kept: array(self.gradients(call, probe, probe.x)[2].arguments[0], kept)}

    def _dx_again(self, call: Call, probe: Probe) -> Notes:
        cache = self.gradients(call, probe, probe.x)[1]
        again = several(ask(call, self.backward, probe.dout, cache), self.backward, RETURNS, 3)
        return {"dx of a second call": array(again[0], "dx")}

    def parts(self, *before: Claim) -> tuple[Part, ...]:
        """Return the parts that try dx, dgamma and dbeta; claims `before` take from the share of dx."""
        right = "agrees with the numerical gradient"
        share = 0.75 - 2 * self.manners - sum(claim.share for claim in before)
        dout, cache = ((name, "") if name else None for name in self.overwrites)  # each call gets dout anew
        of_dx = (
            *before,
            Claim(f"dx {right}", self.gradient(0, "dx"), share, core=True, broken=self.broken),
            Claim(f"dx is right where {self.constant_where} of x is constant", self._dx_where_constant, 0.125),
            Claim("dx is right in float32", self._dx_float32, 0.125, tolerance=1e-4),
            Claim("dout is not modified", self._keeps_dout, self.manners, betrays=dout),
            Claim("a second call gives the same", self._dx_again, self.manners, betrays=cache),
        )
        of_dgamma = (Claim(f"dgamma {right}", self.gradient(1, "dgamma"), 1.0, core=True),)
        of_dbeta = (Claim(f"dbeta {right}", self.gradient(2, "dbeta"), 1.0, core=True),)
        parameters = self.of_parameters or self.section
        parts = (("dx", self.section, of_dx), ("dgamma", parameters, of_dgamma), ("dbeta", parameters, of_dbeta))
        return tuple(Part(f"{self.backward}-{name}", self.backward, where, claims) for name, where, claims in parts)
