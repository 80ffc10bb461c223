"""How a person at a terminal asks. Holds no logic that the API would need too."""
