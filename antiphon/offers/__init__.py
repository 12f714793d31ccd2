"""Promo codes on their way: out to the tills, and back by orders, files and calls."""
