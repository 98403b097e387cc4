"""``python3 -m kovra``: see ``python3 -m kovra --help``."""

# These first lines must be readable by every Python, old ones too, so that they can say the sentence below.
import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    this = sys.version.split()[0] + " (" + sys.executable + ")"
    sys.exit("Kovra needs Python 3.11, 3.12 or 3.13, and this is " + this + ". Try: python3.12 -m kovra demo")

if __name__ == "__main__":
    from kovra.launcher.commands import main

    sys.exit(main(sys.argv[1:]))
