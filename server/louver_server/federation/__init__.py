"""Signing in where somebody is known already: an OpenID provider the operator names (OpenID Connect Core 1.0)."""
