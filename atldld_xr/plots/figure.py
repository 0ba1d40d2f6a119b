"""A figure that pyplot knows nothing of, and that a notebook shows. Needs the extra "plot"."""

from __future__ import annotations

import io

import matplotlib.figure


class Figure(matplotlib.figure.Figure):
    """A figure that is gone with its last reference.

    Until something is drawn with pyplot, IPython knows of no figures and would show its name alone.
    """

    def _repr_png_(self) -> bytes:
        """Return what IPython shows."""
        out = io.BytesIO()
        self.savefig(out, format="png", bbox_inches="tight")
        return out.getvalue()
