"""The gRPC edge: the policy enforcement point. Wire messages in, values to the pipeline, wire messages out."""
