"""`downloader demo`: the main job on this machine alone, checked byte for byte."""

from __future__ import annotations

import click

from downloader.cli.options import SectionCommand


@click.command(cls=SectionCommand)
@click.option("--keep", is_flag=True, help="Keep the folder with the files.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "bar", "plain", "none"]),
    default="auto",
    show_default=True,
    help="As for fetch.",
)
@click.pass_context
def demo(ctx: click.Context, /, keep: bool, progress: str) -> None:
    """Fetch 500 files from a server of its own on loopback, and check every byte.

    Some are slow, some are missing, and some are never answered: those are cancelled before
    their headers come, and the server has to see each of their connections end. It takes 5 to
    20 seconds and 300 MB in the folder for temporary files.
    """
    # Only now: --help should not wait for Twisted to load.
    from downloader.cli.demorun import run_demo

    ctx.exit(run_demo(keep, progress))
