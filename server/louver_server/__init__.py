"""The control plane: a web application that meets the sandbox only over gRPC and verifies every proof it shows."""
