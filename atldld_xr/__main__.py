"""``python -m atldld_xr``: the command line."""

from atldld_xr.cli import main

if __name__ == "__main__":
    main()
