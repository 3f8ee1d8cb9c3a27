"""The command line: starts calldock on one machine, and speaks gRPC with what runs."""
