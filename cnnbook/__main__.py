"""``python -m cnnbook`` is ``cnnbook``."""

from cnnbook.commands.cli import main

if __name__ == "__main__":
    main()
