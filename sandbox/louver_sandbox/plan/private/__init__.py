"""Plans of questions answered with differential privacy: bounded contributions, whole numbers, planned noise."""
