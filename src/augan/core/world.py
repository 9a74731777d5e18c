"""Several processes that train one model: who they are, and how they agree.

Started by torchrun (one process a GPU, or a share of the cores), each process has a part of every batch. A value that
has to be the same for all is decided by the first process and sent to the others. Where there is one process only,
every function here does nothing.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from augan.core.errors import AuganError, UserError

T = TypeVar("T")
PATIENCE = timedelta(hours=1)
"""How long a process waits for the others, for instance while the first one measures."""
BUCKET_BYTES = 4 * 2**20


@dataclass(frozen=True)
class World:
    """The processes that train together.

    Attributes:
        rank: number of this one, from 0; number 0 decides, measures, prints and writes.
        size: how many there are.
        local_rank: number of this one on its machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that decides."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether it is the only one."""
        return self.size == 1

    def share(self, batch: int, least: int = 2, setting: str = "training.batch") -> int:
        """This process's part of a batch, `least` images or more; `setting` is what the batch is called.

        Raises:
            UserError: the batch cannot be divided evenly.
        """
        if batch % self.size or batch // self.size < least:
            fitting = max(least, batch // self.size) * self.size
            raise UserError(
                f"A batch of {batch} cannot be divided among {self.size} processes: choose a multiple of {self.size} "
                f"with at least {least} images for each, for instance --set {setting}={fitting}."
            )
        return batch // self.size

    def part(self, share: int) -> slice:
        """This process's rows of a batch of which each process has `share`."""
        return slice(self.rank * share, (self.rank + 1) * share)

    def decided(self, decide: Callable[[], T]) -> T:
        """What the first process decides, for all; what it raises is raised by all."""
        if self.alone:
            return decide()
        outcome: list[Any] = [None]
        if self.first:
            try:
                outcome = [(True, decide())]
            except AuganError as error:
                outcome = [(False, error)]
            except Exception as error:  # a mistake of ours: the others must not wait for it
                outcome = [(False, AuganError(f"The first process failed: {error!r}"))]
                dist.broadcast_object_list(outcome, src=0, group=_control())
                raise
        dist.broadcast_object_list(outcome, src=0, group=_control())
        well, value = outcome[0]
        if not well:
            value.reported = not self.first
            raise value
        return value

    def in_turn(self, act: Callable[[], T]) -> T:
        """Every process acts, on each machine the first one before the others, which find its files in the cache."""
        if self.alone:
            return act()
        if self.local_rank == 0:
            with self._others_wait():
                return act()
        self.wait()
        try:
            return act()
        except AuganError as error:  # the first one on this machine says the same
            error.reported = True
            raise

    @contextmanager
    def _others_wait(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.wait()

    def wait(self) -> None:
        """Until all processes are here."""
        if not self.alone:
            dist.barrier(group=_control())

    def sums(self, *numbers: float) -> list[float]:
        """Sums over the processes, in float64; not on the GPU's stream."""
        if self.alone:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64)
        dist.all_reduce(values, group=_control())
        return list(values.tolist())

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the processes, without gradient."""
        if self.alone:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.size

    def whole(self, value: Tensor) -> Tensor:
        """(b, ...) of each process to (processes b, ...), in the order of their ranks, without gradient."""
        if self.alone:
            return value.detach()
        parts = [torch.empty_like(value, memory_format=torch.contiguous_format) for _ in range(self.size)]
        dist.all_gather(parts, value.detach().contiguous())
        return torch.cat(parts)

    def same_weights(self, network: nn.Module) -> None:
        """Gives every process the first one's weights and buffers."""
        if not self.alone:
            for value in network.state_dict().values():
                dist.broadcast(value, src=0)

    def mean_gradients(self, network: nn.Module) -> None:
        """Replaces gradients by their means over the processes; a missing one counts as zero."""
        if self.alone:
            return
        learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        for bucket in _buckets(learning):
            flat = torch.cat([_gradient(parameter).reshape(-1) for parameter in bucket])
            dist.all_reduce(flat)
            flat /= self.size
            for parameter, part in zip(bucket, flat.split([value.numel() for value in bucket]), strict=True):
                parameter.grad = _laid_out(part, parameter)


def _gradient(parameter: nn.Parameter) -> Tensor:
    """Its numbers in the order of memory where that is dense, so that nothing is moved to and fro."""
    value = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    return value.permute(0, 2, 3, 1) if _last(parameter) else value


def _laid_out(part: Tensor, parameter: nn.Parameter) -> Tensor:
    if not _last(parameter):
        return part.view(parameter.shape)
    out, inside, height, width = parameter.shape
    return part.view(out, height, width, inside).permute(0, 3, 1, 2)


def _last(parameter: nn.Parameter) -> bool:
    return parameter.dim() == 4 and parameter.is_contiguous(memory_format=torch.channels_last)


def _buckets(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Parameters in groups of one type and a few megabytes."""
    bucket: list[nn.Parameter] = []
    held = 0
    for parameter in parameters:
        size = parameter.numel() * parameter.element_size()
        if bucket and (held + size > BUCKET_BYTES or bucket[0].dtype != parameter.dtype):
            yield bucket
            bucket, held = [], 0
        bucket.append(parameter)
        held += size
    if bucket:
        yield bucket


_groups: dict[str, Any] = {}


def _control() -> Any:
    """The group for decisions: gloo on the processors, whatever the gradients use."""
    return _groups["control"]


def join() -> World:
    """The world that torchrun started this process in; alone where it did not.

    Raises:
        UserError: torch has no torch.distributed, or this machine no backend for it.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in os.environ:
        return World()
    world = World(int(os.environ["RANK"]), size, int(os.environ.get("LOCAL_RANK", "0")))
    if not _groups:
        if not dist.is_available():
            raise UserError("This torch was built without torch.distributed: start one process, without torchrun.")
        on_gpu = torch.cuda.is_available()
        if on_gpu:
            torch.cuda.set_device(world.local_rank)
        if not dist.is_initialized():
            dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
            atexit.register(_leave)
        _groups["control"] = dist.new_group(backend="gloo", timeout=PATIENCE) if on_gpu else dist.group.WORLD
    return world


@contextmanager
def leave() -> Iterator[None]:
    """Ends this process with the block, if it is one of several: the exit code is that of the block's SystemExit.

    What is registered to run at exit runs, and the groups end, but C++'s own clearing up does not happen: torch's
    threads that are still at work by then would abort the process, although all is done and written.
    """
    code: object = 0
    try:
        yield
    except SystemExit as ended:
        if not _groups:
            raise
        code = ended.code
    if not _groups:
        return
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else code is not None)


def _leave() -> None:
    """Ends the groups while Python still runs: their threads end with the last reference to a group, and one that is
    still at work when Python has gone aborts the process."""
    _groups.clear()
    if dist.is_initialized():
        dist.destroy_process_group()
