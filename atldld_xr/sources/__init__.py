"""Places that section data sets come from, behind one protocol.

It imports what records mean, files and the phantom; it knows no plan: a tile is asked for by place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atldld_xr.sources import mirror as mirror
else:

    def __getattr__(name):  # atldld_xr.sources.mirror, for instance, without importing it by name
        from atldld_xr.names import find_name

        return find_name(__name__, name, {})
