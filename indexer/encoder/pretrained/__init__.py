"""Other people's models, run with their libraries (extra `models`). What is shipped with Fathom needs none of it."""
