"""What a person may ask of us: everything we hold (export), and to hold nothing (forget)."""
