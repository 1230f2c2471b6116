"""Our IAgent: HTTP/1.1 on the httptools parser. Knows no job and no file."""
