"""gRPC: serving, dialling, errors, identity, validation."""
