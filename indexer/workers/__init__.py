"""Who parses and encodes: processes of this machine, or actors of a Ray cluster. Nothing here reads or writes files."""
