"""The operator process: kopf's handlers, the watches, the workers and the HTTP server."""
