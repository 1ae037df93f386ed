"""Which machine a measurement belongs to."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

__all__ = ["fingerprint"]


def fingerprint(device: str | torch.device = "cpu") -> dict[str, str]:
    """What a latency depends on besides the network: processor, threads, torch.

    >>> sorted(fingerprint("cpu"))
    ['device', 'processor', 'threads', 'torch']
    """
    device = torch.device(device)
    if device.type == "cuda":
        processor, threads = torch.cuda.get_device_name(device), "-"
    else:
        processor, threads = _cpu_name(), str(torch.get_num_threads())
    return {
        "device": device.type,
        "processor": processor,
        "threads": threads,
        "torch": str(torch.__version__),
    }


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    match = re.search(r"model name\s*:\s*(.+)", text)
    return match[1].strip() if match else platform.processor() or platform.machine()
