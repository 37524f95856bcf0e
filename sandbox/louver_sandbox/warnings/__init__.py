"""Warnings (贷后预警): subscriptions under authorisations, evaluated once for each version of the data, told as
flags."""
