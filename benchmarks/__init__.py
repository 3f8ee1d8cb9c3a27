"""What calldock costs, measured: each module is run by hand and prints its table; `results.md` keeps what was found."""
