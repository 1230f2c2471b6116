"""Where a service keeps its queue and its token, unless it is told another place."""

from __future__ import annotations

import os

# The file in a service's state directory that whoever asks it reads.
TOKEN = "token"


def default_state() -> str:
    """The user's state directory for this program (XDG), absolute."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.abspath(os.path.join(home, "downloader"))
