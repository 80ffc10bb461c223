"""Programs that measure; nothing imports them."""
