"""The proof: unit, contract, stores, integration, e2e. Real neighbours over mocks."""
