"""Progress as a terminal shows it. Where there is none, nothing is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from indexer.progress import Progress as Step
from indexer.progress import Report, silent

if TYPE_CHECKING:
    from rich.progress import TaskID


@contextmanager
def progress(*, shown: bool) -> Iterator[Report]:
    """Show each step, how far it is and how long it will take, where there is a terminal to show it on."""
    if not shown:
        yield silent
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(
        *columns, TextColumn("{task.fields[unit]}"), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bars:

        def report(step: Step) -> None:
            if step.step not in tasks:
                tasks[step.step] = bars.add_task(step.step, total=step.total, unit=step.unit)
            bars.update(tasks[step.step], completed=step.done, total=step.total)

        yield report
