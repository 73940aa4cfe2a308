"""What people type: `pantau VERB`, one file a verb or a few related ones."""
