"""Threads for the cores that are free.

PyTorch's threads wait for one another by spinning. When another process holds a core, every parallel region then
waits a scheduler's time slice for its slowest thread, and training slows many times over. Two measures prevent that:
the number of threads follows the cores that other processes leave free, re-measured while training runs; and waiting
threads spin briefly before they sleep, which must be set before torch is imported. (Sleeping at once costs a third of
the speed where the machine is free: docs/benchmarks.md.)
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import time

import psutil

BRIEF_SPIN = {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "1"}
"""For GNU's and for LLVM's OpenMP: some microseconds of spinning, at most a millisecond."""


def prepare_environment() -> None:
    """Lets OpenMP's waiting threads spin only briefly, unless the user chose. To be called before torch is imported."""
    if not {"OMP_WAIT_POLICY", *BRIEF_SPIN} & set(os.environ):
        os.environ.update(BRIEF_SPIN)


@functools.cache
def keep_freed_memory() -> None:
    """Lets GNU's allocator keep freed memory for the next round, instead of giving it back and asking for it again.

    A round frees and asks for hundreds of megabytes; fresh pages, which the system has to clear, cost a seventh of
    its time (docs/experiments.md). Does nothing where the C library is another one.
    """
    library = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    if library is not None and hasattr(library, "mallopt"):
        never_map, never_trim, grow_by = -4, -1, -2
        library.mallopt(never_map, 0)
        library.mallopt(never_trim, ctypes.c_int(2**31 - 1))
        library.mallopt(grow_by, 64 * 2**20)


def usable_cores() -> int:
    """Cores that this process may run on (its affinity, and OMP_NUM_THREADS where that is set)."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(affinity, int(limit))) if limit.isdigit() and int(limit) else affinity


class CoreMeter:
    """Measures how many cores other processes keep busy since the last reading."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._last = self._read()

    def _read(self) -> tuple[float, float, float]:
        total = psutil.cpu_times()
        idle = total.idle + getattr(total, "iowait", 0.0)
        busy = sum(total[: total._fields.index("guest")] if "guest" in total._fields else total) - idle
        own = self._process.cpu_times()
        return time.monotonic(), busy, own.user + own.system

    def others_busy(self) -> float:
        """Cores that other processes kept busy since the last call, from 0 up."""
        now = self._read()
        elapsed, busy, own = (after - before for after, before in zip(now, self._last, strict=True))
        self._last = now
        return max(0.0, (busy - own) / elapsed) if elapsed > 0 else 0.0


class ThreadGovernor:
    """Keeps torch's thread number at what is free. `update` is cheap; call it every few seconds."""

    def __init__(self, threads: int | None = None) -> None:
        """`threads` fixes the number; None follows the machine."""
        self.fixed = threads
        self.meter = CoreMeter()
        if threads is None:
            time.sleep(0.25)  # one reading, so that the first choice is already an informed one
        self.threads = 0
        self.update()

    def update(self) -> int:
        """Measures, sets torch's thread number, and returns it."""
        import torch

        free = (os.cpu_count() or 1) - self.meter.others_busy()
        wanted = self.fixed or threads_for(usable_cores(), free)
        if wanted != self.threads:
            torch.set_num_threads(wanted)
            self.threads = wanted
        return wanted


def threads_for(usable: int, free: float) -> int:
    """Threads to use where this process may run on `usable` cores and others leave `free` cores of the machine.

    >>> [threads_for(2, free) for free in (2.0, 1.7, 1.0, 0.0)]
    [2, 2, 1, 1]
    """
    return max(1, min(usable, round(free)))
