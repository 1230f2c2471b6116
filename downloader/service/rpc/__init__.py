"""aria2's RPC: for clients that were written for it."""
