"""Which language a file is in, and how its grammar names units.

No unit is built here; `indexer.splitting` does that.
"""

from indexer.languages.table import LANGUAGES, Language, by_name, detect

__all__ = ["LANGUAGES", "Language", "by_name", "detect"]
