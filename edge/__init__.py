"""What runs on a box: everything every edge process shares."""
