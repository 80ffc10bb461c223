"""Where source code comes from: folders, git repositories, corpus files. Nothing here parses a language."""
