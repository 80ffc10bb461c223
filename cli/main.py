"""The `fathom` command: finds the subcommand, and turns our errors into one line and an exit code."""

from __future__ import annotations

import importlib
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any

import click

from indexer.errors import FathomError, QueryError

# Command → module under `cli`, loaded when it is run: starting stays fast.
COMMANDS = {
    "batch": "batch",
    "check": "check",
    "completion": "completion",
    "deepen": "deepen",
    "eval": "eval",
    "index": "index",
    "mcp": "mcp",
    "migrate": "migrate",
    "remove": "remove",
    "rewrite": "rewrite",
    "search": "search",
    "serve": "serve",
    "show": "show",
    "similar": "similar",
    "status": "status",
    "style": "style",
    "train": "train",
}
_INTERRUPTED = 130
# How the system's loader says that there is no memory for a compiled module.
_NO_ROOM = "failed to map segment"


class _Commands(click.Group):
    """Subcommands from their modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"cli.{COMMANDS[cmd_name]}").command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fathom-search", prog_name="fathom")
def fathom() -> None:
    """Find code by meaning: in plain words, in code, or by symbol.

    Exit codes: 0 done or found, 1 nothing found, 2 wrong use or bad query, 3 index missing, damaged or of another
    version, 4 another writer is at work, 5 the environment failed, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code. Errors are one line on standard error."""
    try:
        result: Any = fathom.main(args=arguments, prog_name="fathom", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.Abort:
        return _stopped()
    except ImportError as error:
        # What is interrupted while a compiled module is loaded comes out as a failure to load it, and so does a lack of
        # memory.
        if isinstance(error.__cause__ or error.__context__, KeyboardInterrupt):
            return _stopped()
        if _NO_ROOM not in str(error):
            raise
        return _failed(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except QueryError as error:
        click.echo(f"fathom: {error}", err=True)
        return error.exit_code
    except FathomError as error:
        click.echo(f"fathom: {error}", err=True)
        return error.exit_code
    except SystemExit:
        # Without its standalone mode click leaves so in one case only: whoever read our output has gone.
        return 0
    except (OSError, MemoryError, sqlite3.Error) as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    click.echo(f"fathom: the machine failed: {error or type(error).__name__}", err=True)
    return FathomError.exit_code


def _stopped() -> int:
    click.echo("interrupted; what was done is kept", err=True)
    return _INTERRUPTED


if __name__ == "__main__":
    main()
