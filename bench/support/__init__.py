"""What benchmarks of the running platform share: installations, callers in processes of their own, a simulator."""
