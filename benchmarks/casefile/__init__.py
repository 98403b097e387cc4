"""A guild with a long history: the cases and people that the case browser is measured on, and who reads them."""
