"""The contact policy: who of the candidates is written to, when, and what held the others back."""
