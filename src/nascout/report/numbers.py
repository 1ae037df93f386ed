"""How metrics are called and written for people: labels, units, digits."""

from __future__ import annotations

from math import isfinite

__all__ = ["duration", "label", "show"]

LABELS = {
    "retrained_val_accuracy": "Validation accuracy, retrained",
    "test_accuracy": "Test accuracy, retrained",
    "val_accuracy": "Validation accuracy, search",
    "params": "Params",
    "macs": "MACs",
    "flops": "FLOPs",
    "activation_bytes": "Peak activations",
    "latency_ms": "Latency, predicted",
    "measured_latency_ms": "Latency, measured",
}
PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1.0, ""))


def label(metric: str) -> str:
    """What people call ``metric``; a score keeps its name."""
    return LABELS.get(metric, metric)


def show(metric: str, value: float | None) -> str:
    """``value`` with its unit, in three or four digits; a dash if there is none.

    >>> show("params", 73306), show("val_accuracy", 91.234), show("latency_ms", 3.2071)
    ('73.3 k', '91.23 %', '3.21 ms')
    >>> show("activation_bytes", 196608), show("naswot", None)
    ('197 kB', '–')
    """
    if value is None or not isfinite(value):
        return "–"
    if metric.endswith("accuracy"):
        return f"{value:.2f} %"
    if metric.endswith("_ms"):
        return f"{value:.2f} ms" if abs(value) >= 1 else f"{value:.3g} ms"
    if metric in ("params", "macs", "flops", "activation_bytes"):
        unit = "B" if metric == "activation_bytes" else ""
        # 999,999 is 1 M, not 1000 k: three digits are kept.
        size, prefix = next(((s, p) for s, p in PREFIXES if abs(value) >= 0.9995 * s), PREFIXES[-1])
        number = f"{value / size:.3g}" if size > 1 else f"{value:.0f}"
        return f"{number}{prefix or (' ' if unit else '')}{unit}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(0.25), duration(75), duration(7384)
    ('0.25 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
