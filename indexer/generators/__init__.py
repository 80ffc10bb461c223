"""Generators: programs and sentences written for a query or for code, by a language model or from a recording."""
