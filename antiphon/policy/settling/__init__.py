"""What crosses customers: households, limits, capacity, money, exact strata, and their balance."""
