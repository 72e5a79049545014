"""`python -m lowbit.cli`: the same as the `lowbit` command."""

from lowbit.cli import main

main()
