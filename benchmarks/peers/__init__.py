"""What calldock is measured against: the least that a server can do, and what a user would write instead."""
