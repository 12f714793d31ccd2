"""The public web server: webhooks, and the pages that messages link to (docs/web.md)."""
