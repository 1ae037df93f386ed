"""Weight sharing: many architectures, one set of weights."""

from __future__ import annotations

from nascout.oneshot.language_method import LANGUAGE_METHODS, LanguageMethod
from nascout.oneshot.learner import SharedEpoch
from nascout.oneshot.method import METHODS, Method, method
from nascout.oneshot.share import share
from nascout.oneshot.share_language import share_language
from nascout.oneshot.sharing import Shared

__all__ = [
    "LANGUAGE_METHODS",
    "METHODS",
    "LanguageMethod",
    "Method",
    "Shared",
    "SharedEpoch",
    "method",
    "share",
    "share_language",
]
