"""Making the model that is shipped. Nothing here runs when Fathom indexes or searches."""
