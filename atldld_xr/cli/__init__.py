"""The command line, ``atldld-xr``: thin over the functions of the same names.

It is above all else, and imports what it likes; nothing imports it.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress

import click

from atldld_xr._version import __version__
from atldld_xr.cli import options
from atldld_xr.cli.cache import cache
from atldld_xr.cli.config import config
from atldld_xr.cli.doctor import doctor
from atldld_xr.cli.export import export
from atldld_xr.cli.failures import CarefulGroup
from atldld_xr.cli.look import image, info, preview
from atldld_xr.cli.mirror import mirror
from atldld_xr.cli.numbers import grid, summary
from atldld_xr.cli.search import genes, search
from atldld_xr.cli.serve import serve
from atldld_xr.cli.signals import ENDING, heeded
from atldld_xr.cli.stores import status, verify
from atldld_xr.cli.structures import structures
from atldld_xr.cli.volume import volume

__all__ = ["cli", "main"]


@click.group(
    "atldld-xr",
    cls=CarefulGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="""\b
First steps, without network:
  atldld-xr info phantom
  atldld-xr export phantom phantom.zarr
  atldld-xr status phantom.zarr

\b
Exit codes:
  0    done
  1    failed
  2    an argument or option that cannot work; nothing was written
  3    there is no such data set, image or gene
  4    done, but some sections could not be read; of status also: not all is written yet
  5    of doctor: the service does not answer
  130  interrupted by Ctrl-C; 143 by SIGTERM, which batch systems send before they kill; 129 by
       SIGHUP. A second signal ends the program at once, without clearing up

Where an export of several data sets fails, the code is that of those that failed, 1 if these
differ.

Settings, such as the default source and the cache's directory, are environment variables and files:
"atldld-xr config" shows them. Completion: eval "$(_ATLDLD_XR_COMPLETE=bash_source atldld-xr)", or
zsh_source, fish_source.""",
)
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.version_option(__version__, prog_name="atldld-xr", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Allen Brain Atlas section data sets, registered to the reference space.

    A DATASET is an id, as 71717640 or allen:71717640, or one of the built-in data sets, phantom
    and phantom-sagittal. Facts go to standard output, progress and errors to standard error.
    """
    options.help_if_alone(ctx)


_LOOK = (search, genes, info, image, preview, serve, structures, status, verify, doctor)
_MAKE = (export, volume, summary, grid, mirror)
for command in (*_LOOK, *_MAKE, cache, config):
    cli.add_command(command)


# Seconds that clearing up may take after a signal: batch systems kill after thirty.
_LONGEST = 20.0


def main() -> None:
    """Run the command line as a program; signals are its own until it returns.

    Interrupted, it ends the process.
    """
    with heeded():
        try:
            cli.main(prog_name=cli.name)
        except SystemExit as end:
            if isinstance(end.code, int) and end.code - 128 in ENDING:
                _end(end.code)
            raise


def _end(code: int) -> None:
    """End the process as Python does, but for waiting for its threads.

    They may have a slow service to ask again for minutes.
    """
    from atldld_xr.files.ending import finish

    late = threading.Timer(_LONGEST, os._exit, (code,))
    late.daemon = True
    late.start()
    finish()
    atexit._run_exitfuncs()  # all that is registered there, which os._exit leaves out
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # of a terminal that is gone
            stream.flush()
    os._exit(code)
