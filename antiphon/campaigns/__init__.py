"""The YAML contract: text in, campaigns and settings out, or every problem with its place."""
