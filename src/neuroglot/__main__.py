"""`python -m neuroglot`: the command line where a launcher starts Python itself."""

from neuroglot.cli import main

main()
