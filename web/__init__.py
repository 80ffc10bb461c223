"""How a browser or a program asks over HTTP. Never ranks, filters or parses queries itself."""
