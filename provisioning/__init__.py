"""What gives a box its identity: the technician's side of pantau."""
