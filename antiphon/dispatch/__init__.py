"""The room of dispatch: what is due leaves, once, by the account that is open to it (DESIGN §7).

It may use the ledger, the providers and the message room; `antiphon.steps.dispatch` is the door.
"""
