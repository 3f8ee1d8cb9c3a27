"""notify's tables and every statement on them. Functions are synchronous, take a connection first and run whole in one transaction."""
