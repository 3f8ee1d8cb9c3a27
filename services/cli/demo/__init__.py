"""`calldock demo`: the whole story on real speech."""
