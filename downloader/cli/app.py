"""The command and its subcommands, and the one place where errors become a sentence and a code."""

from __future__ import annotations

import os
import sys

import click

from downloader._version import __version__
from downloader.cli.check import check
from downloader.cli.ctl import ctl
from downloader.cli.demo import demo
from downloader.cli.exits import ExitCode
from downloader.cli.fetch import fetch
from downloader.cli.logs import bug_text
from downloader.cli.put import put
from downloader.cli.shard import shard
from downloader.sansio.printable import printable_lines


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="downloader")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Fetch, send or check many files at once. Stopping stops at once; a file that is there is
    whole."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(ExitCode.USAGE)


commands.add_command(fetch)
commands.add_command(put)
commands.add_command(check)
commands.add_command(ctl)
commands.add_command(demo)
commands.add_command(shard)


def run(arguments: list[str]) -> int:
    """Run the command with `arguments` and return its exit code."""
    secure_standard_files()
    known = {"verbose": 0}  # what the subcommand leaves here when it has read its options
    try:
        code = commands.main(arguments, "downloader", standalone_mode=False, obj=known)
        return code or ExitCode.OK
    except click.ClickException as error:
        _tell(error.format_message())
        return ExitCode.USAGE
    except click.Abort:  # Ctrl-C before our own handler was there, or after it
        return ExitCode.INTERRUPTED
    except Exception as error:
        _tell(bug_text(error, known["verbose"]))
        return ExitCode.FAILED


def _tell(text: str) -> None:
    try:
        print("downloader:", printable_lines(text), file=sys.stderr)
    except OSError:  # nobody is there to read it
        pass


def secure_standard_files() -> None:
    """Open /dev/null on 0, 1 and 2 where the caller closed them.

    Else a socket gets such a number, and a message for the user goes to a server. `sys.stdout`
    stays None then, which click understands and `--report -` refuses.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
