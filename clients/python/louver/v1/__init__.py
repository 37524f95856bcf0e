"""The protocol, generated from `proto/louver/v1` by `make proto`."""
