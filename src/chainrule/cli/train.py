"""The command train."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from chainrule.backend.threads import fixed_threads
from chainrule.cli.console import check_folder, print_json, reserve_output, tell
from chainrule.cli.options import SCHEDULER, TrainOptions, takes_options
from chainrule.cli.progress import follow
from chainrule.data.dataset import Dataset
from chainrule.data.limits import at_most
from chainrule.optim import Descent
from chainrule.training.checkpoint import CHECKPOINT, set_aside
from chainrule.training.config import Plan
from chainrule.training.evaluation import Prediction
from chainrule.training.model_file import Model
from chainrule.training.pipeline import Pipeline, open_pipeline, prepare
from chainrule.training.problem import Problem, number_of_classes
from chainrule.training.report.artifacts import save
from chainrule.training.run import Run, config_for
from chainrule.training.run_report import (
    Choices,
    ChunkTimes,
    Regression,
    RunReport,
    Summary,
    network_in_words,
    regression,
    report_of,
    summary,
)
from chainrule.training.storage import claimed

# What a terminal, a service manager and a closing session send.
_ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@takes_options(TrainOptions)
def train(options: TrainOptions) -> None:
    """Learn to tell classes apart, or with --task regression to predict a number, and keep what was learnt.

    Shows the cost as it falls, drawn on a terminal and in lines elsewhere, and the accuracy on training and held-out
    rows. Leaves in --out: report.html, to be looked at in a browser, model.safetensors, history.csv, report.json,
    held-out.csv with every answer, cost.png, weights.png, for pictures mistakes.png or for a regression
    predictions.png, and checkpoint.safetensors, from which --resume goes on as if nothing had happened; without it that
    of the run before is kept under another name. Ctrl-C, SIGTERM and SIGHUP stop after the running step and keep what
    was learnt; what ends the process at once costs about a minute at most.

    Examples: chainrule train | chainrule train --positive 8 | chainrule train pictures/ --hidden 64,32 --out cats
    """
    reserve_output({}, as_json=options.as_json)
    check_folder(options.folder)
    limits = (at_most(options.memory), fixed_threads(options.threads))
    with _pipeline(options) as pipeline, claimed(options.folder), limits[0], limits[1]:
        if options.threads is not None and pipeline.about():
            raise ValueError(
                f"--threads: chunks have the threads of their workers, got {options.threads}; leave it out"
            )
        for heading, fact in pipeline.about().items():
            tell(heading, fact)
        checkpoint = options.folder / CHECKPOINT
        device = pipeline.device(options.device)
        started = time.perf_counter()
        rows, test = _read(pipeline, options)
        reading = time.perf_counter() - started
        classes = number_of_classes(rows, options.positive)
        plan = options.settled(classes, pipeline.usual_batch(rows), len(rows.y))
        problem = prepare(
            pipeline, rows, test, positive=options.positive, validation=plan.validation, seed=options.seed
        )
        run_rows = pipeline.rows(problem, device, options.dtype)
        config = config_for(plan, problem, run_rows, earlier=checkpoint if options.resume else None)
        run = Run(problem, run_rows, config, device, options.dtype)
        _announce(run)
        if not options.resume and (aside := set_aside(checkpoint)):
            tell("earlier", f"its checkpoint is now {aside}; under its old name --resume goes on from it")
        started = time.perf_counter()
        result, first = _learn(run, checkpoint, options.resume)
        seconds = time.perf_counter() - started
        model = run.model(result.params)
        held_out = pipeline.evaluate(model, problem.test, device)
        summed: Summary | Regression
        if isinstance(held_out, Prediction):
            others = {name: pipeline.evaluate(model, rows, device) for name, rows in run.parts().items()}
            told = {name: of for name, of in others.items() if isinstance(of, Prediction)}
            summed = regression(held_out, told, problem.test.places)
        else:
            accuracy = run.accuracy(result.params)
            summed = summary(problem.classes, held_out, accuracy, problem.test.places)
        report = report_of(
            run,
            result,
            summed,
            name=options.folder.resolve().name,
            choices=_choices(options, plan, problem),
            checksum=pipeline.checksum(problem.test),
            command=shlex.join(["chainrule", *sys.argv[1:]]),
            resumed_after=first,
            seconds_reading=reading,
            seconds=seconds,
            chunks=pipeline.times(run_rows),
        )
        _conclude(report)
        names = save(options.folder, model, result.history, report, problem.test, held_out)
    tell("saved", f"{options.folder}{os.sep}: {', '.join(names)}")
    tell("next", _next_step(options.folder, model))
    if options.as_json:
        print_json(report.as_json() | {"out": str(options.folder), "files": names})


def _pipeline(options: TrainOptions) -> AbstractContextManager[Pipeline]:
    """Return the stages for what was asked for."""
    scheduler = options.scheduler
    # An address in the environment is for those who ask for nothing else.
    if options.workers is not None and scheduler == os.environ.get(SCHEDULER):
        scheduler = None
    return open_pipeline(
        options.path,
        chunk_rows=options.chunk_rows,
        workers=options.workers,
        scheduler=scheduler,
        wait=options.wait,
        say=lambda text: tell("cluster", text),
    )


def _read(pipeline: Pipeline, options: TrainOptions) -> tuple[Dataset, Dataset]:
    """Return the training rows and the held-out rows."""
    train, test = pipeline.load(
        options.path, label=options.label, image_size=options.image_size, task=options.task
    )
    if options.test is not None:
        test = pipeline.load_test(options.test, train, label=options.label)
    if test is None:
        return pipeline.split(train, held_out=options.held_out, seed=options.seed)
    return train, test


def _next_step(folder: Path, model: Model) -> str:
    """Return what to look at, and how to ask the model about a sample."""
    sample = "rows.csv" if model.image is None else "photo.jpg" if model.image.channels == 3 else "digit.png"
    page, command = folder / "report.html", ["chainrule", "predict", str(folder), sample]
    return f"open {shlex.quote(str(page))}; {shlex.join(command)}"


def _choices(options: TrainOptions, plan: Plan, problem: Problem) -> Choices:
    """Return what was chosen of the data; no share was held out where the data brought held-out rows."""
    split = problem.test.source.endswith(", held-out rows")
    return Choices(
        options.label,
        options.positive,
        options.held_out if split else None,
        plan.validation if problem.validation is not None else None,
    )


def _announce(run: Run) -> None:
    problem, config, net = run.problem, run.config, run.config.net
    rows = problem.train
    tell("device", f"{run.device.name} ({run.device.describe()['library']}), {run.dtype}")
    tell("data", f"{rows.source}: {len(rows.y)} rows of {problem.features} features")
    for note in problem.notes or ():
        tell("note", note)
    if problem.validation is not None:
        tell("validate", f"by {len(problem.validation.y)} rows")
    tell("held out", f"{problem.test.source}: {len(problem.test.y)} rows")
    if not problem.classes:
        y = rows.y
        tell("task", f"regression: numbers from {y.min():g} to {y.max():g}, mean {y.mean():.6g}")
    elif len(problem.classes) == 2:
        rest, positive = problem.classes
        number = int(rows.y.sum())
        tell("task", f"{positive!r} ({number} rows) or {rest!r} ({len(rows.y) - number} rows)")
    else:
        tell("task", f"{len(problem.classes)} classes: {', '.join(problem.classes)}")
    tell("network", network_in_words(net))
    batch = f", {config.batch} rows each" if config.batch else ""
    how = "" if config.optimizer == "gradient-descent" else f" by {config.optimizer}"
    tell("steps", f"{config.steps}{how} of learning rate {config.learning_rate:g}{batch}")


def _learn(run: Run, checkpoint: Path, resume: bool) -> tuple[Descent, int]:
    """Return the end of the run, and after which step it began."""
    first = 0
    with _interrupts_asked() as asked, follow(run.config) as seen:

        def on_begin(step: int) -> None:
            nonlocal first
            first = step
            seen.begin(step)
            if resume:
                tell(
                    "resume",
                    f"after step {step}"
                    if checkpoint.exists()
                    else f"no checkpoint {checkpoint}; from the start",
                )

        def on_fault(error: OSError) -> None:
            seen.fault(OSError(f"{checkpoint} cannot be written ({error}); learning goes on without"))

        def stop() -> bool:
            seen.advance()
            return asked()

        try:
            result = run.learn(
                checkpoint,
                resume=resume,
                on_begin=on_begin,
                on_report=seen.report,
                on_fault=on_fault,
                stop=stop,
            )
        except ConnectionError as error:
            if not checkpoint.exists():
                raise
            raise type(error)(f"{error}; --resume goes on from {checkpoint}") from error
    return result, first


def _conclude(report: RunReport) -> None:
    tell("stopped", f"after step {report.steps} ({report.stopped}), {report.seconds:.2f} s")
    if report.cost is not None:
        tell("cost", f"{report.cost:.6f}, largest |gradient| {report.largest_gradient:.2e}")
    best = report.best
    if best is not None and best.validation is not None:
        tell("kept", f"the parameters after step {best.step}, validation {best.validation:.6f}")
    if isinstance(report.summary, Regression):
        explained, error = report.summary.explained, report.summary.error
        usual = f"always the mean: {report.summary.spread:.6g}"
        tell("R^2", f"{explained.train:.4f} train, {explained.held_out:.4f} held out")
        tell("error", f"{error.train:.6g} train, {error.held_out:.6g} held out, root mean square ({usual})")
        return
    accuracy = report.summary.accuracy
    usual = f"always the commonest class: {accuracy.commonest:.2%}"
    tell("accuracy", f"{accuracy.train:.2%} train, {accuracy.held_out:.2%} held out ({usual})")
    if report.chunks is not None:
        _tell_times(report.chunks)


def _tell_times(times: ChunkTimes) -> None:
    """Print where the seconds of steps on chunks went."""
    where = "kept on workers" if times.kept else "read again at each step"
    tell("chunks", f"{times.number} of up to {times.tallest} rows, {where}")
    computing = f"{times.computing:.2f} s computing in the busiest thread of each"
    rest = f"{times.rest:.2f} s moving{'' if times.kept else ', reading'} and waiting"
    tell("spent", f"{times.seconds:.2f} s in {times.steps} steps: {computing}, {rest}")


@contextmanager
def _interrupts_asked() -> Iterator[Callable[[], bool]]:
    """Turn the first signal of the block that asks a process to end into an answer; the second does what it did before.

    SIGHUP stays ignored where it is, as by nohup.
    """
    asked = False
    before = {number: signal.getsignal(number) for number in _ENDS}
    caught = [number for number in _ENDS if number == signal.SIGINT or before[number] is not signal.SIG_IGN]

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        asked = True
        signal.signal(number, before[number])

    for number in caught:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number in caught:
            signal.signal(number, before[number])
