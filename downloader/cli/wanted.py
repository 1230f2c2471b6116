"""The options that only `fetch` has: what to fetch, and where it goes."""

from __future__ import annotations

import click

from downloader.cli.options import CONTACT, USER_AGENT, header_option, option, options_of
from downloader.cli.types import checksum, locations
from downloader.jobs import Durability, Naming, OnConflict

WHAT = options_of(
    "What to fetch",
    option(
        "-i",
        "--input-file",
        metavar="LIST",
        help="Fetch the URLs in the file LIST, or in standard input for -, as they come; since "
        "options may follow a URL, the last URL starts when the input ends. "
        "The format is aria2's: a URL a line, mirrors of the same file parted by TAB, "
        "indented options below it (out, dir, header, checksum), comments after #. "
        "gzip is recognised. Example: zcat urls.gz | downloader fetch -i -",
    ),
    option(
        "-M",
        "--metalink",
        "--metalink-file",
        "metalinks",
        metavar="FILE|URL",
        multiple=True,
        help="Fetch the files that a Metalink document names: each from its http and https mirrors "
        "in their order, under its name below DIR, and only with its size and checksum. May be "
        "repeated. A document that is among URL or in LIST is a file like others and not read.",
    ),
    option(
        "--metalink-location",
        type=locations,
        metavar="CC[,CC]...",
        help="Of a document's mirrors of equal priority, ask those in these countries first. "
        "Example: --metalink-location de,fr",
    ),
    option(
        "--checksum",
        type=checksum,
        metavar="TYPE=HEX",
        help="Keep the file only if its digest is this one; for a single URL. "
        "Example: --checksum sha-256=9f86d081...",
    ),
    option(
        "--checksum-file",
        metavar="FILE",
        help="Keep each file only if its digest is the one that FILE, such as SHA256SUMS, has for "
        "it; what is not in it is not fetched. FILE is on this machine, with lines as sha256sum "
        "writes them. A file's line is that of its path below DIR, or of the longest end of it "
        "that is there, or the only one with its last component. --checksum, or checksum in LIST, "
        "goes before it. A PGP signature around the lines is NOT checked. "
        "Example: --checksum-file <(gpg --decrypt SHA256SUMS.asc)",
    ),
    header_option(", nor to mirrors elsewhere. An entry's own header of that name goes before it"),
    USER_AGENT,
    CONTACT,
    option(
        "--respect-robots",
        is_flag=True,
        help="Fetch only what each site's robots.txt allows the robot `downloader`, and as slowly "
        "as its Crawl-delay says. What it forbids has failed. Where a URL redirects to is not "
        "looked at.",
    ),
)

WHERE = options_of(
    "Where files go",
    option(
        "-d",
        "--dir",
        "directory",
        default=".",
        show_default="the current one",
        metavar="DIR",
        help="Write files below this directory, which is made if it is missing.",
    ),
    option(
        "-o",
        "--out",
        metavar="NAME",
        help="Call the file NAME, a path below DIR; for a single URL.",
    ),
    option(
        "--names",
        type=click.Choice([naming.value for naming in Naming]),
        default=Naming.FLAT.value,
        show_default=True,
        help="Name a file after its URL's last segment (flat), or after its host and whole path "
        "(tree).",
    ),
    option(
        "--on-conflict",
        type=click.Choice([choice.value for choice in OnConflict]),
        default=OnConflict.RENAME.value,
        show_default=True,
        help="When a file of that name is there already: take another name (a.1.iso), do not "
        "fetch, or replace it once the new file is whole.",
    ),
    option(
        "--durability",
        type=click.Choice([choice.value for choice in Durability]),
        default=Durability.BATCH.value,
        show_default=True,
        help="Sync files to the disk before they get their names, so that a loss of power takes "
        "none that is complete: several at a time (batch), or each for itself (each). none leaves "
        "it to the system, which is quickest.",
    ),
    option(
        "--state/--no-state",
        default=True,
        show_default=True,
        help="With -i, keep in DIR/.downloader which line became which file. The same command goes "
        "on then with what is missing, whatever ended it. --on-conflict overwrite fetches all of "
        "it again.",
    ),
    option(
        "--retry-failed",
        is_flag=True,
        help="Fetch only what failed in an earlier run of LIST, nothing that it did not get to.",
    ),
    option(
        "--if-changed",
        is_flag=True,
        help="Ask again for what an earlier run of LIST has fetched, and replace a file if the "
        "server has another version of it, once that is whole. Servers are told which version is "
        "there (ETag, or else Last-Modified); without either, the file is fetched again.",
    ),
    option(
        "--content-disposition",
        is_flag=True,
        help="Prefer the name that the server proposes in Content-Disposition.",
    ),
)
