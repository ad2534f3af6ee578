"""Where the stages of `train` take place: in the memory of this process, or chunk by chunk on workers."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule import data
from chainrule.backend.device import Device, get_device
from chainrule.cli.console import tell
from chainrule.data.dataset import Dataset
from chainrule.training import evaluation
from chainrule.training import run as training
from chainrule.training.config import Wishes
from chainrule.training.model_file import Model

SCHEDULER = "CHAINRULE_SCHEDULER"
ChunkRowsOption = Annotated[
    int | None,
    typer.Option(
        help="Read and compute so many rows at a time, on Dask; for a .zarr, an .h5 or a folder of .npy files larger "
        "than memory. Default with --workers or --scheduler: as many as take 64 MiB.",
        min=1,
    ),
]
WorkersOption = Annotated[
    int | None, typer.Option(help="Compute chunks on so many processes of this machine.", min=1)
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        help="Compute chunks on the cluster of this Dask scheduler, such as tcp://10.0.0.1:8786.",
        envvar=SCHEDULER,
    ),
]


@dataclass(frozen=True)
class Where:
    """What was asked for: rows of a chunk, local workers, or a scheduler; nothing for this process's own memory."""

    chunk_rows: int | None
    workers: int | None
    scheduler: str | None

    @contextmanager
    def stages(self, path: Path | None) -> Iterator[Any]:
        """Yield what loads, splits, prepares, runs and judges there."""
        # An address in the environment is for those who ask for nothing else.
        scheduler = self.scheduler
        if self.workers is not None and scheduler == os.environ.get(SCHEDULER):
            scheduler = None
        if (
            self.chunk_rows is None
            and self.workers is None
            and scheduler is None
            and not _only_in_chunks(path)
        ):
            yield _Whole()
            return
        from chainrule.cluster import connected
        from chainrule.training.chunked_run import Chunks

        with connected(self.workers, scheduler) as client:
            if client is None:
                tell("workers", "threads of this process")
            else:
                tell("workers", f"{len(client.nthreads())} of {client.scheduler.address}")
                tell("seen at", client.dashboard_link)
            yield Chunks(self.chunk_rows)


def _only_in_chunks(path: Path | None) -> bool:
    """Return whether data are of a kind that is never read whole."""
    return path is not None and (
        path.suffix.lower() == ".zarr" or (path.is_dir() and any(path.glob("X*.npy")))
    )


class _Whole:
    """The stages for rows that are in memory."""

    device = staticmethod(get_device)
    load = staticmethod(data.load)
    load_test = staticmethod(data.load_test)
    split = staticmethod(data.split)
    prepare = staticmethod(training.prepare)
    run = staticmethod(training.Run)

    @staticmethod
    def settled(wishes: Wishes, rows: Dataset) -> Wishes:
        return wishes.settled(len(rows.classes))

    @staticmethod
    def verdicts(place: Device, model: Model, task: training.Task) -> dict[str, evaluation.Verdict]:
        parts = {"train": task.train, "held out": task.test}
        if task.validation is not None:
            parts["validation"] = task.validation
        return {
            name: evaluation.Verdict(evaluation.probabilities(place, model, rows.X), rows.y)
            for name, rows in parts.items()
        }


def tell_spent(spent: dict[str, Any]) -> None:
    """Print where the seconds of steps on chunks went."""
    if not spent:
        return
    chunks = spent["chunks"]
    kept = chunks["kept on workers"]
    where = "kept on workers" if kept else "read again at each step"
    tell("chunks", f"{chunks['number']} of up to {chunks['rows of the tallest']} rows, {where}")
    computing = f"{chunks['seconds of computing']:.2f} s computing in the busiest thread of each"
    rest = f"{chunks['seconds of moving, reading and waiting']:.2f} s moving{'' if kept else ', reading'} and waiting"
    tell(
        "spent",
        f"{chunks['seconds of steps']:.2f} s in {chunks['steps computed']} steps: {computing}, {rest}",
    )
