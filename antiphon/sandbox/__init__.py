"""A stand-in for SendGrid and Twilio on this machine: nothing leaves it (docs/rehearsal.md).

It answers the requests that our adapters make as the providers would, notes what it accepted in a
journal, fails as it is told, and reports deliveries and answers as the providers do.
"""
