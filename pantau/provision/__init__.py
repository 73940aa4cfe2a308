"""`pantau-provision VERB …`: from a bare box to a trusted unit, on the box and in the office."""
