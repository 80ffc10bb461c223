"""`fathom completion`: the script that lets a shell complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    For bash: fathom completion bash >> ~/.bashrc
    """
    from cli.main import fathom

    completion = get_completion_class(shell)
    if completion is None:  # the choice above names only shells that click knows
        raise click.UsageError(f"no completion for {shell}")
    click.echo(completion(fathom, {}, "fathom", "_FATHOM_COMPLETE").source())
