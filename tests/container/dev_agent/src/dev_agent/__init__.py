"""A FastAPI application to be edited while it runs."""
