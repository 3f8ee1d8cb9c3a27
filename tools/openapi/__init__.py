"""The OpenAPI document of the REST doors, made from the protos (`tools/protos.py generate` writes it)."""
