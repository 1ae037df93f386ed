"""Growing a network that is already there: Petridish and its relatives (arXiv:1905.13360)."""

from __future__ import annotations

from nascout.growth.addition import Addition, add
from nascout.growth.candidates import Candidates, attach, detach
from nascout.growth.finalise import finalise
from nascout.growth.grow_cell import grow_cell, trace_cell, with_cell
from nascout.growth.grow_once import Growth, grow_once
from nascout.growth.method import METHODS, Method
from nascout.growth.operations import DEFAULTS, OPERATIONS, Operation
from nascout.growth.places import Place, Spot, cell_groups, groups, places, thinned
from nascout.growth.recipe import grown_from, load_grown, recipe_of, save_grown
from nascout.growth.select import rated, select
from nascout.growth.stop import stop_forward, stop_gradient
from nascout.growth.trace import trace

__all__ = [
    "DEFAULTS",
    "METHODS",
    "OPERATIONS",
    "Addition",
    "Candidates",
    "Growth",
    "Method",
    "Operation",
    "Place",
    "Spot",
    "add",
    "attach",
    "cell_groups",
    "detach",
    "finalise",
    "groups",
    "grow_cell",
    "grow_once",
    "grown_from",
    "load_grown",
    "places",
    "rated",
    "recipe_of",
    "save_grown",
    "select",
    "stop_forward",
    "stop_gradient",
    "thinned",
    "trace",
    "trace_cell",
    "with_cell",
]
