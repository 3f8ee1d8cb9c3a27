"""`python -m services.cli` and the entry point `calldock`."""

from services.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
