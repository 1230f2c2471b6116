"""One job over any IAgent: limiter in front, bytes to disk behind. Never imports http1."""
