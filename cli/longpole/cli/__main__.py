"""`python -m longpole.cli` is `longpole`."""

from longpole.cli.main import main

if __name__ == "__main__":
    main()
