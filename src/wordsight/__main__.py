"""`python -m wordsight`, as `torchrun -m wordsight train …` starts it."""

from wordsight.cli import main

if __name__ == "__main__":
    main()
