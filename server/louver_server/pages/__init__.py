"""The pages: each module is a router, and says of every page which role it is for."""
