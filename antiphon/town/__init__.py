"""A town to rehearse in: simulated customers whose true behaviour is declared (docs/town.md).

A town is a project folder of its own: the demo company's people and shop, the campaigns of the
project it was founded from, a sandbox instead of providers. Its days are runs of the real code,
and because everything its people do is known, what was measured can be held against the truth.
"""
